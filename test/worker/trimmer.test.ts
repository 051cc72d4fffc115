import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { compareEntryIds } from "../../src/domain/entry-id.ts";
import { createPool } from "../../src/postgres/client.ts";
import { createLedger } from "../../src/postgres/ledger.ts";
import { GROUP } from "../../src/redis/keys.ts";
import { trimmedEntries } from "../../worker/metrics.ts";
import { createTrimmer } from "../../worker/trimmer.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { keptLog, metric, openNewShop, type openRecorder } from "./parts.ts";
import { query } from "./query.ts";
import type { Shop } from "./shop.ts";

const COUNT = 600;
/** XTRIM with ~ cuts whole nodes, which have at most so many entries. */
const NODE_ENTRIES_MAX = 100;

const redis = await freshRedis();
const database = await freshDatabase();
const { log } = keptLog();
const pool = createPool(database.url, log);
const ledger = createLedger(pool);
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;

beforeEach(async () => {
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
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

const trim = (replay_window_ms: number) =>
  createTrimmer({ stream: shop.stream, ledger, replay_window_ms, log }).runOnce();

const length = () => shop.redis.xlen(shop.keys.stream);

const firstId = async () =>
  (await shop.redis.xrange(shop.keys.stream, "-", "+", "COUNT", 1))[0]?.[0];

/** Asserts that an entry and all behind it are there, and that most of those before it are not. */
async function expectCutBefore(id: string | undefined, entriesFromIt: number) {
  expect(compareEntryIds((await firstId()) ?? "", id ?? "")).toBeLessThanOrEqual(0);
  expect(await length()).toBeGreaterThanOrEqual(entriesFromIt);
  expect(await length()).toBeLessThan(entriesFromIt + NODE_ENTRIES_MAX);
}

test("nothing is cut before a worker has been there", async () => {
  await shop.trade(COUNT, "tea");
  expect(await trim(0)).toBe(0);
  expect(await length()).toBe(COUNT);
});

test("what is recorded is cut, and counted", async () => {
  await shop.trade(COUNT, "tea");
  await recorder.drain();
  const before = await metric(trimmedEntries);
  const cut = await trim(0);
  await expectCutBefore((await shop.entries()).at(-1)?.id, 1);
  expect(cut).toBe(COUNT - (await length()));
  expect(await metric(trimmedEntries)).toBe(before + cut);
  expect(await compareBooks(shop.redis, database.url)).toEqual([]);
});

test("what is not recorded yet is not cut", async () => {
  await shop.trade(COUNT, "tea");
  await recorder.drain();
  await shop.trade(COUNT, "tea");
  const unrecorded = (await shop.entries())[COUNT];
  await trim(0);
  await expectCutBefore(unrecorded?.id, COUNT);
  await recorder.drain();
  expect(await compareBooks(shop.redis, database.url)).toEqual([]);
});

test("what is pending at a worker is not cut, though later entries are recorded", async () => {
  await shop.trade(COUNT, "tea");
  const { stream } = shop.keys;
  const entries = await shop.entries();
  const [pending] = entries.slice(300);
  await recorder.drain();
  // Given again to a worker that dies with it, and what lies behind is recorded and acknowledged.
  await shop.redis.xgroup("SETID", stream, GROUP, entries[299]?.id ?? "");
  await shop.redis.xreadgroup("GROUP", GROUP, "dead", "COUNT", 1, "STREAMS", stream, ">");
  await shop.redis.xgroup("SETID", stream, GROUP, entries.at(-1)?.id ?? "");
  await trim(0);
  await expectCutBefore(pending?.id, 300);
});

test("what is younger than the replay window is not cut", async () => {
  const hour = 3_600_000;
  const { stream } = shop.keys;
  const ids: string[] = [];
  const now = await shop.stream.now();
  // Two hours of entries, one each twelve seconds.
  for (let age = 2 * hour; age > 0; age -= 12_000) ids.push(`${now - age}-0`);
  await Promise.all(ids.map((id) => shop.redis.xadd(stream, id, "event_id", "x".repeat(100))));
  await query(
    database.url,
    "insert into recorder_progress (partition, applied_seq, applied_entry_id) values (0, 600, $1)",
    [ids.at(-1)],
  );
  expect(await trim(3 * hour)).toBe(0);
  await trim(hour);
  await expectCutBefore(ids[301], 299);
});

test("a stream that is not there is no fault", async () => {
  expect(await trim(0)).toBe(0);
});

test("when Postgres can't say what is recorded, nothing is cut", async () => {
  await shop.trade(COUNT, "tea");
  await recorder.drain();
  const gone = createPool(database.url.replace(/[^/]*$/, "no_such_database"), log);
  const blind = createTrimmer({
    stream: shop.stream,
    ledger: createLedger(gone),
    replay_window_ms: 0,
    log,
  });
  await expect(blind.runOnce()).rejects.toThrow(/no_such_database/);
  await gone.end();
  expect(await length()).toBe(COUNT);
});
