import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";
import { reserve } from "./writes.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice();
});
afterAll(() => office.close());

type Item = { route: string; recordedAt: string; result: Record<string, unknown> };

/** What a key did. */
async function itemsOf(key: string): Promise<Item[]> {
  const { status, headers, body } = await office.get(`/v1/idempotency/${encodeURIComponent(key)}`);
  expect(status).toBe(200);
  expect(headers.get("x-projection-lag-ms")).toBe("0");
  expect(body.key).toBe(key);
  return body.items as Item[]; // what this route answers
}

describe("what a key did is told of", () => {
  test.each([
    [
      "POST /holds/reserve",
      async (key: string) => {
        const wish = { sku: await office.shop.stock(1), qty: 1, user_id: "u" };
        const { body } = await office.shop.reserve(wish, { "idempotency-key": key });
        return { reservationId: body.hold_id, expiresAt: body.expires_at };
      },
    ],
    [
      "POST /holds/confirm",
      async (key: string) => {
        const { id: hold_id } = await reserve(office.shop);
        const sold = { hold_id, payment_ref: "pay" };
        const { body } = await office.shop.confirm(sold, { "idempotency-key": key });
        return { orderId: body.order_id, confirmedAt: body.confirmed_at };
      },
    ],
    [
      "POST /holds/cancel",
      async (key: string) => {
        const { id: hold_id } = await reserve(office.shop);
        const { body } = await office.shop.cancel({ hold_id }, { "idempotency-key": key });
        return { status: body.status };
      },
    ],
    [
      "POST /v1/reservations",
      async (key: string) => {
        const lines = [{ sku: await office.shop.stock(1), qty: 1 }];
        const { body } = await office.post("/v1/reservations", { lines }, { key });
        return { reservationId: body.reservationId, expiresAt: body.expiresAt };
      },
    ],
    [
      "POST /v1/reservations/{id}:confirm",
      async (key: string) => {
        const path = `/v1/reservations/${(await reserve(office.shop)).id}:confirm`;
        const { body } = await office.post(path, { paymentRef: "pay" }, { key });
        return { orderId: body.orderId, confirmedAt: body.confirmedAt };
      },
    ],
    [
      "POST /v1/reservations/{id}:cancel",
      async (key: string) => {
        const path = `/v1/reservations/${(await reserve(office.shop)).id}:cancel`;
        const { body } = await office.post(path, {}, { key });
        return { status: body.status };
      },
    ],
    [
      "POST /v1/purchase",
      async (key: string) => {
        const wish = { sku: await office.shop.stock(1), qty: 1 };
        const { body } = await office.post("/v1/purchase", wish, { key });
        const { reservationId, orderId, storeId, purchasedAt } = body;
        return { reservationId, orderId, storeId, purchasedAt };
      },
    ],
    [
      "POST /v1/adjustments",
      async (key: string) => {
        const wish = { sku: await office.shop.stock(5), delta: -2, reason: "damage" };
        const { body } = await office.post("/v1/adjustments", wish, { key });
        return {
          ...{ eventId: body.eventId, occurredAt: body.occurredAt, delta: -2 },
          ...{ onHand: 3, reserved: 0, available: 3, version: 1 },
        };
      },
    ],
    [
      "POST /v1/items:set-absolute",
      async (key: string) => {
        const { sku } = await reserve(office.shop);
        const { body } = await office.post("/v1/items:set-absolute", { sku, onHand: 9 }, { key });
        return {
          ...{ eventId: body.eventId, occurredAt: body.occurredAt, delta: -91 },
          ...{ onHand: 9, reserved: 2, available: 7, version: 2 },
        };
      },
    ],
    [
      "POST /v1/transfers",
      async (key: string) => {
        const lines = [{ sku: await office.shop.stock(1), qty: 1 }];
        const wish = { fromStore: "main", toStore: "berlin", lines };
        const { body } = await office.post("/v1/transfers", wish, { key });
        return { transferId: body.transferId, occurredAt: body.occurredAt };
      },
    ],
    [
      "POST /v1/reconciliations",
      async (key: string) => {
        const [a, b] = [fresh("a"), fresh("b")];
        await office.post("/v1/reconciliations", { snapshotOnHand: { [b]: 8, [a]: 7 } }, { key });
        return expect.objectContaining({ delta: 7, onHand: 7, version: 1 });
      },
    ],
    [
      "POST /v1/stock:bulk",
      async (key: string) => {
        const lines = [
          { sku: fresh("sku"), onHand: 7 },
          { sku: fresh("sku"), onHand: 8 },
        ];
        const response = await fetch(`${office.shop.api.url}/v1/stock:bulk`, {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": key },
          body: JSON.stringify(lines),
        });
        await response.text();
        return expect.objectContaining({ delta: 7, onHand: 7, version: 1 });
      },
    ],
    [
      "POST /v1/products",
      async (key: string) => {
        const product = { sku: fresh("sku"), name: "Tea" };
        await office.post("/v1/products", product, { key });
        return expect.objectContaining({ product: expect.objectContaining(product) });
      },
    ],
    [
      "POST /v1/stores",
      async (key: string) => {
        const store = { storeId: fresh("store"), name: "Rome", latencyRank: 3 };
        await office.post("/v1/stores", store, { key });
        const createdAt = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
        return { ...store, createdAt };
      },
    ],
  ])("%s", async (route, act) => {
    const key = fresh("key");
    const before = Date.now();
    const result = await act(key);
    expect(await itemsOf(key)).toEqual([
      { route, recordedAt: expect.stringMatching(/Z$/), result },
    ]);
    const [{ recordedAt } = { recordedAt: "" }] = await itemsOf(key);
    expect(Math.abs(Date.parse(recordedAt) - before)).toBeLessThan(30_000);
  });
});

test("a key that did several things tells of all of them, in their order", async () => {
  const key = fresh("key");
  const sku = await office.shop.stock(5);
  await office.post("/v1/purchase", { sku, qty: 1 }, { key });
  await office.post("/v1/products", { sku: fresh("sku"), name: "Tea" }, { key });
  await office.post("/v1/adjustments", { sku, delta: 1, reason: "manual" }, { key });
  const items = await itemsOf(key);
  expect(items.map(({ route }) => route)).toEqual([
    "POST /v1/purchase",
    "POST /v1/products",
    "POST /v1/adjustments",
  ]);
});

test.each([
  "a b",
  "a/b",
  "a%2Fb",
  "?x=y",
  "#1",
  'say "so"',
  "back\\slash",
  "{}:*@",
  ";,",
  "k".repeat(255),
])("a key may be %s", async (word) => {
  const key = `${word}${fresh("")}`.slice(-255);
  await office.post(
    "/v1/purchase",
    { sku: await office.shop.stock(1), qty: 1 },
    {
      key: `"${key.replaceAll(/["\\]/g, "\\$&")}"`,
    },
  );
  expect((await itemsOf(key)).map(({ route }) => route)).toEqual(["POST /v1/purchase"]);
});

test("a key that did nothing, or was only refused, is not found, and looking changes nothing", async () => {
  const key = fresh("key");
  const wish = { sku: await office.shop.stock(0), qty: 1 };
  expect((await office.post("/v1/purchase", wish, { key })).status).toBe(409);
  const before = await dump(office.shop.api.redis);
  for (const word of [key, fresh("key"), "__proto__"]) {
    expectProblem(await office.get(`/v1/idempotency/${word}`), { status: 404, code: "NOT_FOUND" });
  }
  expect(await dump(office.shop.api.redis)).toEqual(before);
});

test("while Redis is away nobody can say what a key did", async () => {
  const { shop } = office;
  const key = fresh("key");
  await office.post("/v1/products", { sku: fresh("sku"), name: "Tea" }, { key });
  await shop.redis.kill();
  await shop.untilRedis("gone");
  const refused = await office.get(`/v1/idempotency/${key}`);
  expectProblem(refused, { status: 503, code: "STORE_UNAVAILABLE" });
  expect(refused.headers.get("retry-after")).toMatch(/^[123]$/);
  await shop.startRedis();
  expect(await itemsOf(key)).toHaveLength(1);
});
