import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { createWaiter } from "../../worker/waiter.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { spawnWorker } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "./books.ts";
import { keptLog } from "./parts.ts";
import { emptyLedger } from "./query.ts";
import { openShop, type Shop } from "./shop.ts";

const LONG_MS = 60_000;
const AT_ONCE = 1_000;

const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;
beforeEach(async () => {
  await emptyLedger(database.url);
  shop = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 0);
});
afterEach(() => shop.close());
afterAll(async () => {
  await redis.close();
  await database.close();
});

/** Lets so many customers wait, one after the other, and returns their ids. */
async function wait(count: number, sku = "tea"): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - ids.length) }, (_, i) => {
      const user_id = `${sku}-${ids.length + i}`;
      const wish = { sku, store_id: "main", quantity: 1, user_id, offer_seconds: 600 };
      return shop.waiting.join(wish, user_id, callContext(LONG_MS));
    });
    ids.push(...(await Promise.all(some)).map(({ waiter_id }) => waiter_id));
  }
  return ids;
}

function agent() {
  const kept = keptLog();
  return { ...kept, ...createWaiter({ waiting: shop.waiting, log: kept.log }) };
}

/** Runs the agent until it finds nothing to go on with. */
async function runThrough({ runOnce } = agent()) {
  while ((await runOnce()) > 0);
}

/** Whom units were offered to, in that order. A chunk at a time: no command may take long. */
async function offered(): Promise<string[]> {
  const ids: string[] = [];
  for (let from = "-"; ; ) {
    const entries = await shop.redis.xrange(shop.keys.stream, from, "+", "COUNT", AT_ONCE);
    for (const [id, flat] of entries) {
      from = `(${id}`;
      const fields = flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1] ?? ""]]));
      const { type, payload } = parseEvent(Object.fromEntries(fields));
      if (type === "HOLD_CREATED" && payload.waiter) ids.push(payload.waiter.waiter_id);
    }
    if (entries.length < AT_ONCE) return ids;
  }
}

const reserve = (user_id: string, side = shop) =>
  side.inventory
    .createHold(
      {
        lines: [{ sku: "tea", store_id: "main", quantity: 1 }],
        ...{ user_id, ttl_seconds: 600, idempotency_key: user_id },
      },
      callContext(LONG_MS),
    )
    .then(
      () => "CREATED",
      (error: unknown) => {
        if (error instanceof Rejection) return error.code;
        throw error;
      },
    );

test("units that came by redis-cli are offered to who waits, and no others", async () => {
  const waiting = await wait(3);
  await runThrough();
  expect(await offered()).toEqual([]);
  await shop.stock("tea", 2);
  await shop.stock("cups", 2);
  await runThrough();
  expect(await offered()).toEqual(waiting.slice(0, 2));
  expect(await shop.redis.get("stock:cups")).toBe("2");
});

test("a queue that is corrupt keeps nobody else from being served", async () => {
  await shop.stock("cups", 0);
  const [tea = ""] = await wait(1);
  const cups = await wait(1, "cups");
  await shop.redis.del(shop.keys.waiter(tea));
  await shop.redis.mset("stock:tea", "1", "stock:cups", "1");
  const waiter = agent();
  await runThrough(waiter);
  expect(await offered()).toEqual(cups);
  expect(waiter.errors()).toMatchObject([{ stock: "tea", key: shop.keys.waiter(tea) }]);
});

test("a worker does so by itself, and records who was served", async () => {
  const worker = await spawnWorker({ REDIS_URL: redis.url, DATABASE_URL: database.url });
  try {
    const [waiter = ""] = await wait(1);
    await shop.stock("tea", 1);
    await until("the waiter is served", async () =>
      (await shop.waiting.readWaiter(waiter))?.status === "OFFERED" ? true : undefined,
    );
    await untilRecorded(shop.redis, database.url);
    expect(await compareBooks(shop.redis, database.url)).toEqual([]);
  } finally {
    await worker.kill("SIGTERM");
  }
});

test(
  "10,000 who wait are served in their order, whoever else asks meanwhile, by calls that are short",
  async () => {
    const waiting = await wait(10_000);
    await shop.redis.config("SET", "slowlog-log-slower-than", 1_000);
    await shop.redis.slowlog("RESET");
    const { available } = await shop.counter.changeStock(
      { sku: "tea", store_id: "main", operation: "ADJUST", units: 10_000, reason: "receipt" },
      { route: "adjust", key: "k", request: [] },
      callContext(),
    );
    expect(available).toBe(10_000);
    const strangers = Array.from({ length: 500 }, (_, i) => reserve(`stranger-${i}`));
    const { runOnce } = agent();
    let calls = 1;
    for (; (await runOnce()) > 0; calls += 1);
    expect(new Set(await Promise.all(strangers))).toEqual(new Set(["ALL_HELD"]));
    const slow = (await shop.redis.slowlog("GET", 1_000)) as [number, number, number][]; // id, at, µs
    const durations = slow.map(([, , micros]) => micros / 1_000).toSorted((a, b) => a - b);
    const [usual_ms = 0, longest_ms = 0] = [durations[durations.length >> 1], durations.at(-1)];
    process.stderr.write(`calls: ${usual_ms} ms, longest ${longest_ms}, ${calls} of the agent\n`);
    // Not the longest: the machine may take a while for something else in the middle of one.
    expect(usual_ms).toBeLessThan(100);
    // Of 50 offers each, so 200 in all; some are those of the strangers.
    expect(calls).toBeGreaterThan(150);
    expect(await offered()).toEqual(waiting);
    expect(await shop.redis.hgetall("item:tea")).toMatchObject({ held: "10000" });
    expect(await shop.redis.get("stock:tea")).toBe("0");
    expect(await shop.redis.exists(shop.keys.waiting)).toBe(0);
  },
  LONG_MS,
);

test(
  "units that 200 customers give back at once go to 200 who wait, and to none of 500 others",
  async () => {
    await shop.stock("tea", 200);
    const holds = await shop.reserveMany(200, "tea");
    const waiting = await wait(200);
    const other = await openDecidingSide(redis.url);
    try {
      const cancels = Promise.all(holds.map(shop.cancel));
      const asked = Array.from({ length: 500 }, (_, i) =>
        reserve(`stranger-${i}`, { ...shop, inventory: other.inventory }),
      );
      expect(new Set(await Promise.all(asked))).toEqual(new Set(["ALL_HELD"]));
      await cancels;
      await runThrough();
      expect(await offered()).toEqual(waiting);
      expect(await shop.redis.hget("item:tea", "held")).toBe("200");
    } finally {
      await other.close();
    }
  },
  LONG_MS,
);
