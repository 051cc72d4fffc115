import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { newEventId } from "../../src/domain/ids.ts";
import { createPool } from "../../src/postgres/client.ts";
import { createReturns, readReturnPromises } from "../../src/postgres/returns.ts";
import { createKeeper } from "../../worker/keeper.ts";
import { callContext } from "../setup/deciding-side.ts";
import { untilRecorded } from "../worker/books.ts";
import { keptLog } from "../worker/parts.ts";
import { query } from "../worker/query.ts";
import { type House, openHouse } from "./house.ts";

let house: House;
let pool: ReturnType<typeof createPool>;
const kept = keptLog();
beforeEach(async () => {
  house = await openHouse();
  pool = createPool(house.database.url, kept.log);
});
afterEach(async () => {
  await pool.end();
  await house.close();
});

const flush = () => house.shop.redis.call("FLUSHALL");
const recorded = () => untilRecorded(house.shop.redis, house.database.url);
const counts = () => house.shop.redis.hgetall(house.shop.keys.customers);
const tea = () => house.shop.redis.get(house.shop.keys.stock("tea", "main"));

const setRules = (rules: object) =>
  house.shop.rules.changeRules({ sku: "tea", rules }, randomUUID(), callContext());

async function buy(quantity: number): Promise<string> {
  const wish = { sku: "tea", quantity, user_id: "ada", policy: "highest-available" } as const;
  return (await house.shop.counter.purchase(wish, randomUUID(), callContext())).order_id;
}

async function promise(order_id: string, qty: number, restock = true) {
  const [event_id, key] = [newEventId(), randomUUID()];
  const input = { event_id, order_id, restock, reason: null };
  const { promise } = await createReturns(pool).promiseReturn(
    { ...input, wanted: [{ sku: "tea", qty }] },
    { route: "return_order", key, fingerprint: "f", by: { who: "ann", request_id: "r" } },
  );
  return promise;
}

const give = async (...args: Parameters<typeof promise>) =>
  house.shop.counter.returnUnits(await promise(...args), callContext());

test("an emptied Redis gets stock and counts back without what was returned, and knows each return", async () => {
  await house.shop.stock("tea", 100);
  await house.worker();
  await house.untilOpen();
  await setRules({ max_per_customer: 20, returns_free: true });
  const orders = [await buy(5), await buy(4)];
  await recorded();
  const first = await promise(orders[0] ?? "", 2);
  const told = await house.shop.counter.returnUnits(first, callContext());
  await give(orders[1] ?? "", 1, false);
  await setRules({ max_per_customer: 20 });
  await give(orders[1] ?? "", 2); // these count on
  await recorded();
  expect([await counts(), await tea()]).toEqual([{ "tea ada": "6 0" }, "95"]);
  await house.through(flush);
  expect([await counts(), await tea()]).toEqual([{ "tea ada": "6 0" }, "95"]);
  expect(await house.shop.counter.returnUnits(first, callContext())).toEqual(told);
  expect(await tea()).toBe("95");
  await house.expectBooks();
});

test("a customer who has given everything back is not counted after it", async () => {
  await house.shop.stock("tea", 9);
  await house.worker();
  await house.untilOpen();
  await setRules({ max_per_customer: 20, returns_free: true });
  const order = await buy(2);
  await recorded();
  await give(order, 2);
  await recorded();
  expect(await counts()).toEqual({});
  await house.through(flush);
  expect(await counts()).toEqual({});
});

test("a return that Redis did and lost, unrecorded, is done again by the keeper", async () => {
  const { shop, database } = house;
  await shop.stock("tea", 100);
  const worker = await house.worker();
  await house.untilOpen();
  const order = await buy(5);
  await recorded();
  await worker.close();
  await give(order, 2);
  expect(await tea()).toBe("97");
  const keeper = createKeeper({
    ...{ pool, stores: shop.stores, stock: shop.counter, redisNow: shop.stream.now },
    ...{ default_store: "main", generation: shop.scripts.generation, log: kept.log },
  });
  await query(database.url, "update order_returns set created_at = now() - interval '1 min'");
  await keeper.runOnce(); // it knows now that Redis has done it
  await query(database.url, "update recorder_progress set seen_seq = 2");
  const generation = await house.generation();
  await flush();
  await house.worker();
  await house.untilOpen(generation);
  expect(await tea()).toBe("95");
  await keeper.runOnce();
  expect(await tea()).toBe("97");
  await recorded();
  expect(await readReturnPromises(pool, 0, newEventIdBefore(), 9)).toEqual([]);
  await house.expectBooks();
});

const newEventIdBefore = () => "00000000-0000-0000-0000-000000000000";
