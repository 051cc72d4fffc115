import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { newHoldId } from "../../src/domain/ids.ts";
import { dueHoldIds } from "../../src/redis/deadlines.ts";
import { startLoop } from "../../worker/loop.ts";
import { sweeperHolds, sweeperLateSeconds } from "../../worker/metrics.ts";
import { createSweeper, SWEEP_MAX } from "../../worker/sweeper.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { spawnWorker } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "./books.ts";
import { keptLog, metric, metricOf } from "./parts.ts";
import { emptyLedger } from "./query.ts";
import { openShop, type Shop } from "./shop.ts";

const TEST_MS_MAX = 60_000;
/** A second is promised; the rest is for a busy machine, and for the one moment when it stops for longer. */
const USUALLY_LATE_MS_MAX = 3_000;
const LATE_MS_MAX = 10_000;

const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;

beforeEach(async () => {
  await emptyLedger(database.url);
  shop = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 10_000);
});

afterEach(() => shop.close());

afterAll(async () => {
  await redis.close();
  await database.close();
});

const startWorker = () => spawnWorker({ REDIS_URL: redis.url, DATABASE_URL: database.url });

function sweeperOf({ inventory, redis, keys, stream }: Shop) {
  const kept = keptLog();
  const dueHolds = (now: number, count: number) => dueHoldIds(redis, keys, now, count);
  return {
    ...kept,
    ...createSweeper({ inventory, redisNow: stream.now, dueHolds, log: kept.log }),
  };
}

const available = () => shop.redis.get("stock:tea").then(Number);

const statusOf = (hold_id: string) => shop.redis.hget(shop.keys.hold(hold_id), "status");

const untilDue = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Makes holds whose deadline has passed. */
async function dueHolds(count: number) {
  const holds = await shop.reserveMany(count, "tea", { ttl_seconds: 0.001 });
  await untilDue();
  return holds;
}

test(
  "with one worker running, holds expire soon after their deadline and are recorded",
  async () => {
    const worker = await startWorker();
    try {
      const ttls = Array.from({ length: 20 }, (_, i) => 0.5 + i / 10);
      const holds = await Promise.all(
        ttls.map((ttl_seconds) => shop.reserve("tea", { ttl_seconds })),
      );
      await until("all have expired", async () =>
        (await shop.redis.zcard(shop.keys.deadlines)) === 0 ? true : undefined,
      );
      const late: number[] = [];
      for (const hold_id of holds) {
        const hold = await shop.redis.hgetall(shop.keys.hold(hold_id));
        expect(hold.status).toBe("EXPIRED");
        late.push(Number(hold.ended_at) - Number(hold.expires_at));
      }
      late.sort((a, b) => a - b);
      expect(late[0]).toBeGreaterThanOrEqual(0);
      expect(late[late.length >> 1]).toBeLessThan(USUALLY_LATE_MS_MAX);
      expect(late.at(-1)).toBeLessThan(LATE_MS_MAX);
      expect(await available()).toBe(10_000);
      expect(await metricOf(worker, "holdfast_sweeper_late_seconds_count")).toBe(20);
      expect(await metricOf(worker, 'holdfast_sweeper_holds_total{outcome="EXPIRED"}')).toBe(20);
      await untilRecorded(shop.redis, database.url);
      expect(await compareBooks(shop.redis, database.url)).toEqual([]);
    } finally {
      await worker.kill();
    }
  },
  TEST_MS_MAX,
);

test.each([
  [1, [1, 0]],
  [SWEEP_MAX, [SWEEP_MAX, 0]],
  [SWEEP_MAX + 1, [SWEEP_MAX, 1, 0]],
])("%i due holds are ended in sweeps of at most a thousand", async (count, batches) => {
  await dueHolds(count);
  const before = await metric(sweeperHolds, { outcome: "EXPIRED" });
  const { runOnce } = sweeperOf(shop);
  for (const batch of batches) expect(await runOnce()).toBe(batch);
  expect(await metric(sweeperHolds, { outcome: "EXPIRED" })).toBe(before + count);
  const { values } = await sweeperLateSeconds.get();
  expect(values.length).toBeGreaterThan(0);
  expect(await available()).toBe(10_000);
});

test("a hold that is not due is left alone", async () => {
  const hold_id = await shop.reserve("tea");
  expect(await sweeperOf(shop).runOnce()).toBe(0);
  expect(await statusOf(hold_id)).toBe("ACTIVE");
});

test("several sweepers at once return each unit exactly once", async () => {
  await dueHolds(500);
  const shops = await Promise.all([1, 2, 3].map(() => openShop(redis.url)));
  const before = await metric(sweeperHolds, { outcome: "EXPIRED" });
  await Promise.all(
    shops.map(async (each) => {
      const { runOnce } = sweeperOf(each);
      while ((await runOnce()) > 0);
    }),
  );
  await Promise.all(shops.map((each) => each.close()));
  expect(await available()).toBe(10_000);
  expect(await shop.redis.hget("item:tea", "held")).toBe("0");
  expect(await metric(sweeperHolds, { outcome: "EXPIRED" })).toBe(before + 500);
  const types = (await shop.entries()).map(({ fields }) => fields.type);
  expect(types.filter((type) => type === "HOLD_EXPIRED")).toHaveLength(500);
});

test(
  "three thousand holds that fall due at once all return, and reserves go on",
  async () => {
    await shop.stock("cup", 100_000);
    const worker = await startWorker();
    try {
      await shop.reserveMany(3_000, "tea", { ttl_seconds: 2 });
      await until("they fall due", async () => ((await available()) > 7_000 ? true : undefined));
      // The first of them in any case: all may be over when this process is next on a busy machine.
      do
        await shop.reserveMany(10, "cup"); // one that failed would reject here
      while ((await available()) < 10_000);
      expect(await shop.redis.hget("item:tea", "held")).toBe("0");
      await untilRecorded(shop.redis, database.url);
      expect(await compareBooks(shop.redis, database.url)).toEqual([]);
    } finally {
      await worker.kill();
    }
  },
  TEST_MS_MAX,
);

test("a deadline without a hold is dropped and an alarm", async () => {
  const hold_id = newHoldId();
  await shop.redis.zadd(shop.keys.deadlines, 1, hold_id);
  const { runOnce, errors } = sweeperOf(shop);
  expect(await runOnce()).toBe(1);
  expect(errors()).toEqual([
    expect.objectContaining({
      hold_ids: [hold_id],
      msg: expect.stringContaining("without a hold"),
    }),
  ]);
  expect(await runOnce()).toBe(0);
});

// Each leaves a due hold so that no script can end it.
const CORRUPTIONS: [what: string, corrupt: (hold_id: string) => Promise<unknown>][] = [
  ["lines that are none", (id) => shop.redis.hset(shop.keys.hold(id), "lines", "tea")],
  ["no lines", (id) => shop.redis.hdel(shop.keys.hold(id), "lines")],
  ["a quantity no hold may have", (id) => setLines(id, "tea@main=1001")],
  ["more units than are held", (id) => setLines(id, "jar@main=1")],
  ["too many lines", (id) => setLines(id, manyLines(101))],
  [
    "lines that are no text",
    (id) => shop.redis.hset(shop.keys.hold(id), "lines", Buffer.from("te\xff@main=1", "latin1")),
  ],
  ["a status that is none", (id) => shop.redis.hset(shop.keys.hold(id), "status", "SPILT")],
  ["a deadline that is none", (id) => shop.redis.hset(shop.keys.hold(id), "expires_at", "soon")],
  [
    "a key of another type",
    async (id) => {
      await shop.redis.del(shop.keys.hold(id));
      await shop.redis.set(shop.keys.hold(id), "hold");
    },
  ],
  [
    "stock that is no number",
    async (id) => {
      await setLines(id, "cup@main=1");
      await shop.redis.set("stock:cup", "many");
    },
  ],
];

const setLines = (hold_id: string, lines: string) =>
  shop.redis.hset(shop.keys.hold(hold_id), "lines", lines);

const manyLines = (count: number) =>
  Array.from({ length: count }, (_, i) => `tea-${i}@main=1`).join(" ");

test.each(CORRUPTIONS)(
  "more due holds than a sweep takes on, with %s, don't block the good one behind",
  async (_, corrupt) => {
    const bad = await dueHolds(SWEEP_MAX + 1);
    const [good = ""] = await dueHolds(1);
    await Promise.all(bad.map(corrupt));
    const { runOnce, errors, log } = sweeperOf(shop);
    const loop = startLoop({ name: "sweeper", runOnce, idle_ms: 10 }, log);
    try {
      await until("the good hold expires", async () =>
        (await statusOf(good)) === "EXPIRED" ? true : undefined,
      );
    } finally {
      await loop.stop();
    }
    expect(errors()).toContainEqual(
      expect.objectContaining({
        hold_ids: expect.arrayContaining(bad.slice(0, 1)),
        msg: expect.stringContaining("corrupt"),
      }),
    );
  },
);

test("a corrupt hold is tried again, and expires once it is mended", async () => {
  const [hold_id = ""] = await dueHolds(1);
  const lines = (await shop.redis.hget(shop.keys.hold(hold_id), "lines")) ?? "";
  await setLines(hold_id, "tea");
  const { runOnce } = sweeperOf(shop);
  expect(await runOnce()).toBe(0);
  const retry_at = Number(await shop.redis.zscore(shop.keys.deadlines, hold_id));
  const in_ms = retry_at - (await shop.stream.now());
  expect(in_ms).toBeGreaterThan(30_000);
  expect(in_ms).toBeLessThanOrEqual(60_000);
  await setLines(hold_id, lines);
  await shop.redis.zadd(shop.keys.deadlines, 1, hold_id); // the minute is over
  expect(await runOnce()).toBe(1);
  expect(await statusOf(hold_id)).toBe("EXPIRED");
  expect(await available()).toBe(10_000);
});

// An operator, or a bug, has put them at the head of the deadlines; their holds say otherwise.
test("more deadlines earlier than their holds' than a sweep takes on don't block the due one behind", async () => {
  const early = await shop.reserveMany(SWEEP_MAX + 1, "tea");
  const [due = ""] = await dueHolds(1);
  await Promise.all(early.map((id) => shop.redis.zadd(shop.keys.deadlines, 1, id)));
  const { runOnce, log } = sweeperOf(shop);
  const loop = startLoop({ name: "sweeper", runOnce, idle_ms: 10 }, log);
  try {
    await until("the due hold expires", async () =>
      (await statusOf(due)) === "EXPIRED" ? true : undefined,
    );
  } finally {
    await loop.stop();
  }
  expect(await statusOf(early[0] ?? "")).toBe("ACTIVE");
});
