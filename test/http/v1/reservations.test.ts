import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

const HOLD_ID = /^H-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ORDER_ID = /^O-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UNKNOWN = "H-01890000-0000-7000-8000-000000000000";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice();
});
afterAll(() => office.close());

const reserve = (body: Record<string, unknown>) => office.post("/v1/reservations", body);
const confirm = (id: unknown, body?: unknown) =>
  office.post(`/v1/reservations/${id}:confirm`, body);
const cancel = (id: unknown, body?: unknown) => office.post(`/v1/reservations/${id}:cancel`, body);
const read = (id: unknown) => office.get(`/v1/reservations/${id}`);

/** A reservation of all units of a sku. */
async function reserved({ qty = 2, ...more }: { qty?: number; ttlSeconds?: number } = {}) {
  const sku = await office.shop.stock(qty);
  const { status, text, body } = await reserve({ lines: [{ sku, qty }], ...more });
  if (status !== 202) throw new Error(text);
  return { sku, id: String(body.reservationId), expiresAt: String(body.expiresAt) };
}

describe("a reservation", () => {
  test("holds the units of all its lines, summed and in one order, for 15 minutes", async () => {
    const [a, b] = [await office.shop.stock(10), await office.shop.stock(10)].sort().map(String);
    const lines = [
      { sku: b, qty: 1 },
      { sku: a, qty: 2 },
      { sku: b, qty: 3 },
    ];
    const { status, headers, body } = await reserve({ lines, customerId: "ada" });
    expect(status).toBe(202);
    expect(body).toEqual({
      reservationId: expect.stringMatching(HOLD_ID),
      storeId: "main",
      status: "CREATED",
      lines: [
        { sku: a, qty: 2 },
        { sku: b, qty: 4 },
      ],
      expiresAt: expect.stringMatching(ISO_TIME),
      createdAt: expect.stringMatching(ISO_TIME),
      version: 1,
    });
    const lifetime = Date.parse(String(body.expiresAt)) - Date.parse(String(body.createdAt));
    expect(lifetime).toBe(900_000);
    expect(headers.get("location")).toBe(`/v1/reservations/${body.reservationId}`);
    expect(await office.shop.unitsOf(String(a))).toEqual({ available: 8, held: 2 });
    expect(await office.shop.unitsOf(String(b))).toEqual({ available: 6, held: 4 });
  });

  test("may be in another store, whose units it takes", async () => {
    const [sku, storeId] = [fresh("sku"), fresh("store")];
    await office.post("/v1/items:set-absolute", { sku, storeId, onHand: 3 });
    const { body } = await reserve({ storeId, lines: [{ sku, qty: 2 }] });
    expect(body).toMatchObject({ storeId, status: "CREATED" });
    expect((await read(body.reservationId)).body).toMatchObject({ storeId });
    const { perStore } = (await office.get(`/v1/availability?sku=${sku}`)).body;
    expect(perStore).toMatchObject([{ storeId, reserved: 2, available: 1 }]);
  });

  test.each([1, 2, 86_399, 86_400])("may last %d s", async (ttlSeconds) => {
    const lines = [{ sku: await office.shop.stock(1), qty: 1 }];
    const { status, body } = await reserve({ lines, ttlSeconds });
    expect(status).toBe(202);
    const lifetime = Date.parse(String(body.expiresAt)) - Date.parse(String(body.createdAt));
    expect(lifetime).toBe(ttlSeconds * 1000);
  });

  test.each([1, 99, 100])("may have %d lines", async (count) => {
    const skus = await Promise.all(Array.from({ length: count }, () => office.shop.stock(1)));
    const lines = skus.map((sku) => ({ sku, qty: 1 }));
    const { status, body } = await reserve({ lines });
    expect([status, body.lines]).toMatchObject([202, { length: count }]);
  });

  test.each([
    [999, 1, 202],
    [1_000, 1, 400],
    [1_000, 1_000, 400],
  ])("of %d and %d units of one sku: is a %d", async (one, other, expected) => {
    const sku = await office.shop.stock(5_000);
    const answer = await reserve({
      lines: [
        { sku, qty: one },
        { sku, qty: other },
      ],
    });
    expect(answer.status).toBe(expected);
    if (expected === 202) return;
    expect(answer.body).toMatchObject({
      code: "INVALID_REQUEST",
      errors: [{ pointer: "#/lines" }],
    });
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 5_000, held: 0 });
  });

  test("of lines of which some are short takes nothing, and names each that is", async () => {
    const [good, short, empty] = await Promise.all([10, 2, 0].map(office.shop.stock));
    const lines = [
      { sku: good, qty: 1 },
      { sku: short, qty: 2 },
      { sku: empty, qty: 1 },
      { sku: short, qty: 1 },
    ];
    const before = await dump(office.shop.api.redis);
    const short_lines = [
      { sku: short, storeId: "main", requested: 3, available: 2, held: 0 },
      { sku: empty, storeId: "main", requested: 1, available: 0, held: 0 },
    ].sort((a, b) => (String(a.sku) < String(b.sku) ? -1 : 1));
    const { storeId: _, ...first } = short_lines[0] ?? {};
    expectProblem(await reserve({ lines }), {
      status: 409,
      code: "SOLD_OUT",
      members: { ...first, lines: short_lines },
    });
    expect(await dump(office.shop.api.redis)).toEqual(before);
  });

  test("of one line that is short is refused with a list of that one", async () => {
    const sku = await office.shop.stock(1);
    const short = { sku, requested: 2, available: 1, held: 0 };
    expectProblem(await reserve({ lines: [{ sku, qty: 2 }] }), {
      status: 409,
      code: "SOLD_OUT",
      members: { ...short, lines: [{ ...short, storeId: "main" }] },
    });
  });

  test("of what nobody has stocked is refused: the sku, or the store", async () => {
    const [known, sku] = [await office.shop.stock(1), fresh("unknown")];
    const lines = [
      { sku: known, qty: 1 },
      { sku, qty: 1 },
    ];
    const unknown = { status: 404, code: "UNKNOWN_SKU", members: { sku } };
    expectProblem(await reserve({ lines }), unknown);
    const storeId = fresh("nowhere");
    expectProblem(await reserve({ storeId, lines: [{ sku: known, qty: 1 }] }), {
      status: 404,
      code: "STORE_NOT_FOUND",
      members: { storeId },
    });
    expect(await office.shop.unitsOf(known)).toEqual({ available: 1, held: 0 });
  });

  test("is the same thing as a hold of the checkout", async () => {
    const { id } = await reserved();
    expect((await office.shop.read(id)).body).toMatchObject({ hold_id: id, status: "ACTIVE" });
    const sold = await office.shop.confirm({ hold_id: id, payment_ref: "pay" });
    expect(sold.status).toBe(200);
    const { body } = await read(id);
    expect(body).toMatchObject({ status: "CONFIRMED", orderId: sold.body.order_id });
    const held = await office.shop.hold();
    expect((await cancel(held.hold_id, {})).status).toBe(202);
    expect((await office.shop.read(held.hold_id)).body.status).toBe("CANCELLED");
  });
});

describe("a reservation that is read", () => {
  test("says all that is known of it, from Redis and from the ledger alike", async () => {
    const sku = await office.shop.stock(5);
    const created = await reserve({ lines: [{ sku, qty: 2 }], customerId: "ada" });
    const id = created.body.reservationId;
    const young = await read(id);
    expect(young.body).toEqual({ ...created.body, customerId: "ada" });
    expect(young.headers.get("x-projection-lag-ms")).toBe("0");
    const sold = await confirm(id, { paymentRef: "pay" });
    const old = await read(id);
    expect(old.body).toEqual({
      ...young.body,
      status: "CONFIRMED",
      version: 2,
      endedAt: sold.body.confirmedAt,
      orderId: sold.body.orderId,
      paymentRef: "pay",
    });
    await office.record();
    await office.shop.api.redis.del(`hold:${id}`);
    const recorded = await read(id);
    expect(recorded.status).toBe(200);
    expect(recorded.body).toEqual(old.body);
    expect(recorded.headers.get("x-projection-lag-ms")).toMatch(/^\d+$/);
  });

  test("need not be sent again while it is the same", async () => {
    const { id } = await reserved();
    const first = await read(id);
    const tag = { "if-none-match": String(first.headers.get("etag")) };
    expect((await office.get(`/v1/reservations/${id}`, tag)).status).toBe(304);
    await cancel(id, {});
    expect((await office.get(`/v1/reservations/${id}`, tag)).status).toBe(200);
  });

  test("has expired from its deadline on, swept or not", async () => {
    const { id, sku, expiresAt } = await reserved({ ttlSeconds: 1 });
    await until("the deadline has passed", async () =>
      office.shop.api.clock.now() >= Date.parse(expiresAt) ? true : undefined,
    );
    expect((await read(id)).body).toMatchObject({ status: "EXPIRED" });
    expectProblem(await confirm(id, {}), {
      status: 410,
      code: "HOLD_EXPIRED",
      members: { reservationId: id, expiresAt },
    });
    const { status, body } = await cancel(id, {});
    expect([status, body.status]).toEqual([202, "EXPIRED"]);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
  });
});

describe("a confirmation", () => {
  test("sells the units and says which order it is", async () => {
    const { id, sku } = await reserved();
    const { status, body } = await confirm(id, { paymentRef: "pay" });
    expect(status).toBe(202);
    expect(body).toEqual({
      reservationId: id,
      status: "CONFIRMED",
      orderId: expect.stringMatching(ORDER_ID),
      paymentRef: "pay",
      confirmedAt: expect.stringMatching(ISO_TIME),
    });
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
  });

  test.each([
    ["an empty object", {}],
    ["no body at all", undefined],
  ])("needs no payment, with %s", async (_, body) => {
    const { id } = await reserved();
    const sold = await confirm(id, body);
    expect(sold.status).toBe(202);
    expect(sold.body).not.toHaveProperty("paymentRef");
    const again = await confirm(id, body); // another key: an ending is idempotent by nature
    expect(again.text).toBe(sold.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    await office.record();
    expect((await office.get(`/v1/orders/${sold.body.orderId}`)).status).toBe(200);
  });

  test("for another payment, or of what is cancelled, is refused", async () => {
    const { id } = await reserved();
    await confirm(id, { paymentRef: "pay" });
    for (const body of [{ paymentRef: "other" }, {}]) {
      const members = { reservationId: id };
      const refusal = { status: 409, code: "HOLD_ALREADY_CONFIRMED", members };
      expectProblem(await confirm(id, body), refusal);
    }
    const other = await reserved();
    await cancel(other.id, {});
    const members = { reservationId: other.id };
    expectProblem(await confirm(other.id, {}), { status: 409, code: "HOLD_CANCELLED", members });
  });
});

describe("a cancellation", () => {
  test.each([undefined, "timeout", "user_cancel", "payment_failed"])(
    "gives the units back, for the reason %s",
    async (reason) => {
      const { id, sku } = await reserved();
      const { status, body } = await cancel(id, reason === undefined ? undefined : { reason });
      expect(status).toBe(202);
      expect(body).toEqual({ reservationId: id, status: "CANCELLED" });
      expect(await office.shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
      expect((await cancel(id)).body).toEqual(body);
    },
  );

  test("of what is sold is refused", async () => {
    const { id } = await reserved();
    await confirm(id, {});
    const members = { reservationId: id };
    expectProblem(await cancel(id, {}), { status: 409, code: "HOLD_ALREADY_CONFIRMED", members });
  });

  test.each(['""', '"other"', '"__proto__"', "5", "null", "[]"])(
    "for the reason %s is refused",
    async (text) => {
      const { id } = await reserved();
      const { status, body } = await cancel(id, `{"reason":${text}}`);
      expect([status, body.errors]).toMatchObject([400, [{ pointer: "#/reason" }]]);
      expect((await read(id)).body.status).toBe("CREATED");
    },
  );
});

describe("a reservation is not found whose id is", () => {
  test.each([
    ["unknown", UNKNOWN],
    ["short", "H-1"],
    ["without its letter", UNKNOWN.slice(2)],
    ["followed by a newline", `${UNKNOWN}\n`],
    ["followed by a NUL", `${UNKNOWN}\0`],
    ["a path", "../../etc/passwd"],
    ["a pattern", "H-*"],
    ["of an order", UNKNOWN.replace("H", "O")],
  ])("%s", async (_, id) => {
    const before = await dump(office.shop.api.redis);
    const encoded = encodeURIComponent(id);
    const refusal = { status: 404, code: "HOLD_NOT_FOUND" };
    expectProblem(await read(encoded), refusal);
    expectProblem(await confirm(encoded, {}), refusal);
    expectProblem(await cancel(encoded, {}), refusal);
    expect(await dump(office.shop.api.redis)).toEqual(before);
  });
});
