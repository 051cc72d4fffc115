import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import pg from "pg";
import { until } from "../../scripts/until.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { countRows, query } from "./query.ts";
import { openShop, type Shop } from "./shop.ts";

const TEST_MS_MAX = 60_000;

const redis = await freshRedis();
let database: Awaited<ReturnType<typeof freshDatabase>>;
let shop: Shop;
let somebody: pg.Client;
let worker: TestProcess | undefined;

beforeEach(async () => {
  database = await freshDatabase();
  shop = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 1_000);
  somebody = new pg.Client({ connectionString: database.url });
  await somebody.connect();
});

afterEach(async () => {
  await worker?.kill();
  worker = undefined;
  await somebody.end();
  await shop.close();
  await database.close();
});

afterAll(() => redis.close());

const start = async () => {
  worker = await spawnWorker({ REDIS_URL: redis.url, DATABASE_URL: database.url });
  return worker;
};

/** Waits until a session waits for a lock of `table`. */
const untilSomebodyWaitsFor = (table: string) =>
  until(`somebody waits for ${table}`, async () => {
    const waiting = await query(
      database.url,
      `select from pg_locks join pg_database on pg_database.oid = database
       where datname = current_database() and relation = $1::regclass and not granted`,
      [table], // other tests' databases are copies, and have this table under the same oid
    );
    return waiting.length > 0 ? true : undefined;
  });

const untilStopping = (process: TestProcess) =>
  until("it knows that it is to stop", () =>
    process.output().includes('"msg":"stopping"') ? true : undefined,
  );

test(
  "a worker with nothing to do stops when it is asked to",
  async () => {
    const process = await start();
    await process.kill("SIGTERM");
    expect(await process.ended).toEqual([0, null]);
  },
  TEST_MS_MAX,
);

test(
  "a worker that is asked to stop in the middle of a batch finishes it",
  async () => {
    const process = await start();
    await somebody.query("begin; lock table holds in access exclusive mode");
    await shop.trade(300, "tea");
    await untilSomebodyWaitsFor("holds");
    process.signal("SIGTERM");
    await untilStopping(process);
    await somebody.query("rollback");
    expect(await process.ended).toEqual([0, null]);
    const [pending] = (await shop.redis.xpending("inventory.events", "inventory.cg")) as [number];
    expect(pending).toBe(0);
    expect(await countRows(database.url, "processed_events")).toBeGreaterThan(0);
    // What the batch did not have is left for the next worker.
    const next = await start();
    await until("the rest is recorded", async () =>
      (await countRows(database.url, "processed_events")) === 300 ? true : undefined,
    );
    await next.kill("SIGTERM");
    expect(await compareBooks(shop.redis, database.url)).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "a worker that is asked to stop while it makes partitions stops when they are made",
  async () => {
    await somebody.query("begin; lock table stock_movements in access exclusive mode");
    const process = await start();
    await untilSomebodyWaitsFor("stock_movements");
    process.signal("SIGTERM");
    await untilStopping(process);
    await somebody.query("rollback");
    expect(await process.ended).toEqual([0, null]);
  },
  TEST_MS_MAX,
);

test(
  "a worker stops in time though Redis is silent",
  async () => {
    const process = await start();
    await redis.kill("SIGSTOP");
    try {
      await process.kill("SIGTERM");
      expect(await process.ended).toEqual([0, null]);
    } finally {
      await redis.kill("SIGCONT");
    }
  },
  TEST_MS_MAX,
);
