import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "./books.ts";
import { metricOf } from "./parts.ts";
import { emptyLedger } from "./query.ts";
import { openShop, type Shop } from "./shop.ts";

/** Usually a second; the rest is for a busy machine. */
const TAKEOVER_MS_MAX = 10_000;
/** Postgres ends a silent session after eight seconds, one in a transaction after ten. */
const HANGING_MS_MAX = 20_000;
const TEST_MS_MAX = 60_000;

const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;
let workers: TestProcess[];

beforeEach(async () => {
  await emptyLedger(database.url);
  shop = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 100_000);
  const env = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  workers = await Promise.all(
    ["left", "right"].map((WORKER_NAME) => spawnWorker({ ...env, WORKER_NAME })),
  );
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.kill()));
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

const isActive = async (worker: TestProcess) =>
  (await metricOf(worker, "holdfast_recorder_active")) === 1;

/** The worker that records and the one that stands by. */
const rolesOfBoth = () =>
  until("one of the workers records", async () => {
    const [left, right] = workers as [TestProcess, TestProcess]; // two were started
    const [leftActive, rightActive] = await Promise.all([isActive(left), isActive(right)]);
    if (leftActive === rightActive) return undefined;
    return leftActive ? { active: left, standby: right } : { active: right, standby: left };
  });

const untilActive = (worker: TestProcess, ms_max = TAKEOVER_MS_MAX) =>
  until("the standby records", async () => ((await isActive(worker)) ? true : undefined), ms_max);

const APPLIED = 'holdfast_recorder_events_total{outcome="APPLIED"}';

async function expectBalanced() {
  await untilRecorded(shop.redis, database.url);
  expect(await compareBooks(shop.redis, database.url)).toEqual([]);
}

test(
  "of two workers one records and the other stands by",
  async () => {
    const { active, standby } = await rolesOfBoth();
    await shop.trade(200, "tea");
    await expectBalanced();
    expect(await metricOf(active, APPLIED)).toBe(200);
    expect(await metricOf(standby, APPLIED)).toBe(0);
    expect((await rolesOfBoth()).active).toBe(active);
  },
  TEST_MS_MAX,
);

test(
  "when the one that records is killed, the other takes over within seconds",
  async () => {
    const { active, standby } = await rolesOfBoth();
    const trading = shop.trade(2_000, "tea");
    await until("it has begun", async () =>
      (await metricOf(active, APPLIED)) > 0 ? true : undefined,
    );
    await active.kill("SIGKILL");
    await untilActive(standby);
    await trading;
    await shop.trade(50, "tea");
    await expectBalanced();
    expect(await metricOf(standby, "holdfast_seq_gaps_total")).toBe(0);
  },
  TEST_MS_MAX,
);

test(
  "when the one that records is stopped, the other takes over",
  async () => {
    const { active, standby } = await rolesOfBoth();
    await shop.trade(50, "tea");
    await active.kill("SIGTERM");
    await untilActive(standby);
    await shop.trade(50, "tea");
    await expectBalanced();
  },
  TEST_MS_MAX,
);

test(
  "one that is paused for a moment goes on, and nothing is recorded twice",
  async () => {
    const { active, standby } = await rolesOfBoth();
    const trading = shop.trade(1_000, "tea");
    active.signal("SIGSTOP");
    await trading;
    await shop.trade(100, "tea");
    active.signal("SIGCONT");
    await expectBalanced();
    await rolesOfBoth();
    expect(await metricOf(active, "holdfast_seq_gaps_total")).toBe(0);
    expect(await metricOf(standby, "holdfast_seq_gaps_total")).toBe(0);
  },
  TEST_MS_MAX,
);

// Its session stays open, so Postgres can't know that it hangs but by its silence.
test(
  "one that hangs is replaced, and does no harm when it goes on",
  async () => {
    const { active, standby } = await rolesOfBoth();
    const trading = shop.trade(1_000, "tea");
    active.signal("SIGSTOP");
    await trading;
    await untilActive(standby, HANGING_MS_MAX);
    await shop.trade(100, "tea");
    active.signal("SIGCONT");
    await shop.trade(100, "tea");
    await expectBalanced();
    await until("only one of them records", async () => {
      const [left, right] = await Promise.all(workers.map(isActive));
      return left !== right ? true : undefined;
    });
    await shop.trade(100, "tea");
    await expectBalanced();
  },
  TEST_MS_MAX,
);
