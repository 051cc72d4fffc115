import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { startApi } from "../setup/api.ts";
import { callContext } from "../setup/deciding-side.ts";
import { untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";
import { startTraffic } from "../worker/traffic.ts";
import { type House, openHouse } from "./house.ts";

let house: House;

beforeEach(async () => {
  house = await openHouse();
});

afterEach(() => house.close());

const flush = () => house.shop.redis.call("FLUSHALL");

test("a Redis that was emptied after all was recorded gets everything back", async () => {
  const { shop, database } = house;
  await shop.stock("tea", 1_000);
  const { errors, warnings } = await house.worker();
  await house.untilOpen();
  await shop.trade(101, "tea");
  await shop.reserve("tea", { quantity: 7, ttl_seconds: 3_000 });
  await untilRecorded(shop.redis, database.url);
  const before = await everything();
  await house.through(flush);
  const { [shop.keys.generation]: _, ...after } = await everything();
  // What is not there any more: the stream's entries, which are all recorded.
  expect(after).toEqual({ ...before, [shop.keys.generation]: undefined });
  await shop.trade(20, "tea");
  await house.expectBooks(1_000);
  expect(await house.recoveries()).toMatchObject([
    {
      ...{ finding: "EMPTY", events_lost: 0, generation: 2, finished_at: expect.any(Date) },
      report: {
        ...{ redis_seq: 0, applied_seq: 102, events_lost: 0, holds_lost: [], units_lost: 0 },
        restored: { stocks: 1, active_holds: 2, ended_holds: 50, records: 52 },
        checked: { stocks: 1, differing: 0, differences: [] },
      },
    },
  ]);
  expect(errors()).toEqual([]);
  expect(warnings().at(-1)).toMatchObject({
    msg: "redis had lost data, was given it back, and is open again",
  });
});

/** Every key but the stream and what belongs to an admission, with its value and when it ends. */
async function everything(): Promise<Record<string, unknown>> {
  const { redis, keys } = house.shop;
  const all: Record<string, unknown> = {};
  for (const name of await redis.keys("*")) {
    if (name === keys.stream) continue;
    const type = await redis.type(name);
    const value =
      type === "hash"
        ? await redis.hgetall(name)
        : type === "zset"
          ? await redis.zrange(name, 0, "-1", "WITHSCORES")
          : await redis.get(name);
    all[name] = [value, await redis.pexpiretime(name)];
  }
  all[keys.generation] = undefined;
  return all;
}

test("each idempotency key of every route gives its first answer again", async () => {
  const { shop } = house;
  const { inventory, counter } = shop;
  await shop.stock("tea", 100);
  await house.worker();
  await house.untilOpen();
  const context = callContext(60_000); // of all these calls, with a recovery in between
  const line = { sku: "tea", store_id: "main" };
  const reserve = { lines: [{ ...line, quantity: 2 }], user_id: "ann", ttl_seconds: 300 };
  const key = randomUUID();
  const [sold, given_back] = [await shop.reserve("tea"), await shop.reserve("tea")];
  const change = { ...line, operation: "ADJUST", units: 5, reason: "receipt" } as const;
  const lines = [{ sku: "tea", quantity: 3 }];
  const calls = [
    () => inventory.createHold({ ...reserve, idempotency_key: key }, context),
    () => inventory.createHold({ ...reserve, idempotency_key: key, route: "v1_reserve" }, context),
    () => inventory.confirmHold({ hold_id: sold, payment_ref: "p", idempotency_key: key }, context),
    () => inventory.cancelHold({ hold_id: given_back, reason: "", idempotency_key: key }, context),
    () => counter.changeStock(change, { route: "adjust", key, request: [1] }, context),
    () =>
      counter.changeStock(
        { ...change, operation: "COUNT", units: 90, store_id: "shop-1" },
        { route: "count", key, request: [2] },
        context,
      ),
    () => counter.transferStock({ from_store: "main", to_store: "shop-2", lines }, key, context),
    () =>
      counter.purchase(
        { sku: "tea", quantity: 2, user_id: "ann", policy: "highest-available" },
        key,
        context,
      ),
  ];
  const firsts: object[] = [];
  for (const call of calls) firsts.push(await call());
  await house.expectBooks();
  await house.through(flush);
  for (const [i, call] of calls.entries()) {
    expect(await call()).toEqual({ ...firsts[i], replayed: true });
  }
  await expect(
    inventory.createHold({ ...reserve, ttl_seconds: 301, idempotency_key: key }, context),
  ).rejects.toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED" });
  const stocks = await counter.readStocks(["tea"], context);
  expect(stocks.get("tea")?.map(({ store_id }) => store_id)).toEqual(["main", "shop-1", "shop-2"]);
  await house.expectBooks();
});

describe("what was not recorded", () => {
  test("is counted, and the sequence goes on behind it", async () => {
    const { shop, database } = house;
    await shop.stock("tea", 1_000);
    const first = await house.worker();
    await house.untilOpen();
    await shop.trade(20, "tea");
    await untilRecorded(shop.redis, database.url);
    await first.close();
    await shop.trade(12, "tea");
    await query(database.url, "update recorder_progress set seen_seq = 32"); // as the lag meter does
    await flush();
    const { errors } = await house.worker();
    await house.untilOpen(1);
    expect(Number(await shop.redis.get(shop.keys.seq))).toBe(32);
    await shop.trade(8, "tea");
    await house.expectBooks(1_000);
    expect(await house.recoveries()).toMatchObject([{ finding: "EMPTY", events_lost: 12 }]);
    expect(errors()).toMatchObject([
      {
        ...{ finding: "EMPTY", events_lost: 12, generation: 2 },
        msg: "events are lost for good; redis is open again",
      },
    ]);
  });

  test("is not sold twice: a hold that is gone is not found, and its units are there again", async () => {
    const { shop, database } = house;
    await shop.stock("tea", 2);
    const first = await house.worker();
    await house.untilOpen();
    const known = await shop.reserve("tea");
    await untilRecorded(shop.redis, database.url);
    await first.close();
    const lost = await shop.reserve("tea");
    await flush();
    await house.worker();
    await house.untilOpen(1);
    await expect(shop.confirm(lost)).rejects.toMatchObject({ code: "HOLD_NOT_FOUND" });
    await shop.confirm(known);
    await shop.confirm(await shop.reserve("tea"));
    await expect(shop.reserve("tea")).rejects.toMatchObject({ code: "SOLD_OUT" });
    await house.expectBooks(2);
  });

  test("is named when it is among the dead letters, and they are never recorded", async () => {
    const { shop, database } = house;
    await shop.stock("tea", 100);
    await house.worker();
    await house.untilOpen();
    await shop.reserve("tea");
    await untilRecorded(shop.redis, database.url);
    await query(
      database.url,
      "alter table hold_lines add constraint no_dozens check (quantity < 12)",
    );
    const dead = await shop.reserve("tea", { quantity: 12 });
    await untilRecorded(shop.redis, database.url);
    await house.through(flush);
    expect(await house.recoveries()).toMatchObject([
      { report: { events_lost: 0, holds_lost: [dead], units_lost: 12 } },
    ]);
    await query(database.url, "alter table hold_lines drop constraint no_dozens");
    await query(database.url, "update dead_events set replay_requested_at = now()");
    await until("the letter was tried again", async () => {
      const [letter] = await query<{ attempts: number; outdated: boolean }>(
        database.url,
        "select attempts, outdated from dead_events",
      );
      return letter?.outdated && letter.attempts > 1 ? true : undefined;
    });
    expect(await query(database.url, "select from holds")).toHaveLength(1);
    await house.expectBooks(100);
  });
});

test("a sale goes on after FLUSHALL within seconds, and nothing is sold twice", async () => {
  const { shop, redis, database } = house;
  await shop.stock("tea", 100_000);
  await house.worker();
  const api = await startApi({ redisUrl: redis.url, databaseUrl: database.url, admits: false });
  try {
    await house.untilOpen();
    await api.scripts.learn();
    const traffic = startTraffic({ url: api.url, sku: "tea" });
    const untilSold = (count: number) =>
      until("something is sold", () => (traffic.counts.CONFIRMED > count ? true : undefined));
    await untilSold(50);
    const flushed_at = Date.now();
    await house.through(flush);
    const reserved = traffic.counts.RESERVED;
    await until("the sale goes on", () => (traffic.counts.RESERVED > reserved ? true : undefined));
    expect(Date.now() - flushed_at).toBeLessThan(10_000);
    await untilSold(traffic.counts.CONFIRMED + 50);
    await traffic.stop();
    // A hold that was lost between its reserve and its confirm is not found; nothing else is odd.
    expect(traffic.odd.filter(({ body }) => body.code !== "HOLD_NOT_FOUND")).toEqual([]);
    await house.expectBooks(100_000);
    expect(await house.recoveries()).toMatchObject([{ finding: "EMPTY" }]);
  } finally {
    await api.close();
  }
});
