import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { callsTo } from "./back-office.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let shop: Shop;
let calls: ReturnType<typeof callsTo>;
beforeAll(async () => {
  shop = await openShop();
  calls = callsTo(shop.api.url);
});
afterAll(() => shop.close());

const adjust = (body: Record<string, unknown>, sent?: Parameters<typeof calls.post>[2]) =>
  calls.post("/v1/adjustments", { reason: "manual", ...body }, sent);
const count = (body: Record<string, unknown>, sent?: Parameters<typeof calls.post>[2]) =>
  calls.post("/v1/items:set-absolute", body, sent);

async function hold(sku: string, qty: number): Promise<void> {
  expect((await calls.post("/v1/reservations", { lines: [{ sku, qty }] })).status).toBe(202);
}

async function newestEvent() {
  const [newest] = await shop.api.redis.xrevrange("inventory.events", "+", "-", "COUNT", 1);
  const fields = newest?.[1] ?? [];
  const value = (name: string) => fields[fields.indexOf(name) + 1] ?? "";
  const payload = JSON.parse(value("payload")) as Record<string, unknown>; // an object, always
  return { event_id: value("event_id"), type: value("type"), ...payload };
}

describe("an adjustment", () => {
  test("changes the stock by so many units and says what there is now", async () => {
    const sku = await shop.stock(10);
    await hold(sku, 3);
    const facts = { reference: "PO-1", notes: 'Zoë said "ok"' };
    const { status, headers, body } = await adjust({ sku, delta: 5, reason: "receipt", ...facts });
    expect(status).toBe(202);
    expect(body).toEqual({
      eventId: expect.stringMatching(UUID),
      sku,
      storeId: "main",
      delta: 5,
      reason: "receipt",
      onHand: 15,
      reserved: 3,
      available: 12,
      version: 2,
      occurredAt: expect.stringMatching(ISO_TIME),
      ...facts,
    });
    expect(headers.get("idempotent-replayed")).toBeNull();
    expect(await shop.unitsOf(sku)).toEqual({ available: 12, held: 3 });
  });

  test("is an event that keeps all that was said, and by which request under which key", async () => {
    const sku = fresh("sku");
    const key = fresh("key");
    const facts = { reason: "return", reference: "r", notes: "n" };
    const { body } = await adjust(
      { sku, storeId: "berlin", delta: 2, ...facts, traceId: "t" },
      { "x-request-id": "the-request", key },
    );
    const record = `idem:adjust:${key}`;
    expect(await newestEvent()).toEqual({
      event_id: body.eventId,
      type: "STOCK_ADJUSTED",
      event_version: 1,
      occurred_at: Date.parse(String(body.occurredAt)),
      request_id: "the-request",
      actor: "api",
      ...facts,
      trace_id: "t",
      record: [record, await shop.api.redis.get(record)],
      lines: [{ sku, store_id: "berlin", available_delta: 2, available: 2, held: 0, version: 1 }],
    });
  });

  test("takes what is available and not one unit more", async () => {
    const sku = await shop.stock(10);
    await hold(sku, 4);
    const before = await dump(shop.api.redis);
    const refused = await adjust({ sku, delta: -7, reason: "damage" });
    expectProblem(refused, {
      status: 409,
      code: "WOULD_GO_NEGATIVE",
      members: { sku, storeId: "main", requested: 7, available: 6 },
    });
    expect(await dump(shop.api.redis)).toEqual(before);
    expect((await adjust({ sku, delta: -6, reason: "damage" })).body).toMatchObject({
      onHand: 4,
      reserved: 4,
      available: 0,
    });
    expect((await adjust({ sku, delta: -1 })).status).toBe(409);
  });

  test("of a sku that nobody knew begins with nothing", async () => {
    const sku = fresh("sku");
    const refused = await adjust({ sku, delta: -1 });
    const members = { sku, storeId: "main", requested: 1, available: 0 };
    expectProblem(refused, { status: 409, code: "WOULD_GO_NEGATIVE", members });
    expect((await adjust({ sku, delta: 1 })).body).toMatchObject({ onHand: 1, version: 1 });
  });

  test.each(["sale", "damage", "count", "manual", "receipt", "return"])(
    "may be for the reason %s",
    async (reason) => {
      const { status, body } = await adjust({ sku: await shop.stock(1), delta: 1, reason });
      expect([status, body.reason]).toEqual([202, reason]);
    },
  );

  test.each([1, 999_999_999, 1_000_000_000])("may bring and take %d units", async (delta) => {
    const sku = fresh("sku");
    expect((await adjust({ sku, delta })).body).toMatchObject({ onHand: delta });
    expect((await adjust({ sku, delta: -delta })).body).toMatchObject({ onHand: 0 });
  });

  test("that would bring more than a store can have is refused", async () => {
    const sku = await shop.stock("999999999998");
    expect((await adjust({ sku, delta: 1 })).body).toMatchObject({ onHand: 999_999_999_999 });
    const refused = await adjust({ sku, delta: 1 });
    expectProblem(refused, { status: 400, code: "INVALID_REQUEST" });
    expect(await shop.unitsOf(sku)).toEqual({ available: 999_999_999_999, held: 0 });
  });

  test.each(["__proto__", "constructor", "s".repeat(64), "iphone_15.pro-256"])(
    "works for a sku and a store named %s",
    async (name) => {
      const { body } = await adjust({ sku: name, storeId: name, delta: 3 });
      expect(body).toMatchObject({ sku: name, storeId: name, onHand: 3 });
      const { perStore } = (await calls.get(`/v1/availability?sku=${name}`)).body;
      expect(perStore).toMatchObject([{ storeId: name, onHand: 3 }]);
    },
  );

  test("takes texts of just the length that is allowed", async () => {
    const [reference, notes, traceId] = [255, 1_000, 128].map((length) => "🛒".repeat(length));
    const sku = fresh("sku");
    const { status, body } = await adjust({ sku, delta: 1, reference, notes, traceId });
    expect(status).toBe(202);
    expect(body).toMatchObject({ reference, notes });
  });
});

describe("a recount", () => {
  test("sets what is there, and leaves what is reserved", async () => {
    const sku = await shop.stock(10);
    await hold(sku, 4);
    const { status, body } = await count({ sku, onHand: 9, countRef: "stocktaking" });
    expect(status).toBe(202);
    expect(body).toEqual({
      eventId: expect.stringMatching(UUID),
      sku,
      storeId: "main",
      onHand: 9,
      reserved: 4,
      available: 5,
      version: 2,
      difference: -1,
      shortfall: 0,
      occurredAt: expect.stringMatching(ISO_TIME),
    });
    expect(await shop.unitsOf(sku)).toEqual({ available: 5, held: 4 });
    expect(await newestEvent()).toMatchObject({
      type: "STOCK_COUNTED",
      reason: "count",
      reference: "stocktaking",
      on_hand: 9,
    });
  });

  test.each([
    [3, { onHand: 4, available: 0, difference: -6, shortfall: 1 }],
    [4, { onHand: 4, available: 0, difference: -6, shortfall: 0 }],
    [5, { onHand: 5, available: 1, difference: -5, shortfall: 0 }],
    [0, { onHand: 4, available: 0, difference: -6, shortfall: 4 }],
    [10, { onHand: 10, available: 6, difference: 0, shortfall: 0 }],
  ])("of %d where 4 of 10 are reserved: says what is missing", async (onHand, expected) => {
    const sku = await shop.stock(10);
    await hold(sku, 4);
    expect((await count({ sku, onHand })).body).toMatchObject({ ...expected, reserved: 4 });
    expect(await shop.unitsOf(sku)).toEqual({ available: expected.available, held: 4 });
  });

  test("of none makes a sku known, in a store that was not", async () => {
    const [sku, storeId] = [fresh("sku"), fresh("store")];
    expect((await count({ sku, storeId, onHand: 0 })).body).toMatchObject({
      onHand: 0,
      version: 1,
      difference: 0,
    });
    const { status, body } = await calls.get(`/v1/items/${sku}/availability`);
    expect(status).toBe(200);
    expect(body.perStore).toMatchObject([{ storeId, onHand: 0 }]);
  });

  test.each([0, 1, 999_999_999, 1_000_000_000])("may be of %d", async (onHand) => {
    expect((await count({ sku: fresh("sku"), onHand })).body).toMatchObject({ onHand });
  });
});

describe.each([
  ["an adjustment", "/v1/adjustments", { delta: 1, reason: "manual" }],
  ["a recount", "/v1/items:set-absolute", { onHand: 7 }],
])("%s with If-Match", (_, path, wish) => {
  const send = (sku: string, if_match: string, key = fresh("key")) =>
    calls.post(path, { sku, ...wish }, { "if-match": if_match, key });

  test.each(['"2"', "2", "*"])("%s is done at version 2", async (if_match) => {
    const sku = await shop.stock(10);
    await hold(sku, 1);
    await hold(sku, 1);
    const { status, body } = await send(sku, if_match);
    expect([status, body.version]).toEqual([202, 3]);
  });

  test.each(['"1"', '"3"', '"0"', '"999999999999999"'])("%s is refused", async (if_match) => {
    const sku = await shop.stock(10);
    await hold(sku, 1);
    await hold(sku, 1);
    const before = await dump(shop.api.redis);
    expectProblem(await send(sku, if_match), {
      status: 409,
      code: "VERSION_CONFLICT",
      members: { sku, storeId: "main", version: 2 },
    });
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("of a stock that nobody has changed yet names version 0", async () => {
    expect((await send(await shop.stock(10), '"0"')).body.version).toBe(1);
    expect((await send(fresh("sku"), '"0"')).body.version).toBe(1);
  });

  test("is answered again as at first, though the version has moved on", async () => {
    const sku = await shop.stock(10);
    const key = fresh("key");
    const first = await send(sku, '"0"', key);
    const again = await send(sku, '"0"', key);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const other = await send(sku, '"1"', key);
    expectProblem(other, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
  });

  test("lets one of 20 at once do it", async () => {
    const sku = await shop.stock(10);
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(sku, '"0"')));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([202, ...Array(19).fill(409)]);
  });
});
