import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { forgetDeeds } from "../../src/postgres/audit-log.ts";
import { createPool } from "../../src/postgres/client.ts";
import { forgetEvents } from "../../src/postgres/forgetting.ts";
import { forgetRecords } from "../../src/postgres/once.ts";
import { prunedEvents, prunedRecords, recorderEvents, seqRewinds } from "../../worker/metrics.ts";
import { createPruner } from "../../worker/pruner.ts";
import { callContext } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { keptLog, metric, openNewShop, type openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import { handMade, type Shop, shuffled } from "./shop.ts";

const DAY_MS = 86_400_000;
const KEPT_MS = 90 * DAY_MS;
const DEEDS_KEPT_MS = 365 * DAY_MS;

const redis = await freshRedis();
const database = await freshDatabase();
const { log } = keptLog();
const pool = createPool(database.url, log);
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

/** A run of the pruner on the day that many days from now. */
const pruneIn = (days: number) => {
  const now = async () => (await shop.stream.now()) + days * DAY_MS;
  const stream = { ...shop.stream, now };
  return createPruner({
    stream,
    forgetEvents: (before_ms, count) => forgetEvents(pool, 0, before_ms, count),
    forgetRecords: (before_ms, count) => forgetRecords(pool, before_ms, count),
    forgetDeeds: (before_ms, count) => forgetDeeds(pool, before_ms, count),
    kept_ms: KEPT_MS,
    deeds_kept_ms: DEEDS_KEPT_MS,
    log,
  }).runOnce();
};

const emptyStream = () => shop.redis.xtrim(shop.keys.stream, "MAXLEN", 0);
const remembered = () => countRows(database.url, "processed_events");

/** In what holds, stocks and movements differ from Redis. The events are not all there to be asked. */
const differences = async () =>
  (await compareBooks(shop.redis, database.url)).filter((line) => !/events|ended_by/.test(line));

/** Records `count` events, and forgets them: as it is 91 days later. Returns their entries. */
async function forgotten(count: number) {
  await shop.trade(count, "tea");
  const entries = await shop.entries();
  await recorder.drain();
  await emptyStream();
  await pruneIn(91);
  expect(await remembered()).toBe(0);
  return entries;
}

test("what is older than the time to keep it is deleted, and counted", async () => {
  await shop.trade(20, "tea");
  await recorder.drain();
  await emptyStream();
  const before = await metric(prunedEvents);
  expect(await pruneIn(89)).toBe(0);
  expect(await remembered()).toBe(20);
  expect(await pruneIn(91)).toBe(20);
  expect(await remembered()).toBe(0);
  expect(await pruneIn(91)).toBe(0);
  expect(await metric(prunedEvents)).toBe(before + 20);
  expect(await differences()).toEqual([]);
});

test("which stocks an event was about is deleted with it", async () => {
  const hold_id = await shop.reserve("tea");
  const extension = { hold_id, ttl_seconds: 600, idempotency_key: "k" };
  await shop.inventory.extendHold({ route: "extend", ...extension }, callContext());
  await recorder.drain();
  await emptyStream();
  await pruneIn(89);
  expect(await countRows(database.url, "unmoved_stocks")).toBe(1);
  await pruneIn(91);
  expect(await countRows(database.url, "unmoved_stocks")).toBe(0);
});

test("what the stream may still hold is not deleted, however old it is", async () => {
  await shop.trade(20, "tea");
  await recorder.drain();
  expect(await pruneIn(1_000)).toBe(0);
  await shop.redis.xtrim(shop.keys.stream, "MAXLEN", 1);
  expect(await pruneIn(1_000)).toBe(0);
  await emptyStream();
  expect(await pruneIn(1_000)).toBe(20);
});

test("a batch takes the oldest ones, and no more than it may", async () => {
  await shop.trade(20, "tea");
  await recorder.drain();
  const forget = async (count: number) =>
    forgetEvents(pool, 0, (await shop.stream.now()) + DAY_MS, count);
  expect(await forget(7)).toBe(7);
  const oldest = await query(database.url, "select min(seq)::int as seq from processed_events");
  expect(oldest).toEqual([{ seq: 8 }]);
  expect(await forget(12)).toBe(12);
  expect(await forget(12)).toBe(1);
  expect(await forget(12)).toBe(0);
});

test.each([
  ["whose id was made by a clock that is years slow", "0192b3a4-0000-7000-8000-000000000001", 0],
  ["that a clock of Redis dated years back", undefined, Date.now() - 1_000 * DAY_MS],
])("an event %s is as young as its other date", async (_, event_id, occurred_at) => {
  const fields = handMade(await shop.takeSeq(), occurred_at > 0 ? { occurred_at } : {});
  await shop.append({ ...fields, ...(event_id ? { event_id } : {}) });
  await recorder.drain();
  await emptyStream();
  expect(await pruneIn(89)).toBe(0);
  expect(await pruneIn(91)).toBe(1);
});

test("forgotten events that come again, in any order, change nothing and are no alarm", async () => {
  const entries = await forgotten(200);
  const movements = await countRows(database.url, "stock_movements");
  const duplicates = await metric(recorderEvents, { outcome: "DUPLICATE" });
  await shop.reserve("tea");
  for (const { fields } of shuffled(entries)) await shop.append(fields);
  await shop.reserve("tea");
  await recorder.drain();
  expect(await remembered()).toBe(2);
  expect(await countRows(database.url, "stock_movements")).toBe(movements + 2);
  expect(await metric(recorderEvents, { outcome: "DUPLICATE" })).toBe(duplicates + 200);
  expect(await differences()).toEqual([]);
  expect(recorder.errors()).toEqual([]);
});

test("who did what is deleted when its own time is over, the oldest first", async () => {
  const now = await shop.stream.now();
  for (const days of [0, 364, 366, 400]) {
    await query(
      database.url,
      `insert into audit_log (done_at, who, what, subject, request_id)
       values (to_timestamp($1::float8 / 1000), 'ann', 'STORE_SET', $2, 'r')`,
      [now - days * DAY_MS, String(days)],
    );
  }
  const kept = () => query(database.url, "select subject from audit_log order by done_at desc");
  expect(await forgetDeeds(pool, now - 365 * DAY_MS, 1)).toBe(1);
  expect(await kept()).toEqual([{ subject: "0" }, { subject: "364" }, { subject: "366" }]);
  expect(await pruneIn(0)).toBe(1);
  expect(await kept()).toEqual([{ subject: "0" }, { subject: "364" }]);
});

describe("idempotency records", () => {
  const HOUR_MS = DAY_MS / 24;

  /** Records as old as that, by their ages. */
  async function addRecords(...ages_ms: number[]) {
    for (const age_ms of ages_ms) {
      await query(
        database.url,
        `insert into idempotency_records (route, key, fingerprint, result, created_at)
         values ('put_store', $1, 'f', '{}', to_timestamp($2::float8 / 1000))`,
        [`key-${age_ms}`, (await shop.stream.now()) - age_ms],
      );
    }
  }
  const kept = async () => {
    const rows = await query<{ key: string }>(
      database.url,
      "select key from idempotency_records order by created_at desc",
    );
    return rows.map(({ key }) => key);
  };

  // Two clocks date them: an hour more than the day for which they count.
  test("are kept for as long as they may count, by whatever clock, and are deleted then", async () => {
    await addRecords(0, DAY_MS, 25 * HOUR_MS - 60_000, 25 * HOUR_MS + 1, 90 * DAY_MS);
    const before = await metric(prunedRecords);
    expect(await pruneIn(0)).toBe(2);
    expect(await kept()).toEqual(["key-0", `key-${DAY_MS}`, `key-${25 * HOUR_MS - 60_000}`]);
    expect(await metric(prunedRecords)).toBe(before + 2);
    expect(await pruneIn(0)).toBe(0);
    expect(await pruneIn(2)).toBe(3);
  });

  test("are deleted whatever the stream still holds, and no event with them", async () => {
    await shop.trade(20, "tea");
    await recorder.drain();
    await addRecords(30 * DAY_MS);
    expect(await pruneIn(1_000)).toBe(1);
    expect(await remembered()).toBe(20);
  });
});

test("an event that was missing when its neighbours were forgotten is recorded, once", async () => {
  await shop.trade(10, "tea");
  const [lost] = (await shop.entries()).slice(4);
  await shop.redis.xdel(shop.keys.stream, lost?.id ?? "");
  await forgotten(10);
  await shop.append(lost?.fields ?? {});
  await recorder.drain();
  expect(await remembered()).toBe(1);
  expect(await differences()).toEqual([]);
  await emptyStream();
  await pruneIn(91);
  await shop.append(lost?.fields ?? {});
  await recorder.drain();
  expect(await remembered()).toBe(0);
  expect(await differences()).toEqual([]);
});

test("a dead event that is understood by now is recorded, though its neighbours are forgotten", async () => {
  await shop.trade(3, "tea");
  const [entry] = await shop.entries();
  await emptyStream();
  await shop.append({ ...entry?.fields, type: "TEA_SPILT" });
  await forgotten(10);
  await shop.append(entry?.fields ?? {});
  await recorder.drain();
  expect(await remembered()).toBe(1);
});

test("events of a Redis that counts anew are recorded, with the alarm, after others are forgotten", async () => {
  await forgotten(20);
  const rewinds = await metric(seqRewinds);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 100);
  await shop.trade(4, "tea");
  await recorder.drainThroughFaults();
  expect(await remembered()).toBe(4);
  expect(await metric(seqRewinds)).toBe(rewinds + 4);
});
