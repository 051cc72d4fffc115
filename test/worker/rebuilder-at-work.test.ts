import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import pg from "pg";
import { until } from "../../scripts/until.ts";
import { connect, createPool } from "../../src/postgres/client.ts";
import { readProjections, requestRebuild } from "../../src/postgres/projections.ts";
import { rebuildChunk } from "../../src/postgres/rebuilding.ts";
import { createRebuilder } from "../../worker/rebuilder.ts";
import { spawnWorker } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { keptLog, openNewShop, type openRecorder } from "./parts.ts";
import { query } from "./query.ts";
import type { Shop } from "./shop.ts";

const SKUS = ["cocoa", "coffee", "mate", "rooibos", "tea"];

const redis = await freshRedis();
const database = await freshDatabase();
const kept = keptLog();
const pool = createPool(database.url, kept.log);
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;
/** Somebody who stands in the way. */
let other: pg.Client;

beforeEach(async () => {
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
  for (const sku of SKUS) {
    await shop.stock(sku, 10_000);
    await shop.trade(6, sku);
  }
  await recorder.drain();
  other = new pg.Client({ connectionString: database.url });
  await other.connect();
});

afterEach(async () => {
  await other.end();
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await pool.end();
  await redis.close();
  await database.close();
});

const spoil = (sql: string) => query(database.url, sql);
const spoilAll = () => spoil("update stock_levels set available = available + 7");
const chunk = (chunk_max?: number) => rebuildChunk(pool, database.url, chunk_max);
const readRebuild = async () => (await readProjections(pool)).rebuild;

/** Runs a rebuilder until it has nothing to do. */
async function finish(chunk_max?: number) {
  const { runOnce } = createRebuilder({ rebuildChunk: () => chunk(chunk_max), log: kept.log });
  while ((await runOnce()) > 0);
  return readRebuild();
}

/** Stocks whose level is not the sum of their movements, as of one moment. */
const apart = () =>
  query(
    database.url,
    `select coalesce(level.sku, sums.sku) as sku
     from stock_levels as level
     full join (
       select sku, store_id, sum(available_delta) as available, sum(held_delta) as held,
         max(version) as version
       from stock_movements group by sku, store_id
     ) as sums on sums.sku = level.sku and sums.store_id = level.store_id
     where (level.available, level.held, level.version)
       is distinct from (sums.available, sums.held, sums.version)`,
  );

/** Waits until that many sessions of this database wait for a lock. */
const untilWaiting = (count = 1) =>
  until(`${count} wait for a lock`, async () => {
    const [row] = await query<{ n: number }>(
      database.url,
      `select count(*)::int as n from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return row?.n === count || undefined;
  });

const lockRecording = () => other.query("begin; select from recorder_progress for update");

const SPOILERS = [
  "update stock_levels set available = available + 7",
  "delete from stock_levels",
  "update stock_levels set version = version + 100000",
];

test("levels and movements never part while a recorder records and levels are spoiled", async () => {
  let trading = true;
  const traded = (async () => {
    for (let i = 0; trading; i += 1) await shop.trade(20, SKUS[i % SKUS.length] ?? "tea");
  })();
  const recorded = (async () => {
    while (trading) await recorder.runOnce();
  })();
  try {
    for (let round = 0; round < 15; round += 1) {
      // Row by row, or it and the recorder could lock crosswise.
      for (const sku of SKUS.slice(round % 2)) {
        await spoil(`${SPOILERS[round % SPOILERS.length]} where sku = '${sku}'`);
      }
      await requestRebuild(pool);
      await finish(2);
      expect(await apart()).toEqual([]);
    }
  } finally {
    trading = false;
  }
  await Promise.all([traded, recorded]);
  // What was recorded while a level was at a version to come is set right by the stock's next event.
  for (const sku of SKUS) await shop.trade(1, sku);
  await recorder.drain();
  expect(await compareBooks(shop.redis, database.url)).toEqual([]);
}, 60_000);

test("what is recorded between the sum and the correction is in the level too", async () => {
  await spoilAll();
  await requestRebuild(pool);
  await lockRecording();
  const corrected = chunk();
  await untilWaiting();
  // As the recorder would: a movement, and the level as the event has it.
  await other.query(
    `insert into stock_movements (occurred_at, sku, store_id, kind, available_delta, held_delta, version,
       event_id, recorded_id)
     select now(), sku, 'main', 'STOCK_ADJUSTED', 11, 0, 8, gen_random_uuid(),
       (select max(recorded_id) + 1 from stock_movements)
     from unnest(array['mate', 'new']) as sku`,
  );
  await other.query(
    `update stock_levels set available = available + 11 - 7, version = 8 where sku = 'mate'`,
  );
  await other.query(
    `insert into stock_levels (sku, store_id, available, held, version, updated_at)
     values ('new', 'main', 11, 0, 8, now())`,
  );
  await other.query("commit");
  const { differences } = (await corrected) ?? {};
  expect(differences?.map(({ sku }) => sku)).toEqual(SKUS.filter((sku) => sku !== "mate"));
  expect(await apart()).toEqual([]);
});

test("while levels are right, nobody is in the way of a rebuild, and it in nobody's", async () => {
  await requestRebuild(pool);
  await lockRecording();
  expect(await finish(2)).toMatchObject({ finished_at: expect.any(Number), stocks_corrected: 0 });
  await other.query("rollback");
});

test("reads go on, and so do requests for a rebuild, while a correction waits with the lock", async () => {
  await spoilAll();
  const { rebuild_id } = await requestRebuild(pool);
  await other.query("begin; select from stock_levels where sku = 'tea' for update");
  const corrected = chunk();
  await untilWaiting();
  const reader = await connect(database.url, { statement_ms: 4_000 }); // less than a correction waits
  try {
    const lockable = await reader.query("select from recorder_progress for update skip locked");
    expect(lockable.rowCount).toBe(0); // the rebuilder has it
    expect((await reader.query("select * from stock_levels")).rowCount).toBe(SKUS.length);
    expect((await reader.query("select * from stock_movements")).rowCount).toBeGreaterThan(30);
    expect(await requestRebuild(reader)).toMatchObject({ rebuild_id, finished_at: null });
    expect((await readProjections(pool)).rebuild).toMatchObject({ rebuild_id, stocks_done: 0 });
  } finally {
    await reader.end();
    await other.query("rollback");
  }
  expect(await corrected).toMatchObject({ stocks: SKUS.length, finished: true });
  expect(await apart()).toEqual([]);
});

test("a rebuild goes on where it was when its worker ended between two chunks", async () => {
  await spoilAll();
  await requestRebuild(pool);
  await chunk(2);
  expect(await readRebuild()).toMatchObject({
    started_at: expect.any(Number),
    finished_at: null,
    stocks_total: SKUS.length,
    stocks_done: 2,
    stocks_corrected: 2,
  });
  await spoil("update stock_levels set available = 1 where sku = 'cocoa'"); // behind it
  expect(await finish()).toMatchObject({ stocks_done: SKUS.length, stocks_corrected: 5 });
  expect(await apart()).toEqual([{ sku: "cocoa" }]);
});

test("a chunk whose connection dies in the middle counts for nothing, and is done again", async () => {
  await spoilAll();
  await requestRebuild(pool);
  await chunk(2);
  await lockRecording();
  const failed = chunk(2).catch((error: unknown) => error);
  await untilWaiting();
  await query(
    database.url,
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`,
  );
  expect(await failed).toBeInstanceOf(Error);
  await other.query("rollback");
  expect(await readRebuild()).toMatchObject({ stocks_done: 2, stocks_corrected: 2 });
  expect(await finish(2)).toMatchObject({ stocks_done: SKUS.length, stocks_corrected: 5 });
  expect(await apart()).toEqual([]);
});

test("several rebuilders at once do each stock once", async () => {
  await spoilAll();
  await requestRebuild(pool);
  await Promise.all([finish(1), finish(1), finish(1)]);
  expect(await readRebuild()).toMatchObject({
    finished_at: expect.any(Number),
    stocks_total: SKUS.length,
    stocks_done: SKUS.length,
    stocks_corrected: SKUS.length,
  });
  expect(await apart()).toEqual([]);
});

test("a rebuilder whose chunk another one has just done does nothing", async () => {
  await spoilAll();
  await requestRebuild(pool);
  await lockRecording();
  const both = [chunk(2), chunk(2)];
  await untilWaiting(2);
  await other.query("rollback");
  const results = await Promise.all(both);
  expect(results.filter((result) => result === null)).toHaveLength(1);
  expect(await readRebuild()).toMatchObject({ stocks_done: 2, stocks_corrected: 2 });
});

test("the worker does what was asked for, also when it is killed in between", async () => {
  await recorder.closeRecording(); // the worker records now
  await spoilAll();
  const env = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  const first = await spawnWorker({ ...env, WORKER_NAME: "first" });
  await lockRecording(); // so that it is killed in the middle
  await requestRebuild(pool);
  await until("the rebuild has begun", async () => (await readRebuild())?.started_at ?? undefined);
  await first.kill();
  await other.query("rollback");
  expect(await readRebuild()).toMatchObject({ finished_at: null, stocks_done: 0 });
  const second = await spawnWorker({ ...env, WORKER_NAME: "second" });
  try {
    await until("it is finished", async () => (await readRebuild())?.finished_at ?? undefined);
    expect(await readRebuild()).toMatchObject({ stocks_corrected: SKUS.length });
    expect(await apart()).toEqual([]);
    // Said behind the commit, which is what was waited for.
    await until("it says so", () => second.output().includes("rebuilt stock_levels") || undefined);
  } finally {
    await second.kill();
  }
}, 60_000);
