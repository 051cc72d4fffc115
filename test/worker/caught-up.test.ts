import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Consumer } from "../../src/redis/consumer.ts";
import { GROUP } from "../../src/redis/keys.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { openNewShop, openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import { handMade, type Shop } from "./shop.ts";

// Until when nothing is missing from the ledger: what is told to whoever reads it while Redis is away.
const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;
/** When each read of new entries began, by the wall clock, which is Postgres's too. */
let reads: number[];

const noting = (consumer: Consumer): Consumer => ({
  ...consumer,
  readNew: (...args) => {
    reads.push(Date.now() + 1);
    return consumer.readNew(...args);
  },
});

beforeEach(async () => {
  reads = [];
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
  await recorder.close();
  recorder = await openNotingRecorder();
});

afterEach(async () => {
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

const openNotingRecorder = (change: (consumer: Consumer) => Consumer = (consumer) => consumer) =>
  openRecorder({
    redisUrl: redis.url,
    databaseUrl: database.url,
    change: (consumer) => noting(change(consumer)),
  });

async function caughtUpAt(): Promise<number | null> {
  const [row] = await query<{ at: number | null }>(
    database.url,
    "select (extract(epoch from caught_up_at) * 1000)::float8 as at from recorder_progress",
  );
  return row?.at ?? null;
}

/** The ledger has caught up with the last read's beginning, and with no later moment. */
async function expectCaughtUpWithLastRead() {
  const at = await caughtUpAt();
  expect(at).toBeLessThanOrEqual(reads.at(-1) ?? 0);
  expect(at).toBeGreaterThan((reads.at(-1) ?? 0) - 500);
}

test("a batch that has room for more brings the ledger up to its read", async () => {
  await shop.trade(10, "tea");
  await recorder.runOnce();
  await expectCaughtUpWithLastRead();
});

test("a read in vain does too, though it waited for a second", async () => {
  await recorder.runOnce();
  expect(reads).toHaveLength(1);
  await expectCaughtUpWithLastRead();
  await recorder.runOnce();
  await expectCaughtUpWithLastRead();
});

test.each([
  [999, true],
  [1_000, false],
  [1_001, false],
])("a batch of what is left of %i entries: caught up is %s", async (count, caught_up) => {
  await shop.trade(count, "tea");
  await recorder.runOnce();
  if (caught_up) await expectCaughtUpWithLastRead();
  else expect(await caughtUpAt()).toBeNull();
  await recorder.runOnce();
  await expectCaughtUpWithLastRead();
});

test("what was pending brings the ledger nowhere, before new entries were read", async () => {
  await shop.trade(10, "tea");
  const { stream } = shop.keys;
  await shop.redis.xgroup("CREATE", stream, GROUP, "0");
  for (const name of ["worker-1", "dead"]) {
    await shop.redis.xreadgroup("GROUP", GROUP, name, "COUNT", 4, "STREAMS", stream, ">");
  }
  await recorder.runOnce();
  await recorder.runOnce();
  expect(await countRows(database.url, "processed_events")).toBe(8);
  expect(await caughtUpAt()).toBeNull();
  await recorder.runOnce();
  await expectCaughtUpWithLastRead();
});

test("a batch that is halved brings it there with its last half, not with its first", async () => {
  await recorder.close();
  let batches = 0;
  recorder = await openRecorder({
    redisUrl: redis.url,
    databaseUrl: database.url,
    change: noting,
    changeRecording: (recording) => ({
      ...recording,
      apply: async (...args) => {
        batches += 1;
        if (batches === 2) throw new Error("Postgres is away."); // within the first half still
        return recording.apply(...args);
      },
    }),
  });
  await shop.append(handMade(await shop.takeSeq()));
  await shop.append({ ...handMade(await shop.takeSeq()), type: "TEA_SPILT" });
  await shop.trade(6, "tea");
  await expect(recorder.runOnce()).rejects.toThrow("away");
  expect(await countRows(database.url, "processed_events")).toBeGreaterThan(0);
  expect(await caughtUpAt()).toBeNull();
  await recorder.drain();
  expect(await countRows(database.url, "processed_events")).toBe(7);
  await recorder.runOnce();
  await expectCaughtUpWithLastRead();
});

test("a ledger that nobody records stays where it was", async () => {
  await shop.trade(10, "tea");
  await recorder.runOnce();
  const at = await caughtUpAt();
  await recorder.close();
  await shop.trade(10, "tea");
  expect(await caughtUpAt()).toBe(at);
  recorder = await openNotingRecorder((consumer) => ({
    ...consumer,
    readNew: () => Promise.reject(new Error("Redis is away.")),
  }));
  await expect(recorder.runOnce()).rejects.toThrow("Redis is away.");
  expect(await caughtUpAt()).toBe(at);
});
