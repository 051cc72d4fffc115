import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { monotonicNow } from "../../src/now.ts";
import { dueHoldIds } from "../../src/redis/deadlines.ts";
import { sweeperLateSeconds } from "../../worker/metrics.ts";
import { createSweeper } from "../../worker/sweeper.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";
import { keptLog } from "./parts.ts";
import { openShop, type Shop } from "./shop.ts";

const FAR_MS = 60_000;

const redis = await freshRedis();
let shop: Shop;
let worker: Shop;

beforeEach(async () => {
  shop = await openShop(redis.url);
  worker = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 100);
});

afterEach(async () => {
  await worker.close();
  await shop.close();
});

afterAll(() => redis.close());

function sweeperOf({ inventory, redis, keys, stream }: Shop) {
  const { log, errors } = keptLog();
  const dueHolds = (now: number, count: number) => dueHoldIds(redis, keys, now, count);
  return { errors, ...createSweeper({ inventory, redisNow: stream.now, dueHolds, log }) };
}

/** As after a step of the machine's clock, or of Redis's: the worker takes its time for another one. */
async function misleadWorker(by_ms: number) {
  const at = monotonicNow();
  worker.clock.learn((await shop.stream.now()) + by_ms, at, at);
  const off_ms = worker.inventory.now() - (await shop.stream.now());
  expect(Math.abs(off_ms - by_ms)).toBeLessThan(FAR_MS / 10);
}

async function dueHolds(count: number) {
  const holds = await shop.reserveMany(count, "tea", { ttl_seconds: 0.001 });
  await until("they are due", async () => {
    const now = await shop.stream.now();
    const due = await dueHoldIds(shop.redis, shop.keys, now, count);
    return due.length === count || undefined;
  });
  return holds;
}

const statusOf = (hold_id: string) => shop.redis.hget(shop.keys.hold(hold_id), "status");

const lateness = async () => {
  const { values } = await sweeperLateSeconds.get();
  return values.find(({ metricName }) => metricName?.endsWith("_sum"))?.value ?? 0;
};

test.each([
  ["a minute slow", -FAR_MS],
  ["a minute fast", FAR_MS],
])(
  "a sweeper whose clock is %s expires due holds in its next run, and no others",
  async (_, by_ms) => {
    const later = await shop.reserve("tea", { ttl_seconds: 30 });
    const due = await dueHolds(10);
    const late_before = await lateness();
    await misleadWorker(by_ms);
    const { runOnce, errors } = sweeperOf(worker);

    expect(await runOnce()).toBe(10);

    expect(await Promise.all(due.map(statusOf))).toEqual(due.map(() => "EXPIRED"));
    expect(await statusOf(later)).toBe("ACTIVE");
    expect(await shop.redis.get("stock:tea")).toBe("99");
    expect((await lateness()) - late_before).toBeLessThan(FAR_MS / 1000);
    expect(errors()).toEqual([]);
    expect(await runOnce()).toBe(0);
  },
);
