import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { createPool } from "../../src/postgres/client.ts";
import { readProjections, requestRebuild } from "../../src/postgres/projections.ts";
import { rebuildChunk } from "../../src/postgres/rebuilding.ts";
import { rebuilderStocks } from "../../worker/metrics.ts";
import { createRebuilder } from "../../worker/rebuilder.ts";
import { callContext } from "../setup/deciding-side.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { keptLog, metric, openNewShop, type openRecorder } from "./parts.ts";
import { query } from "./query.ts";
import type { Shop } from "./shop.ts";

const SKUS = ["cocoa", "coffee", "mate", "rooibos", "tea"];

const redis = await freshRedis();
const database = await freshDatabase();
const kept = keptLog();
const pool = createPool(database.url, kept.log);
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;

beforeEach(async () => {
  kept.lines.length = 0;
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
  for (const sku of SKUS) {
    await shop.stock(sku, 100);
    await shop.trade(6, sku);
  }
  await recorder.drain();
});

afterEach(async () => {
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await pool.end();
  await redis.close();
  await database.close();
});

/** Levels with the transaction that wrote each row. */
const levels = () =>
  query<{ sku: string; written_by: string }>(
    database.url,
    `select sku, store_id, available::int, held::int, version::int, updated_at, xmin as written_by
     from stock_levels order by sku, store_id`,
  );

const openRebuilder = (chunk_max?: number) =>
  createRebuilder({
    rebuildChunk: () => rebuildChunk(pool, database.url, chunk_max),
    log: kept.log,
  });

/** Runs the rebuilder until nothing is left to do. */
async function rebuild(chunk_max?: number) {
  await requestRebuild(pool);
  const { runOnce } = openRebuilder(chunk_max);
  while ((await runOnce()) > 0);
  return (await readProjections(pool)).rebuild;
}

const spoil = (sql: string) => query(database.url, sql);

const EXTRA = `insert into stock_levels (sku, store_id, available, held, version, updated_at)
               values ('latte', 'main', 1, 0, 1, now())`;

test.each([
  ["has too many available", "update stock_levels set available = 999 where sku = 'mate'"],
  ["has too few available", "update stock_levels set available = 0 where sku = 'mate'"],
  ["has other units held", "update stock_levels set held = 50 where sku = 'mate'"],
  ["is at a version that will not come for long", "update stock_levels set version = 999999"],
  ["is at a version of long ago", "update stock_levels set version = 1 where sku = 'mate'"],
  ["is gone", "delete from stock_levels where sku = 'mate'"],
  ["is gone, the first one", "delete from stock_levels where sku = 'cocoa'"],
  ["is gone, the last one", "delete from stock_levels where sku = 'tea'"],
  ["has no movements", EXTRA],
  ["has no movements and no units", EXTRA.replace("1, 0, 1", "0, 0, 0")],
])("a level that %s is put right", async (_, sql) => {
  const right = await levels();
  await spoil(sql);
  const spoiled = await levels();
  const count = sql.includes("999999") ? SKUS.length : 1;
  const corrected = await metric(rebuilderStocks, { outcome: "CORRECTED" });

  const rebuilt = await rebuild();

  const after = await levels();
  expect(after.map(facts)).toEqual(right.map(facts));
  expect(rebuilt).toMatchObject({ stocks_corrected: count });
  expect(await metric(rebuilderStocks, { outcome: "CORRECTED" })).toBe(corrected + count);
  expect(kept.warnings()).toEqual([expect.objectContaining({ count })]);
  // Nothing but what was wrong was written.
  const untouched = after.filter(({ sku, written_by }) =>
    spoiled.some((level) => level.sku === sku && level.written_by === written_by),
  );
  expect(untouched).toHaveLength(SKUS.length - (sql === EXTRA || /0, 0, 0/.test(sql) ? 0 : count));
  expect(await compareBooks(shop.redis, database.url)).toEqual([]);
});

const facts = ({ written_by, ...level }: { written_by: string }) => level;

test("levels that are right are not written, whatever movements they come from", async () => {
  await shop.stock("tea", 7); // EXTERNAL
  await shop.trade(3, "tea");
  const [first, ...others] = await emptiedStream();
  await shop.trade(5, "mate");
  const late = await emptiedStream();
  for (const { fields } of [...late.slice(1), ...others]) await shop.append(fields);
  await recorder.drain();
  for (const entry of [late[0], first]) await shop.append(entry?.fields ?? {});
  await recorder.drain();
  const right = await levels();
  expect(await rebuild()).toMatchObject({
    stocks_total: SKUS.length,
    stocks_done: SKUS.length,
    stocks_corrected: 0,
    started_at: expect.any(Number),
    finished_at: expect.any(Number),
  });
  expect(await levels()).toEqual(right);
  expect(kept.warnings()).toEqual([]);
});

/** What is in the stream and not recorded, taken out of it. */
async function emptiedStream() {
  const [applied] = await query<{ seq: string }>(
    database.url,
    "select applied_seq as seq from recorder_progress",
  );
  const entries = await shop.entries();
  await shop.redis.xtrim(shop.keys.stream, "MAXLEN", 0);
  return entries.filter(({ fields }) => Number(fields.seq) > Number(applied?.seq));
}

test("a level keeps its version when some of its movements were recorded before they had one", async () => {
  await spoil("update stock_movements set version = null where version > 2 or sku = 'tea'");
  const right = await levels();
  expect(await rebuild()).toMatchObject({ stocks_corrected: 0 });
  expect(await levels()).toEqual(right);
  await spoil("update stock_levels set available = 0");
  expect(await rebuild()).toMatchObject({ stocks_corrected: SKUS.length });
  expect((await levels()).map(facts)).toEqual(right.map(facts));
  await spoil("delete from stock_levels where sku = 'tea'");
  await rebuild();
  expect((await levels()).at(-1)).toMatchObject({ sku: "tea", version: 0 });
});

test("movements that add up to less than nothing are an error, and other levels are put right", async () => {
  await spoil("update stock_levels set available = 55");
  await spoil(
    "update stock_movements set available_delta = -1000 where sku = 'mate' and kind = 'EXTERNAL'",
  );
  expect(await rebuild()).toMatchObject({
    stocks_done: SKUS.length,
    stocks_corrected: SKUS.length - 1,
    finished_at: expect.any(Number),
  });
  expect((await levels()).filter(({ sku }) => sku === "mate")).toEqual([
    expect.objectContaining({ available: 55 }),
  ]);
  expect(kept.errors()).toEqual([
    expect.objectContaining({ count: 1, stocks: [expect.objectContaining({ sku: "mate" })] }),
  ]);
  await spoil("delete from stock_movements where sku = 'mate'"); // or the books can't balance
  await spoil("delete from stock_levels where sku = 'mate'");
  const differences = await compareBooks(shop.redis, database.url);
  expect(differences).toEqual(["stock mate@main is not in Postgres"]);
});

test.each([1, 2, SKUS.length - 1, SKUS.length, SKUS.length + 1])(
  "chunks of %i stocks leave none out",
  async (chunk_max) => {
    const right = await levels();
    await spoil("update stock_levels set available = 1 where sku in ('coffee', 'tea')");
    await spoil("delete from stock_levels where sku in ('cocoa', 'rooibos')");
    await spoil(EXTRA);
    await shop.redis.call("SET", shop.keys.stock("tea", "shop-1"), "5"); // unrecorded, so not there
    expect(await rebuild(chunk_max)).toMatchObject({
      stocks_total: SKUS.length + 1,
      stocks_done: SKUS.length + 1,
      stocks_corrected: 5,
    });
    expect((await levels()).map(facts)).toEqual(right.map(facts));
  },
);

test("one sku in several stores is several stocks", async () => {
  for (const store_id of ["aa", "main", "zz"]) {
    const change = { sku: "mate", store_id, units: 3, reason: "count" };
    const idem = { route: "adjust" as const, key: store_id, request: [store_id] };
    await shop.counter.changeStock({ ...change, operation: "ADJUST" }, idem, callContext());
  }
  await recorder.drain();
  const right = await levels();
  expect(right).toHaveLength(SKUS.length + 2);
  await spoil("update stock_levels set available = 1000 where store_id = 'main'");
  expect(await rebuild(2)).toMatchObject({ stocks_done: 7, stocks_corrected: SKUS.length });
  expect((await levels()).map(facts)).toEqual(right.map(facts));
});

test("20,000 stocks are gone through in chunks of a thousand", async () => {
  const count = 20_000;
  await spoil("truncate stock_movements, stock_levels");
  await spoil(
    `insert into stock_movements (occurred_at, sku, store_id, kind, available_delta, held_delta, version,
       event_id, recorded_id)
     select now(), 'sku-' || sku, 'main', 'STOCK_ADJUSTED', 2, 1, version, gen_random_uuid(),
       sku * 3 + version
     from generate_series(1, ${count}) as sku, generate_series(1, 3) as version`,
  );
  await spoil(
    `insert into stock_levels (sku, store_id, available, held, version, updated_at)
     select 'sku-' || sku, 'main', case when sku % 50 = 0 then 5 else 6 end, 3, 3, now()
     from generate_series(1, ${count}) as sku`,
  );
  expect(await rebuild()).toMatchObject({
    stocks_total: count,
    stocks_done: count,
    stocks_corrected: count / 50,
  });
  const [wrong] = await query(
    database.url,
    "select count(*)::int as n from stock_levels where (available, held, version) <> (6, 3, 3)",
  );
  expect(wrong).toEqual({ n: 0 });
}, 60_000);
