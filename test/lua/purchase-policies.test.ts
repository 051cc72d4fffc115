import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { keys, openScripts, type ScriptSide } from "./script-side.ts";
import { type PurchaseSpec, purchaseRequest } from "./stock-requests.ts";

const STORES = ["main", "east", "north", "west"];

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(() => emptyRedis(side.redis));

/** Each store's units and rank, in the order of STORES; null: not stocked there, or not ranked. */
async function open(units: (number | null)[], ranks: (number | null)[] = []) {
  await side.redis.hset(keys.stores, { east: "0", north: "0", west: "0" });
  for (const [i, store_id] of STORES.entries()) {
    const [stock, rank] = [units[i] ?? null, ranks[i] ?? null];
    if (stock !== null) await side.redis.set(keys.stock("phone", store_id), String(stock));
    if (rank !== null) await side.redis.hset(keys.stores, store_id, String(rank));
  }
}

/** The stores that were sold from, one after the other in one batch. */
async function buy(policy: string, times: number, more: PurchaseSpec = {}) {
  const stores_seen = await side.redis.hlen(keys.stores);
  const request = () => purchaseRequest({ stores: STORES, stores_seen, policy, ...more });
  const { tuples } = await side.call("create_purchases", ...Array.from({ length: times }, request));
  return tuples.map(([word, , , store_id]) => (word === "PURCHASED" ? store_id : word));
}

describe("highest-available", () => {
  test("picks the store that has most", async () => {
    await open([2, 3, 9, 4], [0, 0, 9, 0]);
    expect(await buy("highest-available", 1)).toEqual(["north"]);
  });

  test("of those that have as much the nearer, and then the one named first", async () => {
    await open([5, 5, 5, 5], [3, 2, 1, 1]);
    expect(await buy("highest-available", 5)).toEqual(["north", "west", "east", "main", "north"]);
  });

  test("counts a default store without a rank as near as can be", async () => {
    await open([5, 5, 5, 5], [null, 1, 1, 1]);
    expect(await buy("highest-available", 1)).toEqual(["main"]);
  });
});

describe("lowest-latency", () => {
  test("picks the nearest store that has enough", async () => {
    await open([9, 3, 2, null], [7, 2, 1, 0]);
    expect(await buy("lowest-latency", 1, { quantity: 2 })).toEqual(["north"]);
    expect(await buy("lowest-latency", 1, { quantity: 2 })).toEqual(["east"]);
    expect(await buy("lowest-latency", 1, { quantity: 2 })).toEqual(["main"]);
  });

  test("of those as near the one that has more, and then the one named first", async () => {
    await open([9, 4, 5, 5], [1, 0, 0, 0]);
    expect(await buy("lowest-latency", 4)).toEqual(["north", "west", "east", "north"]);
  });

  test("counts a default store without a rank as near as can be, and one with a rank by it", async () => {
    await open([1, 9, 9, 9], [null, 1, 1, 1]);
    expect(await buy("lowest-latency", 2)).toEqual(["main", "east"]);
    await open([1], [2]);
    expect(await buy("lowest-latency", 1)).toEqual(["north"]);
  });
});

describe("round-robin", () => {
  test("takes one store after the other, over batches and within one", async () => {
    await open([9, 9, 9, 9]);
    const first = await buy("round-robin", 3);
    expect([...first, ...(await buy("round-robin", 3))]).toEqual([
      ...STORES,
      ...STORES.slice(0, 2),
    ]);
    expect(await side.redis.hgetall(keys.turns)).toEqual({ phone: "6" });
  });

  test("passes those over that have too few, and gives each of the others its turn", async () => {
    await open([9, 1, null, 9]);
    expect(await buy("round-robin", 4, { quantity: 2 })).toEqual(["main", "west", "main", "west"]);
  });

  test("counts each sku by itself", async () => {
    await open([9, 9, 9, 9]);
    await side.redis.mset("stock:case", "9", "stock:case@east", "9");
    await buy("round-robin", 3);
    expect(await buy("round-robin", 2, { sku: "case" })).toEqual(["main", "east"]);
    expect(await side.redis.hgetall(keys.turns)).toEqual({ phone: "3", case: "2" });
  });

  test("gives no turn to what is refused, repeated, or sold by another policy", async () => {
    await open([9, 9, 9, 9]);
    await buy("round-robin", 1, { idem: "k" });
    expect(await buy("round-robin", 1, { idem: "k" })).toEqual(["REPLAYED"]);
    expect(await buy("round-robin", 1, { quantity: 10 })).toEqual(["SOLD_OUT"]);
    expect(await buy("round-robin", 1, { stores_seen: 9 })).toEqual(["STALE_STORES"]);
    await buy("highest-available", 1);
    expect(await side.redis.hget(keys.turns, "phone")).toBe("1");
    expect(await buy("round-robin", 1)).toEqual(["east"]);
  });
});
