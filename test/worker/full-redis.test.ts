import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { isDrained } from "../../scripts/bench/recorded.ts";
import { GROUP } from "../../src/redis/keys.ts";
import { recorderEvents } from "../../worker/metrics.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { metric, openRecorder } from "./parts.ts";
import { countRows, emptyLedger, query } from "./query.ts";
import { handMade, openShop, type Shop } from "./shop.ts";

type Recorder = Awaited<ReturnType<typeof openRecorder>>;

const redis = await freshRedis(); // noeviction, as everywhere
const database = await freshDatabase();
let shop: Shop;
let recorder: Recorder;

beforeEach(async () => {
  await emptyLedger(database.url);
  shop = await openShop(redis.url);
  // Else the shop may look while Redis is full, and refuse for a while what Redis has room for again.
  shop.backlog.stop();
  await giveMemory();
  await emptyRedis(shop.redis);
  await shop.stock("tea", 1_000);
  recorder = await openRecorder({ redisUrl: redis.url, databaseUrl: database.url });
  await shop.reserve("tea");
  await recorder.drain(); // so that the group is there
});

afterEach(async () => {
  await giveMemory(); // the next shop admits Redis, which takes some
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

const fill = () => shop.redis.config("SET", "maxmemory", "1");
const giveMemory = () => shop.redis.config("SET", "maxmemory", "0");

const books = () => compareBooks(shop.redis, database.url);
const deadRows = () =>
  query(database.url, "select entry_id, seq::int from dead_events order by seq");

/** Appends an event that no recorder understands. */
async function poison() {
  const seq = await shop.takeSeq();
  return { entry_id: await shop.append({ ...handMade(seq), type: "TEA_SPILT" }), seq };
}

/** A worker that was started after Redis was full. */
async function replaceRecorder() {
  await recorder.close();
  recorder = await openRecorder({
    redisUrl: redis.url,
    databaseUrl: database.url,
    name: "worker-2",
  });
}

test("a new recorder drains a full Redis past a poison, which dead_events alone has", async () => {
  await shop.trade(20, "tea");
  const dead = await poison();
  await shop.trade(20, "tea");
  await fill();
  await expect(shop.append({ any: "thing" })).rejects.toThrow(/^OOM /);
  const before = await metric(recorderEvents, { outcome: "DEAD" });
  await replaceRecorder();

  await recorder.drain();

  expect(await books()).toEqual(["1 events are dead"]);
  expect(await countRows(database.url, "processed_events")).toBe(41);
  expect(await deadRows()).toEqual([dead]);
  expect(await shop.redis.exists(shop.keys.dead)).toBe(0);
  expect(recorder.errors()).toEqual([
    expect.objectContaining({
      entry_id: dead.entry_id,
      copied: false,
      msg: "an event is dead",
    }),
  ]);
  expect(await metric(recorderEvents, { outcome: "DEAD" })).toBe(before + 1);
});

test("a recorder takes over what a dead worker had read, though Redis is full", async () => {
  await shop.trade(10, "tea");
  const dead = await poison();
  await shop.trade(10, "tea");
  const { stream } = shop.keys;
  await shop.redis.xreadgroup("GROUP", GROUP, "dead", "COUNT", 15, "STREAMS", stream, ">");
  await fill();
  await replaceRecorder();
  await recorder.drain();
  expect(await books()).toEqual(["1 events are dead"]);
  expect(await deadRows()).toEqual([dead]);
});

test("what is sold and cancelled while Redis is full is recorded", async () => {
  const [sold = "", given_back = ""] = await shop.reserveMany(2, "tea");
  await fill();
  await expect(shop.reserve("tea")).rejects.toThrow();
  await shop.confirm(sold);
  await shop.cancel(given_back);
  await replaceRecorder();
  await recorder.drain();
  expect(await books()).toEqual([]);
  expect(await query(database.url, "select hold_id from orders")).toEqual([{ hold_id: sold }]);
  expect(recorder.errors()).toEqual([]);
});

test("once memory is given back, new dead letters are copied again", async () => {
  const first = await poison();
  await fill();
  await recorder.drain();
  await giveMemory();
  const second = await poison();
  await shop.reserve("tea");
  await recorder.drain();

  expect(await deadRows()).toEqual([first, second]);
  const letters = await shop.redis.xrange(shop.keys.dead, "-", "+");
  expect(letters.map(([, fields]) => fields)).toEqual([
    expect.arrayContaining(["entry_id", second.entry_id]),
  ]);
  expect(recorder.errors().map(({ entry_id, copied }) => ({ entry_id, copied }))).toEqual([
    { entry_id: first.entry_id, copied: false },
    { entry_id: second.entry_id, copied: true },
  ]);
  expect(await isDrained(shop.redis)).toBe(true);
  expect(await books()).toEqual(["2 events are dead"]);
});
