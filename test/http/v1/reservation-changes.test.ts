import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, invalid, openBackOffice } from "./back-office.ts";
import { BAD_CODES, BAD_UNITS, NO_NUMBERS } from "./bad-values.ts";

const UNKNOWN = "H-01890000-0000-7000-8000-000000000000";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice();
});
afterAll(() => office.close());

type Line = { sku: string; qty: number };
type Sent = Parameters<BackOffice["patch"]>[2];

const patch = (id: unknown, lines: Line[], sent?: Sent) =>
  office.patch(`/v1/reservations/${id}`, { lines }, sent);
const patchText = (id: unknown, body: string, sent?: Sent) =>
  office.patch(`/v1/reservations/${id}`, body, sent);
const read = async (id: unknown) => (await office.get(`/v1/reservations/${id}`)).body;

/** A reservation of 3 units of a sku that has 10. */
async function reserved({ qty = 3, ...more }: { qty?: number; ttlSeconds?: number } = {}) {
  const sku = await office.shop.stock(10);
  const customerId = fresh("customer");
  const { status, text, body } = await office.post("/v1/reservations", {
    ...{ lines: [{ sku, qty }], customerId },
    ...more,
  });
  if (status !== 202) throw new Error(text);
  return { sku, id: body.reservationId, expiresAt: String(body.expiresAt), customerId };
}

describe("a reservation is changed", () => {
  test("to more, to less and to other skus: each answer says what it has and its version", async () => {
    const { sku, id, expiresAt } = await reserved();
    const other = await office.shop.stock(4);
    const answers = [
      await patch(id, [{ sku, qty: 5 }]),
      await patch(id, [{ sku: other, qty: 4 }]),
      await patch(id, [
        { sku, qty: 1 },
        { sku: other, qty: 2 },
      ]),
      await patch(id, [{ sku, qty: 0 }]),
    ];
    const changed = (version: number, lines: Line[]) => ({
      ...{ reservationId: id, status: "CREATED", lines, expiresAt, version },
    });
    expect(answers.map(({ status, body }) => [status, body])).toEqual(
      [
        changed(2, [{ sku, qty: 5 }]),
        changed(3, [
          { sku, qty: 5 },
          { sku: other, qty: 4 },
        ]),
        changed(4, [
          { sku, qty: 1 },
          { sku: other, qty: 2 },
        ]),
        changed(5, [{ sku: other, qty: 2 }]),
      ].map((body) => [202, body]),
    );
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 10, held: 0 });
    expect(await office.shop.unitsOf(other)).toEqual({ available: 2, held: 2 });
    const young = await read(id);
    expect(young).toMatchObject({ lines: [{ sku: other, qty: 2 }], version: 5, expiresAt });
    await office.record();
    await office.shop.api.redis.del(`hold:${id}`);
    expect(await read(id)).toEqual(young);
    const { body: list } = await office.get(`/v1/reservations?sku=${other}`);
    expect(list.items).toEqual([young]);
    const { body: movements } = await office.get(`/v1/products/${sku}/movements`);
    const kinds = (movements.items as { kind: string }[]).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "HOLD_CHANGED")).toHaveLength(3);
    const { body: gone } = await office.get(`/v1/reservations?sku=${sku}`);
    expect(gone.items).toEqual([]);
  });

  test("to nothing, which cancels it", async () => {
    const { sku, id, expiresAt } = await reserved();
    const { status, body } = await patch(id, [{ sku, qty: 0 }], { key: fresh("key") });
    const answer = { reservationId: id, status: "CANCELLED", lines: [], expiresAt, version: 2 };
    expect([status, body]).toEqual([202, answer]);
    expect(await read(id)).toMatchObject({ status: "CANCELLED", lines: [{ sku, qty: 3 }] });
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 10, held: 0 });
    const members = { reservationId: id };
    const refusal = { status: 409, code: "HOLD_CANCELLED", members };
    await office.expectRefused(() => patch(id, [{ sku, qty: 1 }]), refusal);
  });

  test("once by a key, whatever happens afterwards", async () => {
    const { sku, id } = await reserved();
    const key = fresh("key");
    const first = await patch(id, [{ sku, qty: 5 }], { key });
    expect(first.headers.has("idempotent-replayed")).toBe(false);
    await patch(id, [{ sku, qty: 2 }]);
    const again = await patch(id, [{ sku, qty: 5 }], { key });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 8, held: 2 });
    const reused = { status: 422, code: "IDEMPOTENCY_KEY_REUSED" };
    for (const ask of [
      () => patch(id, [{ sku, qty: 6 }], { key }),
      () => patch(id, [{ sku, qty: 5 }], { key, "if-match": '"3"' }),
    ]) {
      await office.expectRefused(ask, reused);
    }
    const { body } = await office.get(`/v1/idempotency/${key}`);
    const result = { status: "CREATED", version: 2 };
    expect(body.items).toMatchObject([{ route: "PATCH /v1/reservations/{id}", result }]);
  });

  test("not at all to what it has: nothing happens, and the key is free", async () => {
    const { sku, id } = await reserved();
    const key = fresh("key");
    const { status, body } = await patch(id, [{ sku, qty: 3 }], { key });
    expect([status, body.version]).toEqual([202, 1]);
    expect((await patch(id, [{ sku, qty: 2 }], { key })).body.version).toBe(2);
  });

  test("only at the version that If-Match names", async () => {
    const { sku, id } = await reserved();
    const asked = (qty: number, version: string) =>
      patch(id, [{ sku, qty }], { "if-match": version });
    for (const version of ['"0"', '"2"', "2"]) {
      const members = { reservationId: id, version: 1 };
      const conflict = { status: 409, code: "VERSION_CONFLICT", members };
      await office.expectRefused(() => asked(2, version), conflict);
    }
    expect((await asked(2, '"1"')).body.version).toBe(2);
    expect((await asked(1, "*")).body.version).toBe(3);
    await office.expectRefused(() => asked(2, '"x"'), { status: 400, code: "INVALID_REQUEST" });
  });
});

describe("a change is refused", () => {
  test("by name of every line that is short, and takes nothing", async () => {
    const { sku, id } = await reserved();
    const [few, none] = [await office.shop.stock(1), await office.shop.stock(0)];
    const lines = [
      { sku, qty: 11 },
      { sku: few, qty: 2 },
      { sku: none, qty: 1 },
    ];
    const short = { sku, requested: 8, available: 7, held: 0 };
    await office.expectRefused(() => patch(id, lines), {
      ...{ status: 409, code: "SOLD_OUT" },
      members: {
        ...short,
        lines: [
          { ...short, storeId: "main" },
          { sku: few, storeId: "main", requested: 2, available: 1, held: 0 },
          { sku: none, storeId: "main", requested: 1, available: 0, held: 0 },
        ],
      },
    });
    expect((await patch(id, [{ sku, qty: 10 }])).status).toBe(202);
  });

  test("by the rules of the sale when it is more, and not when it is less", async () => {
    const { sku, id } = await reserved();
    const rules = `/v1/rules/${sku}`;
    await office.put(rules, { maxPerOrder: 4 });
    const limit = { sku, rule: "maxPerOrder", limit: 4, left: 1 };
    const exceeded = { status: 409, code: "LIMIT_EXCEEDED", members: limit };
    await office.expectRefused(() => patch(id, [{ sku, qty: 5 }]), exceeded);
    await office.put(rules, { paused: true });
    const paused = { status: 409, code: "SALE_PAUSED", members: { sku } };
    await office.expectRefused(() => patch(id, [{ sku, qty: 4 }]), paused);
    expect((await patch(id, [{ sku, qty: 2 }])).status).toBe(202);
  });

  test("for what nobody has stocked", async () => {
    const { id } = await reserved();
    const sku = fresh("unknown");
    const unknown = { status: 404, code: "UNKNOWN_SKU", members: { sku } };
    await office.expectRefused(() => patch(id, [{ sku, qty: 1 }]), unknown);
  });

  test("of one that is sold, or whose deadline has passed, or that is none", async () => {
    const sold = await reserved();
    await office.post(`/v1/reservations/${sold.id}:confirm`, {});
    await office.expectRefused(() => patch(sold.id, [{ sku: sold.sku, qty: 1 }]), {
      ...{ status: 409, code: "HOLD_ALREADY_CONFIRMED", members: { reservationId: sold.id } },
    });
    const due = await reserved({ ttlSeconds: 1 });
    await until("the deadline has passed", async () =>
      office.shop.api.clock.now() >= Date.parse(due.expiresAt) ? true : undefined,
    );
    const members = { reservationId: due.id, expiresAt: due.expiresAt };
    for (const qty of [1, 4]) {
      await office.expectRefused(() => patch(due.id, [{ sku: due.sku, qty }]), {
        ...{ status: 410, code: "HOLD_EXPIRED", members },
      });
    }
    for (const id of [UNKNOWN, "H-1", encodeURIComponent("../x")]) {
      const none = { status: 404, code: "HOLD_NOT_FOUND" };
      await office.expectRefused(() => patch(id, [{ sku: sold.sku, qty: 1 }]), none);
    }
  });

  test.each([100, 101])("beyond 100 lines: with %d", async (count) => {
    const { sku, id } = await reserved();
    const skus = await Promise.all(Array.from({ length: count - 1 }, () => office.shop.stock(1)));
    const ask = () =>
      patch(
        id,
        skus.map((name) => ({ sku: name, qty: 1 })),
      );
    if (count === 100) expect((await ask()).status).toBe(202);
    else await office.expectRefused(ask, { status: 400, code: "INVALID_REQUEST" });
    const held = count === 100 ? 1 : 0;
    expect(await office.shop.unitsOf(skus[0] ?? "")).toMatchObject({ held });
    expect(await office.shop.unitsOf(sku)).toMatchObject({ held: 3 });
  });
});

describe("what is no change is refused, and nothing happens", () => {
  let id: unknown;
  let sku = "";
  beforeAll(async () => {
    ({ id, sku } = await reserved());
  });
  const line = (qty: string) => `{"lines":[{"sku":"${sku}","qty":${qty}}]}`;

  test.each([...BAD_UNITS, "-1", "1001"])("qty %s", async (qty) => {
    await office.expectRefused(() => patchText(id, line(qty)), invalid("#/lines/0/qty"));
  });

  test.each(NO_NUMBERS)("the text %j for a number", async (qty) => {
    const { status, body } = await patchText(id, line(qty));
    expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
  });

  test.each(BAD_CODES)("sku %s", async (name) => {
    const body = `{"lines":[{"sku":${name},"qty":1}]}`;
    await office.expectRefused(() => patchText(id, body), invalid("#/lines/0/sku"));
  });

  test.each([
    ["no lines", "{}", "#/lines"],
    ["an empty list", '{"lines":[]}', "#/lines"],
    ["lines that are no list", '{"lines":{}}', "#/lines"],
    ["null for a line", '{"lines":[null]}', "#/lines/0"],
    ["a store", '{"lines":[{"sku":"a","qty":1}],"storeId":"main"}', "#/storeId"],
    ["a member nobody knows", '{"lines":[{"sku":"a","qty":1,"store":"x"}]}', "#/lines/0/store"],
    ["a sku twice", '{"lines":[{"sku":"a","qty":1},{"sku":"a","qty":1}]}', "#/lines/1/sku"],
  ])("%s", async (_, body, pointer) => {
    await office.expectRefused(() => patchText(id, body), invalid(pointer));
  });

  test("no key, and no JSON", async () => {
    const missing = { status: 400, code: "IDEMPOTENCY_KEY_MISSING" };
    await office.expectRefused(() => patchText(id, line("1"), { key: null }), missing);
    const type = { "content-type": "text/plain" };
    const media = { status: 415, code: "UNSUPPORTED_MEDIA_TYPE" };
    await office.expectRefused(() => patchText(id, line("1"), type), media);
  });
});

test("a change waits until it is recorded when it is asked to", async () => {
  const { sku, id } = await reserved();
  const asked = patch(id, [{ sku, qty: 1 }], { prefer: "wait=10" });
  await until("it is decided", async () =>
    (await office.shop.unitsOf(sku)).held === 1 ? true : undefined,
  );
  await office.record();
  const { status, body } = await asked;
  expect([status, body.recorded]).toEqual([200, true]);
  expectProblem(await patch(UNKNOWN, [{ sku, qty: 1 }], { prefer: "wait=1" }), {
    ...{ status: 404, code: "HOLD_NOT_FOUND" },
  });
});
