import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startProxy } from "../../redis/tcp-proxy.ts";
import { startApi } from "../../setup/api.ts";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { callsTo } from "./back-office.ts";

const PATH = "/v1/reconciliations";

let shop: Shop;
let calls: ReturnType<typeof callsTo>;
beforeAll(async () => {
  shop = await openShop();
  calls = callsTo(shop.api.url);
});
afterAll(() => shop.close());

/** Three skus, in order: `held` units of the first are reserved. */
async function threeSkus(held = 0): Promise<[string, string, string]> {
  const name = fresh("sku");
  const skus: [string, string, string] = [`${name}-a`, `${name}-b`, `${name}-c`];
  for (const [i, sku] of skus.entries()) await shop.api.redis.set(`stock:${sku}`, 10 * (i + 1));
  if (held > 0) {
    const lines = [{ sku: skus[0], qty: held }];
    expect((await calls.post("/v1/reservations", { lines })).status).toBe(202);
  }
  return skus;
}

describe("a reconciliation", () => {
  test("sets each sku and says what was different", async () => {
    const [a, b, c] = await threeSkus(4);
    const unknown = `${c}-unknown`;
    const snapshotOnHand = { [c]: 30, [a]: 3, [unknown]: 5, [b]: 22 };
    const { status, body } = await calls.post(PATH, { snapshotOnHand, source: "wms" });
    expect(status).toBe(202);
    expect(body).toEqual({
      storeId: "main",
      dryRun: false,
      source: "wms",
      items: [
        {
          ...{ sku: a, counted: 3, onHand: 10, difference: -7 },
          ...{ reserved: 4, available: 0, shortfall: 1, version: 2 },
        },
        {
          ...{ sku: b, counted: 22, onHand: 20, difference: 2 },
          ...{ reserved: 0, available: 22, shortfall: 0, version: 1 },
        },
        {
          ...{ sku: c, counted: 30, onHand: 30, difference: 0 },
          ...{ reserved: 0, available: 30, shortfall: 0, version: 1 },
        },
        {
          ...{ sku: unknown, counted: 5, onHand: 0, difference: 5 },
          ...{ reserved: 0, available: 5, shortfall: 0, version: 1 },
        },
      ],
      applied: 4,
      differing: 3,
    });
    expect(await shop.unitsOf(a)).toEqual({ available: 0, held: 4 });
    expect(await shop.unitsOf(b)).toEqual({ available: 22, held: 0 });
  });

  test("is an event for each sku, that says what it came from", async () => {
    const [a, b] = await threeSkus();
    await calls.post(PATH, { storeId: "rome", snapshotOnHand: { [a]: 1, [b]: 2 }, source: "wms" });
    const entries = await shop.api.redis.xrevrange("inventory.events", "+", "-", "COUNT", 2);
    const payloads = entries.map(([, fields]) =>
      JSON.parse(fields[fields.indexOf("payload") + 1] ?? ""),
    );
    const said = { reason: "count", reference: "wms" };
    expect(payloads).toMatchObject([
      { ...said, on_hand: 2, lines: [{ sku: b, store_id: "rome" }] },
      { ...said, on_hand: 1, lines: [{ sku: a, store_id: "rome" }] },
    ]);
  });

  test("that only compares says the same beforehand, and changes nothing", async () => {
    const [a, b, c] = await threeSkus(4);
    const wish = { snapshotOnHand: { [a]: 3, [b]: 22, [c]: 30, [`${c}-unknown`]: 5 } };
    const before = await dump(shop.api.redis);
    const key = fresh("key");
    const compared = await calls.post(`${PATH}?dryRun=true`, wish, { key });
    expect(await dump(shop.api.redis)).toEqual(before);
    expect(compared.status).toBe(200);
    expect(compared.body).toMatchObject({ dryRun: true, applied: 0, differing: 3 });
    const applied = await calls.post(`${PATH}?dryRun=false`, wish, { key }); // its key is free still
    const withoutVersion = ({ version: _, ...item }: { version: number }) => item;
    const [expected, items] = [compared.body.items, applied.body.items] as { version: number }[][];
    expect(items?.map(withoutVersion)).toEqual(expected?.map(withoutVersion));
  });

  test("that only compares needs a key, like all that is posted", async () => {
    const refused = await calls.post(
      `${PATH}?dryRun=true`,
      { snapshotOnHand: { a: 1 } },
      { key: null },
    );
    expectProblem(refused, { status: 400, code: "IDEMPOTENCY_KEY_MISSING" });
    const odd = await calls.post(`${PATH}?dryRun=1`, { snapshotOnHand: { a: 1 } });
    expect([odd.status, odd.body.errors]).toMatchObject([400, [{ pointer: "?dryRun" }]]);
  });

  test.each(["__proto__", "constructor", "toString"])(
    "takes %s for a sku like any other",
    async (sku) => {
      const body = `{"snapshotOnHand":{${JSON.stringify(sku)}:7}}`;
      for (const query of ["?dryRun=true", ""]) {
        const answer = await calls.post(PATH + query, body);
        expect(answer.body.items).toMatchObject([{ sku, counted: 7, onHand: 0, difference: 7 }]);
      }
      expect(await shop.unitsOf(sku)).toEqual({ available: 7, held: 0 });
    },
  );

  test("of which the first sku can't be set does nothing", async () => {
    const [a, b] = await threeSkus();
    await shop.api.redis.set(`stock:${a}`, "abc");
    const before = await dump(shop.api.redis);
    const refused = await calls.post(PATH, { snapshotOnHand: { [a]: 1, [b]: 2 } });
    expectProblem(refused, { status: 500, code: "CORRUPT_STOCK" });
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("may be of 999 or 1,000 skus, compared and applied, and is answered again as at first", async () => {
    for (const count of [999, 1_000]) {
      const name = fresh("many");
      const skus = Array.from({ length: count }, (_, i) => `${name}-${i}`);
      const snapshotOnHand = Object.fromEntries(skus.map((sku, i) => [sku, i]));
      const compared = await calls.post(`${PATH}?dryRun=true`, { snapshotOnHand });
      expect(compared.body).toMatchObject({ items: { length: count }, differing: count - 1 });
      const key = fresh("key");
      const applied = await calls.post(PATH, { snapshotOnHand }, { key });
      expect(applied.body).toMatchObject({ applied: count, differing: count - 1 });
      const again = await calls.post(PATH, { snapshotOnHand }, { key });
      expect(again.text).toBe(applied.text);
      expect(again.headers.get("idempotent-replayed")).toBe("true");
    }
  });

  test("says of a sku that can't be set why, does the others, and does it too once it can be", async () => {
    const [a, b, c] = await threeSkus();
    await shop.api.redis.set(`stock:${b}`, "abc");
    const wish = { snapshotOnHand: { [a]: 1, [b]: 2, [c]: 3 } };
    const key = fresh("key");
    const first = await calls.post(PATH, wish, { key });
    expect(first.status).toBe(202);
    expect(first.body).toMatchObject({ applied: 2, differing: 2 });
    const [done, failed, last] = first.body.items as unknown[];
    expect(failed).toEqual({
      sku: b,
      counted: 2,
      code: "CORRUPT_STOCK",
      detail: expect.stringMatching(/./),
    });
    await shop.api.redis.set(`stock:${b}`, 5);
    const again = await calls.post(PATH, wish, { key });
    expect(again.headers.get("idempotent-replayed")).toBeNull(); // there was something left to do
    expect(again.body.items).toEqual([
      done,
      expect.objectContaining({ sku: b, onHand: 5, difference: -3, version: 1 }),
      last,
    ]);
  });
});

test("a reconciliation of which a crash left the last sku undone is completed by asking again", async () => {
  const [a, b, c] = await threeSkus();
  const key = fresh("key");
  const wish = { snapshotOnHand: { [a]: 1, [b]: 2, [c]: 3 } };
  const first = await calls.post(PATH, wish, { key });
  const { redis } = shop.api;
  expect(await redis.del(`idem:reconcile:${key}#3`, `item:${c}`)).toBe(2);
  await redis.set(`stock:${c}`, 30);
  const again = await calls.post(PATH, wish, { key });
  expect(again.headers.get("idempotent-replayed")).toBeNull();
  expect(again.body).toEqual(first.body);
  expect(await shop.unitsOf(c)).toEqual({ available: 3, held: 0 });
});

test("a reconciliation whose answers were lost is told what it did when it asks again", async () => {
  const proxy = await startProxy(shop.redis.port);
  const api = await startApi({ redisUrl: proxy.url, databaseUrl: shop.database.url });
  try {
    const [a, b, c] = await threeSkus();
    const key = fresh("key");
    const wish = { snapshotOnHand: { [a]: 1, [b]: 2, [c]: 3 } };
    proxy.dropRepliesFrom(`stock:${b}`); // the first sku goes ahead
    const broken = await callsTo(api.url).post(PATH, wish, { key });
    expectProblem(broken, { status: 504, code: "OUTCOME_UNKNOWN" });
    proxy.pass();
    const completed = await calls.post(PATH, wish, { key });
    expect(completed.status).toBe(202);
    expect(completed.body).toMatchObject({
      items: [
        { sku: a, counted: 1, onHand: 10, version: 1 },
        { sku: b, counted: 2, onHand: 20, version: 1 },
        { sku: c, counted: 3, onHand: 30, version: 1 },
      ],
      applied: 3,
    });
  } finally {
    await api.close();
    await proxy.close();
  }
});
