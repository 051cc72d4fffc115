import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { compareBooks } from "../../worker/books.ts";
import { query } from "../../worker/query.ts";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
});
afterAll(() => office.close());

type Lines = { sku: string; qty: number }[];

/** An order of `qty` units each of new skus, of which nothing is left, and which is recorded. */
async function sold(...quantities: number[]) {
  const lines = quantities.map((qty) => ({ sku: fresh("sku"), qty }));
  for (const { sku, qty } of lines) await office.shop.api.redis.set(`stock:${sku}`, qty);
  const customerId = fresh("ann");
  const held = await office.post("/v1/reservations", { lines, customerId });
  const sale = await office.post(`/v1/reservations/${held.body.reservationId}:confirm`, {});
  await office.record();
  const path = `/v1/orders/${sale.body.orderId}`;
  const give = (back: Lines, more: object = {}, sent?: Parameters<typeof office.post>[2]) =>
    office.post(`${path}:return`, { lines: back, ...more }, sent);
  const read = async () => (await office.get(path)).body;
  const [orderId, sku] = [String(sale.body.orderId), lines[0]?.sku ?? ""];
  return { orderId, customerId, lines, sku, give, read };
}

const exceeds = (...lines: object[]) => ({
  status: 409,
  code: "RETURN_EXCEEDS_SOLD",
  members: { ...lines[0], lines },
});

describe("a return", () => {
  test("puts units back into stock, and the order shows what came back and when", async () => {
    const { sku, orderId, give, read, customerId } = await sold(3);
    const { status, body } = await give([{ sku, qty: 2 }], { reason: "too small" });
    expect(status).toBe(202);
    expect(body).toEqual({
      ...{ returnId: expect.any(String), orderId, restock: true, reason: "too small" },
      lines: [{ sku, storeId: "main", qty: 2 }],
      returnedAt: expect.stringMatching(/Z$/),
    });
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
    const shown = { returnId: body.returnId, qty: 2, restock: true, reason: "too small" };
    const line = { sku, storeId: "main", qty: 3, returned: 2 };
    expect((await read()).lines).toEqual([{ ...line, returns: [shown] }]);
    await office.record();
    const told = [{ ...line, returns: [{ ...shown, returnedAt: body.returnedAt }] }];
    expect((await read()).lines).toEqual(told);
    const { body: list } = await office.get(`/v1/orders?customerId=${customerId}`);
    expect(list.items).toMatchObject([{ orderId, lines: told }]);

    const { body: movements } = await office.get(`/v1/products/${sku}/movements?limit=1`);
    expect(movements.items).toEqual([
      expect.objectContaining({
        ...{ kind: "ORDER_RETURNED", availableDelta: 2, heldDelta: 0, onHandDelta: 2 },
        ...{ reference: orderId, reason: "too small", actor: "api", eventId: body.returnId },
        occurredAt: body.returnedAt,
      }),
    ]);
  });

  test("without restock leaves stock as it was, and counts as returned all the same", async () => {
    const { sku, give, read } = await sold(2);
    const before = await office.get(`/v1/products/${sku}/movements`);
    const { status, body } = await give([{ sku, qty: 1 }], { restock: false });
    expect([status, body.restock]).toEqual([202, false]);
    await office.record();
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
    const after = await office.get(`/v1/products/${sku}/movements`);
    expect(after.body.items).toEqual(before.body.items);
    expect((await read()).lines).toMatchObject([
      { returned: 1, returns: [{ restock: false, returnedAt: body.returnedAt }] },
    ]);
    expectProblem(
      await give([{ sku, qty: 2 }]),
      exceeds({ sku, sold: 2, returned: 1, requested: 2 }),
    );
  });

  test("of a purchase goes to the store it was sold from", async () => {
    const sku = fresh("mug");
    await office.adjust(sku, "north", 5);
    const { body: sale } = await office.post("/v1/purchase", { sku, qty: 2 });
    await office.record();
    const path = `/v1/orders/${sale.orderId}:return`;
    const { status, body } = await office.post(path, { lines: [{ sku, qty: 2 }] });
    expect([status, body.lines]).toEqual([202, [{ sku, storeId: "north", qty: 2 }]]);
    expect(await office.shop.api.redis.get(`stock:${sku}@north`)).toBe("5");
  });

  test("of one line after the other ends with all that was sold, and not one more", async () => {
    const { lines, give, read } = await sold(2, 1, 3);
    const [a = "", b = "", c = ""] = lines.map(({ sku }) => sku);
    expect((await give([{ sku: a, qty: 1 }])).status).toBe(202);
    const all = [a, b, c].map((sku) => ({ sku, qty: 1 }));
    expect((await give(all)).status).toBe(202);
    await office.expectRefused(
      () => give([...all, { sku: c, qty: 1 }]),
      exceeds(
        { sku: a, sold: 2, returned: 2, requested: 1 },
        { sku: b, sold: 1, returned: 1, requested: 1 },
      ),
    );
    await office.expectRefused(
      () => give([{ sku: c, qty: 3 }]),
      exceeds({ sku: c, sold: 3, returned: 1, requested: 3 }),
    );
    // Named twice, they are one line.
    expect(
      (
        await give([
          { sku: c, qty: 1 },
          { sku: c, qty: 1 },
        ])
      ).status,
    ).toBe(202);
    const shown = (await read()).lines as { qty: number; returned: number }[];
    expect(shown.map(({ qty, returned }) => qty - returned)).toEqual([0, 0, 0]);
  });

  test.each([1, 2])("of all but %i to one, and all at once, is granted", async (less) => {
    const { sku, give } = await sold(3);
    expect((await give([{ sku, qty: 3 - less }])).status).toBe(202);
    expect((await give([{ sku, qty: less }])).status).toBe(202);
    await office.expectRefused(
      () => give([{ sku, qty: 1 }]),
      exceeds({ sku, sold: 3, returned: 3, requested: 1 }),
    );
  });

  test("of one unit more than was sold is refused, and of what the order does not have", async () => {
    const { sku, give } = await sold(3);
    await office.expectRefused(
      () => give([{ sku, qty: 4 }]),
      exceeds({ sku, sold: 3, returned: 0, requested: 4 }),
    );
    await office.expectRefused(
      () =>
        give([
          { sku, qty: 1 },
          { sku: "other", qty: 1 },
        ]),
      exceeds({ sku: "other", sold: 0, returned: 0, requested: 1 }),
    );
    expect((await give([{ sku, qty: 3 }])).status).toBe(202);
  });

  test("frees what the customer may buy, when the rules say so", async () => {
    const { sku, lines, customerId, give } = await sold(2);
    const body = { maxPerCustomer: 2, returnsFree: true };
    expect((await office.put(`/v1/rules/${sku}`, body)).status).toBe(202);
    await office.adjust(sku, "main", 5);
    const buy = (qty: number) =>
      office.post("/v1/reservations", { lines: [{ sku, qty }], customerId });
    expect(lines).toHaveLength(1);
    expect((await buy(2)).status).toBe(202);
    const beyond = (left: number) => ({
      ...{ status: 409, code: "LIMIT_EXCEEDED" },
      members: { sku, rule: "maxPerCustomer", limit: 2, left },
    });
    expectProblem(await buy(1), beyond(0));
    await give([{ sku, qty: 1 }]);
    expectProblem(await buy(2), beyond(1));
    expect((await buy(1)).status).toBe(202);
  });
});

describe("the same return again", () => {
  test("has the same answer, at once and 20 times, and happens once", async () => {
    const { sku, give } = await sold(40);
    const key = fresh("key");
    const ask = () => give([{ sku, qty: 2 }], { reason: "r" }, { key });
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const replayed = answers.filter(({ headers }) => headers.get("idempotent-replayed"));
    expect(replayed).toHaveLength(19);
    await office.record();
    expect((await ask()).text).toBe(answers[0]?.text);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
    const { body } = await office.get(`/v1/idempotency/${key}`);
    expect(body.items).toEqual([
      expect.objectContaining({ route: "POST /v1/orders/{orderId}:return" }),
    ]);
  });

  test("asked otherwise is refused", async () => {
    const { sku, give } = await sold(5);
    const key = fresh("key");
    const first = { lines: [{ sku, qty: 1 }], more: { restock: true, reason: "r" } };
    expect((await give(first.lines, first.more, { key })).status).toBe(202);
    const reused = { status: 422, code: "IDEMPOTENCY_KEY_REUSED" };
    for (const [back, more] of [
      [[{ sku, qty: 2 }], first.more],
      [first.lines, { ...first.more, restock: false }],
      [first.lines, { ...first.more, reason: "s" }],
      [first.lines, { restock: true }],
    ] as const) {
      await office.expectRefused(() => give([...back], more, { key }), reused);
    }
    expect((await give(first.lines, { reason: "r" }, { key })).status).toBe(202);
  });
});

test("fifty returns of one order at once never exceed what was sold", async () => {
  const { sku, give } = await sold(20);
  const asked = Array.from({ length: 50 }, () => give([{ sku, qty: 3 }]));
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 202)).toHaveLength(6);
  expect(statuses.filter((status) => status === 409)).toHaveLength(44);
  expect(await office.shop.unitsOf(sku)).toEqual({ available: 18, held: 0 });
});

describe("an order", () => {
  test("that was sold a moment ago is waited for until it is recorded", async () => {
    const sku = await office.shop.stock(2);
    const { body: sale } = await office.post("/v1/purchase", { sku, qty: 2 });
    const lines = [{ sku, qty: 2 }];
    const asked = office.post(`/v1/orders/${sale.orderId}:return`, { lines });
    await office.record();
    expect((await asked).status).toBe(202);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
  });

  test.each([
    "O-01890000-0000-7000-8000-000000000000",
    "O-1",
    "H-01890000-0000-7000-8000-000000000000",
    "%00",
    "a".repeat(2_000),
  ])("%s is not found", async (id) => {
    await office.record();
    await office.expectRefused(
      () => office.post(`/v1/orders/${id}:return`, { lines: [{ sku: "tea", qty: 1 }] }),
      { status: 404, code: "NOT_FOUND" },
    );
  });
});

test("Prefer: wait answers when the return is recorded", async () => {
  const { sku, give, read } = await sold(1);
  const asked = give([{ sku, qty: 1 }], {}, { prefer: "wait=10" });
  const { promise, resolve } = Promise.withResolvers<void>();
  void asked.then(() => resolve());
  let over = false;
  void promise.then(() => {
    over = true;
  });
  while (!over) await office.record();
  const { status, body } = await asked;
  expect([status, body.recorded]).toEqual([200, true]);
  expect((await read()).lines).toMatchObject([{ returns: [{ returnedAt: body.returnedAt }] }]);
});

test("afterwards both sides balance, and the events tell of it", async () => {
  await office.record();
  expect(await compareBooks(office.shop.api.redis, office.shop.database.url)).toEqual([]);
  const open = "select from order_returns where returned_at is null";
  expect(await query(office.shop.database.url, open)).toEqual([]);
  const before = await dump(office.shop.api.redis);
  const { body } = await office.get("/v1/events?limit=1000");
  const events = body as unknown as { eventType: string; payload: Record<string, unknown> }[];
  const returned = events.filter(({ eventType }) => eventType === "ORDER_RETURNED");
  expect(returned.length).toBeGreaterThan(5);
  expect(returned[0]?.payload).not.toHaveProperty("record");
  expect(await dump(office.shop.api.redis)).toEqual(before);
});
