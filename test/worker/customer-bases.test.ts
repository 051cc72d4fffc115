import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createPool } from "../../src/postgres/client.ts";
import { createCounts } from "../../src/redis/counts.ts";
import { createCounter } from "../../worker/counter.ts";
import { callContext } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { openRecorder } from "./parts.ts";
import { emptyLedger, query } from "./query.ts";
import { openShop } from "./shop.ts";

const [redis, database] = await Promise.all([freshRedis(), freshDatabase()]);
const shop = await openShop(redis.url);
const recorder = await openRecorder({ redisUrl: redis.url, databaseUrl: database.url });
const pool = createPool(database.url, shop.log);
const counts = createCounts({ batcher: shop.batcher, redis: shop.redis, keys: shop.keys });
let made = 0;

beforeEach(async () => {
  await recorder.closeRecording();
  await emptyRedis(shop.redis);
  await shop.scripts.learn();
  await emptyLedger(database.url);
  await shop.stock("tea", 2_000);
});

afterEach(async () => {
  await query(database.url, "drop trigger if exists slow on customer_bases");
});

afterAll(async () => {
  await pool.end();
  await recorder.close();
  await shop.close();
  await Promise.all([redis.close(), database.close()]);
});

const limit = (sku = "tea") => {
  made += 1;
  return shop.rules.changeRules(
    { sku, rules: { max_per_customer: 50 } },
    `k-${made}`,
    callContext(),
  );
};
const hold = (user_id: string, quantity = 1) => {
  made += 1;
  const lines = [{ sku: "tea", store_id: "main", quantity }];
  const wish = { lines, user_id, ttl_seconds: 300, idempotency_key: `h-${made}` };
  return shop.inventory.createHold(wish, callContext());
};
const inRedis = () => shop.redis.hgetall(shop.keys.customers);
const bases = () =>
  query(
    database.url,
    "select place::int, sku, user_id, units::int, active::int from customer_bases",
  );
const books = () => compareBooks(shop.redis, database.url);

test("are as of the event itself, though it lies amid others of its batch", async () => {
  await hold("ann", 3);
  const { hold_id } = await hold("bob", 2);
  await hold("", 9);
  await shop.confirm(hold_id);
  await limit();
  await hold("ann", 1);
  await shop.cancel((await hold("cyd", 4)).hold_id);
  await recorder.drain();
  expect(await bases()).toEqual([
    { place: 1, sku: "tea", user_id: "ann", units: 3, active: 1 },
    { place: 2, sku: "tea", user_id: "bob", units: 2, active: 0 },
  ]);
  expect(await inRedis()).toEqual({ "tea ann": "1 1" });
  expect(await books()).toEqual([]);
  const counter = createCounter({ pool, counts });
  expect(await counter.runOnce()).toBe(2);
  expect(await inRedis()).toEqual({ "tea ann": "4 2", "tea bob": "2 0", place: "2" });
  expect(await counter.runOnce()).toBe(0);
  expect(await books()).toEqual([]);
});

test("are kept once for a sku, however often its rules change", async () => {
  await hold("ann");
  await limit();
  await limit();
  await shop.rules.changeRules({ sku: "tea", rules: null }, "away", callContext());
  await limit();
  await limit("cup");
  await recorder.drain();
  expect(await bases()).toHaveLength(1);
});

test("are told in chunks, by two at once, and each is added once", async () => {
  await Promise.all(Array.from({ length: 1_201 }, (_, i) => hold(`user ${i}`)));
  await limit();
  await recorder.drain();
  const counters = [createCounter({ pool, counts }), createCounter({ pool, counts })];
  for (let told = 1; told > 0; ) {
    const done = await Promise.all(counters.map((counter) => counter.runOnce()));
    told = Math.max(...done);
  }
  const { place, ...all } = await inRedis();
  expect([place, Object.keys(all).length]).toEqual(["1201", 1_201]);
  expect(new Set(Object.values(all))).toEqual(new Set(["1 1"]));
  expect(await books()).toEqual([]);
});

test("are told again to an older copy of Redis", async () => {
  await hold("ann", 2);
  await limit();
  await recorder.drain();
  const before = await shop.redis.dumpBuffer(shop.keys.customers);
  expect(before).toBeNull();
  await createCounter({ pool, counts }).runOnce();
  await shop.redis.del(shop.keys.customers);
  await createCounter({ pool, counts }).runOnce();
  expect(await inRedis()).toEqual({ "tea ann": "2 1", place: "1" });
});

describe("are forgotten", () => {
  const age = (hours: number) =>
    query(
      database.url,
      "update customer_bases set recorded_at = recorded_at - make_interval(hours => $1)",
      [hours],
    );

  test("a day after Redis was told, and not before it was", async () => {
    await hold("ann", 2);
    await limit();
    await recorder.drain();
    await age(25);
    const counter = createCounter({ pool, counts });
    await counter.runOnce();
    expect(await bases()).toHaveLength(1);
    await counter.runOnce();
    expect(await bases()).toEqual([]);
    expect(await inRedis()).toEqual({ "tea ann": "2 1", place: "1" });
  });

  test("not within that day", async () => {
    await hold("ann", 2);
    await limit();
    await recorder.drain();
    await age(23);
    const counter = createCounter({ pool, counts });
    for (let i = 0; i < 3; i += 1) await counter.runOnce();
    expect(await bases()).toHaveLength(1);
  });
});

test("that can't be had in time do not stop the recording", async () => {
  await query(
    database.url,
    `create or replace function take_too_long() returns trigger language plpgsql as
     $$ begin raise exception 'too slow' using errcode = '57014'; end $$`,
  );
  await query(
    database.url,
    `create trigger slow before insert on customer_bases
     for each statement execute function take_too_long()`,
  );
  await hold("ann", 2);
  await limit();
  await hold("ann", 1);
  await recorder.drain();
  expect(await bases()).toEqual([]);
  expect(await query(database.url, "select sku, counts from sale_rules")).toEqual([
    { sku: "tea", counts: true },
  ]);
  expect(await query(database.url, "select from holds")).toHaveLength(2);
  expect(recorder.errors()).toMatchObject([
    { skus: ["tea"], msg: "what customers had before the first limit is not counted" },
  ]);
});
