import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { CORRUPT_STOCKS, dumpAll, keys, openScripts, type ScriptSide } from "./script-side.ts";
import { changeRequest, readStocksRequest } from "./stock-requests.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
  await side.redis.hset(keys.stores, "north", "0");
});

const STORES = ["main", "north"];
const read = (...requests: Parameters<typeof readStocksRequest>[]) =>
  side.call("read_stocks", ...requests.map((request) => readStocksRequest(...request)));
const readOne = async (sku: string, stores = STORES) => (await read([sku, stores])).tuples[0];

test("what each store has is read, in the order asked, with when it was last changed", async () => {
  await side.hold({ lines: [{ sku: "phone", quantity: 2 }] });
  const { now } = await side.call("change_stocks", changeRequest({ store_id: "north", units: 7 }));
  const held_at = Number(await side.redis.hget("item:phone", "changed_at"));
  const north = ["north", 7, 0, 1, String(now)];
  const main = ["main", 3, 2, 1, String(held_at)];
  expect(await readOne("phone")).toEqual(["STOCKS", ...main, ...north]);
  expect(await readOne("phone", ["north", "main"])).toEqual(["STOCKS", ...north, ...main]);
});

test("a stock that somebody has set by hand is one, and one of 0 too", async () => {
  expect(await readOne("phone")).toEqual(["STOCKS", "main", 5, 0, 0, ""]);
  await side.redis.set("stock:phone", "0");
  expect(await readOne("phone")).toEqual(["STOCKS", "main", 0, 0, 0, ""]);
});

test.each([
  [{}, []],
  [{ held: "0", version: "0" }, []],
  [{ colour: "red" }, []],
  [{ held: "1", version: "0" }, ["main", 0, 1, 0, ""]],
  [{ held: "0", version: "1" }, ["main", 0, 0, 1, ""]],
  [{ held: "0", version: "1", changed_at: "7" }, ["main", 0, 0, 1, "7"]],
])("without its stock key, an item of %j is %j", async (item, counts) => {
  await side.redis.del("stock:phone");
  if (Object.keys(item).length > 0) await side.redis.hset("item:phone", item);
  expect(await readOne("phone")).toEqual(["STOCKS", ...counts]);
});

test("a sku that nobody has stocked has no stores", async () => {
  expect(await readOne("ghost")).toEqual(["STOCKS"]);
});

test.each([
  [0, "STALE_STORES"],
  [1, "STOCKS"],
  [2, "STALE_STORES"],
])("where one store is registered and %d were seen the answer is %s", async (seen, word) => {
  expect((await read(["phone", STORES, seen])).tuples[0]?.[0]).toBe(word);
});

test("reads of one batch are answered in order and each by itself", async () => {
  await side.redis.mset("stock:broken", "abc", "stock:case@north", "3");
  const { tuples } = await read(
    ["phone", STORES],
    ["broken", STORES],
    ["case", STORES],
    ["phone", STORES, 7],
    ["phone", []],
    ["phone", STORES, "x"],
    ["phone", STORES],
  );
  expect(tuples).toEqual([
    ["STOCKS", "main", 5, 0, 0, ""],
    ["CORRUPT", "stock:broken"],
    ["STOCKS", "north", 3, 0, 0, ""],
    ["STALE_STORES"],
    ["BAD_ARGUMENT"],
    ["BAD_ARGUMENT"],
    ["STOCKS", "main", 5, 0, 0, ""],
  ]);
});

test("a batch is bad from a request on that does not say how many stores it has", async () => {
  for (const count of ["", "x", "10001", "-1"]) {
    const requests = [0, 1, 2].map((i) => {
      const { keys: names, args } = readStocksRequest("phone", STORES);
      return { keys: names, args: i === 1 ? args.with(2, count) : args };
    });
    const { tuples } = await side.call("read_stocks", ...requests);
    expect(tuples.map(([word]) => word)).toEqual(["STOCKS", "BAD_ARGUMENT", "BAD_ARGUMENT"]);
  }
});

test("a hundred skus of twenty stores are read in one call", async () => {
  const stores = ["main", ...Array.from({ length: 19 }, (_, i) => `s-${i}`)];
  await side.redis.del(keys.stores);
  await side.redis.hset(keys.stores, Object.fromEntries(stores.slice(1).map((id) => [id, "0"])));
  const skus = Array.from({ length: 100 }, (_, i) => `sku-${i}`);
  await side.redis.mset(skus.flatMap((sku) => stores.flatMap((id) => [keys.stock(sku, id), "1"])));
  const { tuples } = await read(...skus.map((sku): [string, string[]] => [sku, stores]));
  expect(tuples).toHaveLength(100);
  for (const tuple of tuples) expect(tuple).toHaveLength(1 + 5 * 20);
});

test.each(CORRUPT_STOCKS)("a stock that holds %s is named", async (_, corrupt) => {
  await corrupt(side.redis, "stock:phone@north");
  expect(await readOne("phone")).toEqual(["CORRUPT", "stock:phone@north"]);
});

test.each(["held", "version", "changed_at"])(
  "an item whose %s is no number is named",
  async (field) => {
    for (const text of ["x", "-1", "1.5", "01"]) {
      await side.redis.hset("item:phone", field, text);
      expect(await readOne("phone")).toEqual(["CORRUPT", "item:phone"]);
    }
  },
);

test.each(["item:phone", keys.stores])("%s of another type is named", async (key) => {
  await side.redis.del(key);
  await side.redis.set(key, "text");
  expect(await readOne("phone")).toEqual(["CORRUPT", key]);
});

test("a read with arguments or keys missing is bad", async () => {
  const whole = readStocksRequest("phone", STORES);
  for (const part of ["args", "keys"] as const) {
    for (let count = 1; count < whole[part].length; count += 1) {
      const cut = { ...whole, [part]: whole[part].slice(0, count) };
      expect((await side.call("read_stocks", cut)).tuples).toEqual([["BAD_ARGUMENT"]]);
    }
  }
});

test("a read writes nothing, and works where nothing may be written", async () => {
  const before = await dumpAll(side.redis);
  await side.redis.config("SET", "min-replicas-to-write", "1");
  try {
    expect((await read(["phone", STORES], ["ghost", STORES])).tuples).toHaveLength(2);
  } finally {
    await side.redis.config("SET", "min-replicas-to-write", "0");
  }
  expect(await dumpAll(side.redis)).toEqual(before);
});
