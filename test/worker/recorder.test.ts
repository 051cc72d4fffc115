import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { GROUP } from "../../src/redis/keys.ts";
import { recorderBatchSeconds, recorderEvents, seqRewinds } from "../../worker/metrics.ts";
import { callContext } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "./books.ts";
import { metric, metricOf, openRecorder } from "./parts.ts";
import { countRows, emptyLedger, query } from "./query.ts";
import { openShop, type Shop, shuffled } from "./shop.ts";

const redis = await freshRedis();
const database = await freshDatabase();
const workers: TestProcess[] = [];
let shop: Shop;

beforeEach(async () => {
  await emptyLedger(database.url);
  shop = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 5_000);
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

const recorder = (options: Partial<Parameters<typeof openRecorder>[0]> = {}) =>
  openRecorder({ redisUrl: redis.url, databaseUrl: database.url, ...options });

const books = () => compareBooks(shop.redis, database.url);

const appliedSeq = async () => {
  const [row] = await query<{ seq: number }>(
    database.url,
    "select applied_seq::int as seq from recorder_progress",
  );
  return row?.seq ?? 0;
};

const appliedCount = () => metric(recorderEvents, { outcome: "APPLIED" });
const batchCount = async () => {
  const { values } = await recorderBatchSeconds.get();
  return values.find(({ metricName }) => metricName?.endsWith("_count"))?.value ?? 0;
};

/** Reads entries as another worker would that then dies. */
const readAs = (name: string, count: number) =>
  shop.redis.xreadgroup("GROUP", GROUP, name, "COUNT", count, "STREAMS", shop.keys.stream, ">");

test("each of a hold's endings is recorded as it is in Redis", async () => {
  await shop.stock("cup", 10);
  await shop.reserve(["tea", "cup"], { quantity: 3 });
  await shop.confirm(await shop.reserve("tea", { quantity: 2 }));
  await shop.cancel(await shop.reserve(["cup", "tea"]));
  const due = await shop.reserve("tea", { ttl_seconds: 0.001 });
  await until("the hold expires", async () =>
    (await shop.inventory.expireHold(due, callContext())) === "EXPIRED" ? true : undefined,
  );
  const { drain, close } = await recorder();
  await drain();
  await close();
  expect(await books()).toEqual([]);
  const rows = await query(database.url, "select status from holds order by status");
  expect(rows.map(({ status }) => status)).toEqual(["ACTIVE", "CANCELLED", "CONFIRMED", "EXPIRED"]);
  const reasons = await query(database.url, "select reason from holds where status = 'CANCELLED'");
  expect(reasons).toEqual([{ reason: "changed my mind" }]);
});

test("an ending that is recorded in a later batch than its hold changes the hold", async () => {
  const [sold, returned] = [await shop.reserve("tea"), await shop.reserve("tea")];
  const { drain, close } = await recorder();
  await drain();
  expect(await books()).toEqual([]);
  await shop.confirm(sold);
  await shop.cancel(returned);
  await drain();
  await close();
  expect(await books()).toEqual([]);
});

test.each([999, 1_000, 1_001])("%i entries are recorded, a thousand at a time", async (count) => {
  await shop.trade(count, "tea");
  const { runOnce, drain, close } = await recorder();
  await runOnce();
  expect(await appliedSeq()).toBe(Math.min(count, 1_000));
  await drain();
  await close();
  expect(await appliedSeq()).toBe(count);
  expect(await books()).toEqual([]);
});

test("events that come one by one share transactions", async () => {
  const { runOnce, close } = await recorder();
  const [applied, batches, began] = [await appliedCount(), await batchCount(), performance.now()];
  let going = true;
  const recording = (async () => {
    while (going) await runOnce();
  })();
  try {
    for (let i = 0; i < 100; i += 1) await shop.reserve("tea");
    await until("they are recorded", async () =>
      (await appliedCount()) === applied + 100 ? true : undefined,
    );
    // One begins at once, and then at most one in 20 ms. A timer leaves out what is less than a ms.
    const batches_max = 1 + (performance.now() - began) / 19;
    expect((await batchCount()) - batches).toBeLessThanOrEqual(batches_max);
  } finally {
    going = false;
    await recording;
    await close();
  }
});

test("entries that come twice, in any order, change nothing", async () => {
  await shop.trade(200, "tea");
  const { drain, close, errors } = await recorder();
  await drain();
  const duplicates = await metric(recorderEvents, { outcome: "DUPLICATE" });
  for (const { fields } of shuffled(await shop.entries())) await shop.append(fields);
  await drain();
  expect(await books()).toEqual([]);
  expect(await metric(recorderEvents, { outcome: "DUPLICATE" })).toBe(duplicates + 200);
  expect(errors()).toEqual([]);
  await close();
});

test("a replay of the whole stream changes nothing", async () => {
  await shop.trade(200, "tea");
  const { drain, close, errors } = await recorder();
  await drain();
  const movements = await countRows(database.url, "stock_movements");
  await shop.redis.xgroup("SETID", shop.keys.stream, GROUP, "0");
  await drain();
  await close();
  expect(await books()).toEqual([]);
  expect(await countRows(database.url, "stock_movements")).toBe(movements);
  expect(errors()).toEqual([]);
});

test("events that arrive out of order, over several batches, end in the same books", async () => {
  await shop.trade(100, "tea");
  const { drain, close } = await recorder();
  const events = shuffled(await shop.entries());
  await shop.redis.xtrim(shop.keys.stream, "MAXLEN", 0);
  for (let i = 0; i < events.length; i += 20) {
    for (const { fields } of events.slice(i, i + 20)) await shop.append(fields);
    await drain();
  }
  await close();
  expect(await books()).toEqual([]);
});

test("when the acknowledgement fails after the commit, nothing is applied twice", async () => {
  await shop.trade(50, "tea");
  let failures = 1;
  const { runOnce, drain, close } = await recorder({
    change: (consumer) => ({
      ...consumer,
      ack: (ids) =>
        failures-- > 0 ? Promise.reject(new Error("The reply is lost.")) : consumer.ack(ids),
    }),
  });
  await expect(runOnce()).rejects.toThrow("The reply is lost.");
  expect(await appliedSeq()).toBe(50);
  await drain();
  await close();
  expect(await books()).toEqual([]);
});

test("a worker killed between commit and acknowledgement applies nothing twice", async () => {
  const env = { REDIS_URL: redis.url, DATABASE_URL: database.url, WORKER_NAME: "again" };
  await shop.trade(300, "tea");
  // From here on its commits succeed and its acknowledgements are refused. What a worker may do it finds out
  // at its start, by another key than the stream's.
  const elsewhere = `(+xack ~${shop.keys.seq})`;
  await shop.redis.call("ACL", "SETUSER", "default", "-xack", elsewhere);
  try {
    const first = await spawnWorker(env);
    workers.push(first);
    await until("it has committed", async () => ((await appliedSeq()) === 300 ? true : undefined));
    await first.kill("SIGKILL");
  } finally {
    await shop.redis.call("ACL", "SETUSER", "default", "+xack", "clearselectors");
  }
  expect(await books()).toEqual(["300 entries are pending"]);
  const second = await spawnWorker(env);
  workers.push(second);
  await untilRecorded(shop.redis, database.url);
  expect(await books()).toEqual([]);
  expect(await metricOf(second, 'holdfast_recorder_events_total{outcome="DUPLICATE"}')).toBe(300);
  expect(await metricOf(second, 'holdfast_recorder_events_total{outcome="APPLIED"}')).toBe(0);
}, 60_000);

test("after a restart a worker first records what was pending at it", async () => {
  await shop.trade(10, "tea");
  await shop.redis.xgroup("CREATE", shop.keys.stream, GROUP, "0");
  await readAs("same", 4);
  const { runOnce, drain, close } = await recorder({ name: "same" });
  await runOnce();
  expect(await appliedSeq()).toBe(4);
  await drain();
  await close();
  expect(await books()).toEqual([]);
});

test("what is pending at dead workers of other names is recorded before new entries", async () => {
  await shop.trade(10, "tea");
  await shop.redis.xgroup("CREATE", shop.keys.stream, GROUP, "0");
  await readAs("dead-1", 2);
  await readAs("dead-2", 3);
  const { runOnce, drain, close, errors } = await recorder({ name: "alive" });
  await runOnce();
  expect(await appliedSeq()).toBe(5);
  await drain();
  await close();
  expect(await books()).toEqual([]);
  expect(errors()).toEqual([]);
});

test("Redis counting anew after it lost its data is an alarm, and its events are recorded", async () => {
  await shop.trade(20, "tea");
  const { drain, drainThroughFaults, close, errors } = await recorder();
  await drain();
  expect(errors()).toEqual([]);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 100);
  await shop.trade(4, "tea");
  await drainThroughFaults();
  await close();
  expect(await metric(seqRewinds)).toBe(4);
  expect(errors()).toEqual([
    expect.objectContaining({ count: 4, first: 1, msg: expect.stringContaining("lost data") }),
  ]);
  expect(await countRows(database.url, "processed_events")).toBe(24);
});

test("a stream that is deleted with its group is recorded again from its new beginning", async () => {
  await shop.trade(10, "tea");
  const { drain, drainThroughFaults, close } = await recorder();
  await drain();
  await shop.redis.del(shop.keys.stream);
  await shop.trade(10, "tea");
  await drainThroughFaults();
  await close();
  expect(await books()).toEqual([]);
});

test("a stream that is deleted under the blocking read is no more than a fault", async () => {
  const { runOnce, drain, drainThroughFaults, close } = await recorder();
  await shop.trade(10, "tea");
  await drain();
  // Again and again: a read of a second may be over before anybody has seen it block.
  const reading = (async () => {
    for (;;) await runOnce();
  })().catch((error: unknown) => error);
  await until("the read blocks", async () =>
    (await shop.redis.info("clients")).includes("blocked_clients:1") ? true : undefined,
  );
  await shop.redis.del(shop.keys.stream);
  expect(await reading).toBeInstanceOf(Error);
  await shop.trade(10, "tea");
  await drainThroughFaults();
  await close();
  expect(await books()).toEqual([]);
});
