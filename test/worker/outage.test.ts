import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { startApi } from "../setup/api.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshPostgres, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "./books.ts";
import { metricOf } from "./parts.ts";
import { emptyLedger } from "./query.ts";
import { brokenPromises, startTraffic } from "./traffic.ts";

const OUTAGE_MS = 10_000;
const TEST_MS_MAX = 120_000;

const redis = await freshRedis();
const postgres = await freshPostgres();
let api: Awaited<ReturnType<typeof startApi>>;
let worker: TestProcess;
let traffic: ReturnType<typeof startTraffic>;

beforeEach(async () => {
  await emptyLedger(postgres.url);
  api = await startApi({ redisUrl: redis.url, databaseUrl: postgres.url });
  await emptyRedis(api.redis);
  await api.redis.set("stock:tea", 1_000_000);
  worker = await spawnWorker({ REDIS_URL: redis.url, DATABASE_URL: postgres.url });
  traffic = startTraffic({ url: api.url, sku: "tea" });
  await until("some units are sold", () => (traffic.counts.CONFIRMED > 10 ? true : undefined));
});

afterEach(async () => {
  await traffic.stop();
  await worker.kill();
  await api.close();
});

afterAll(async () => {
  await redis.close();
  await postgres.close();
});

/** Waits until each kind of call was accepted a few times more. */
async function untilMoreIsSold() {
  const before = { ...traffic.counts };
  await until("more is reserved, confirmed and cancelled", () => {
    const { RESERVED, CONFIRMED, CANCELLED } = traffic.counts;
    const more =
      RESERVED > before.RESERVED + 10 &&
      CONFIRMED > before.CONFIRMED + 10 &&
      CANCELLED > before.CANCELLED + 10;
    return more ? true : undefined;
  });
}

/** Ends the traffic and asserts that all that was acknowledged is there, in Redis and in Postgres. */
async function expectNothingLost() {
  await untilMoreIsSold();
  await traffic.stop();
  expect(traffic.odd).toEqual([]);
  expect(await brokenPromises(api.redis, traffic.told)).toEqual([]);
  await untilRecorded(api.redis, postgres.url, 60_000);
  expect(await compareBooks(api.redis, postgres.url)).toEqual([]);
  expect(await metricOf(worker, "holdfast_seq_gaps_total")).toBe(0);
}

test(
  "while Postgres is stopped for ten seconds the sale goes on, and then all is recorded",
  async () => {
    await postgres.stop();
    const stopped_at = Date.now();
    await untilMoreIsSold();
    // Here the length of the outage is the point, so this is no wait for a condition.
    await sleep(Math.max(0, OUTAGE_MS - (Date.now() - stopped_at)));
    await untilMoreIsSold();
    expect(traffic.counts.RETRIED).toBe(0);
    const decided = await api.stream.lastSeq();
    await postgres.start();
    expect(decided).toBeGreaterThan(100);
    await expectNothingLost();
  },
  TEST_MS_MAX,
);

test(
  "Postgres killed twice in the middle of batches loses nothing that it was told",
  async () => {
    for (let i = 0; i < 2; i += 1) {
      await postgres.kill("SIGKILL");
      await untilMoreIsSold();
      await postgres.start();
      await untilMoreIsSold();
    }
    await expectNothingLost();
  },
  TEST_MS_MAX,
);

test(
  "Redis killed twice under load has all that was acknowledged, and all is recorded",
  async () => {
    for (let i = 0; i < 2; i += 1) {
      await redis.kill("SIGKILL");
      await redis.start();
      await untilMoreIsSold();
    }
    expect(traffic.counts.RETRIED).toBeGreaterThan(0);
    await expectNothingLost();
  },
  TEST_MS_MAX,
);

test(
  "connections to Redis that are cut again and again cost nothing but time",
  async () => {
    for (let i = 0; i < 10; i += 1) {
      await api.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no").catch(() => {});
      await until("the connection is back", () =>
        api.redis.status === "ready" ? true : undefined,
      );
      await sleep(Math.random() * 100);
    }
    await expectNothingLost();
  },
  TEST_MS_MAX,
);

test(
  "a worker can be stopped while Postgres is away",
  async () => {
    await postgres.stop();
    await untilMoreIsSold();
    await worker.kill("SIGTERM");
    expect(await worker.ended).toEqual([0, null]);
    await postgres.start();
    worker = await spawnWorker({ REDIS_URL: redis.url, DATABASE_URL: postgres.url });
    await expectNothingLost();
  },
  TEST_MS_MAX,
);
