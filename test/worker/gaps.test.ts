import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { GROUP } from "../../src/redis/keys.ts";
import { recorderExternal, seqGaps } from "../../worker/metrics.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { metric, openNewShop, openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import { handMade, type Shop } from "./shop.ts";

const redis = await freshRedis();
const database = await freshDatabase();
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
  await redis.close();
  await database.close();
});

const books = () => compareBooks(shop.redis, database.url);

const gaps = () =>
  query(
    database.url,
    "select seqs::text, still_missing::text from seq_gaps where partition = 0 order by gap_id",
  );

const externals = () =>
  query(
    database.url,
    `select sku, available_delta::int, held_delta::int from stock_movements
     where kind = 'EXTERNAL' order by movement_id`,
  );

/** Makes events and takes those at `places` (0 is the oldest entry of the stream) out of the stream. */
async function losing(places: number[]) {
  const entries = await shop.entries();
  const lost = places.flatMap((place) => entries[place] ?? []);
  await shop.redis.xdel(shop.keys.stream, ...lost.map(({ id }) => id));
  return lost.map(({ fields }) => fields);
}

test.each([
  ["first", [0], "[1,2)", [{ first: 1, last: 1 }]],
  ["in the middle", [4, 5], "[5,7)", [{ first: 5, last: 6 }]],
])("events deleted %s are written down, counted and an alarm", async (_, places, seqs, logged) => {
  const before = await metric(seqGaps);
  await shop.trade(10, "tea");
  await losing(places);
  await recorder.drain();
  expect(await gaps()).toEqual([{ seqs, still_missing: `{${seqs}}` }]);
  expect(await metric(seqGaps)).toBe(before + 1);
  expect(recorder.errors()).toEqual([
    expect.objectContaining({ gaps: logged, msg: expect.stringContaining("missing") }),
  ]);
  expect(await countRows(database.url, "processed_events")).toBe(10 - places.length);
  // What the lost ones did to the stock is in the books all the same.
  const differences = await books();
  expect(differences.filter((line) => /^(stock|movements)/.test(line))).toEqual([]);
});

test("an event deleted last is missed when the next one comes", async () => {
  await shop.trade(10, "tea");
  await recorder.drain();
  await shop.reserve("tea");
  await losing([10]);
  await shop.reserve("tea");
  await recorder.drain();
  expect(await gaps()).toEqual([{ seqs: "[11,12)", still_missing: "{[11,12)}" }]);
});

test("a dead event does not hide the gap before it", async () => {
  await shop.reserve("tea");
  await shop.takeSeq(); // its event never comes
  await shop.append(handMade(await shop.takeSeq(), { lines: [] }));
  await shop.reserve("tea");
  await recorder.drain();
  expect(await countRows(database.url, "dead_events")).toBe(1);
  expect(await gaps()).toEqual([{ seqs: "[2,4)", still_missing: "{[2,4)}" }]);
});

test("events that arrive late close their gap, and then the books balance", async () => {
  await shop.trade(20, "tea");
  const lost = await losing([2, 6, 7, 8]);
  await recorder.drain();
  expect(await gaps()).toHaveLength(2);

  const [first, second, third, fourth] = lost;
  await shop.append(third ?? {});
  await recorder.drain();
  expect(await gaps()).toEqual([
    { seqs: "[3,4)", still_missing: "{[3,4)}" },
    { seqs: "[7,10)", still_missing: "{[7,8),[9,10)}" },
  ]);

  for (const fields of [fourth, first, second]) await shop.append(fields ?? {});
  await recorder.drain();
  expect(await gaps()).toEqual([
    { seqs: "[3,4)", still_missing: "{}" },
    { seqs: "[7,10)", still_missing: "{}" },
  ]);
  expect(await books()).toEqual([]);
});

test("a SET by redis-cli between two events becomes an EXTERNAL movement", async () => {
  const before = await metric(recorderExternal);
  await shop.reserve("tea");
  await recorder.drain();
  expect(await externals()).toEqual([{ sku: "tea", available_delta: 1_000, held_delta: 0 }]);

  await shop.stock("tea", 42);
  await shop.reserve("tea");
  await shop.redis.incrby("stock:tea", 7);
  await shop.reserve("tea");
  await recorder.drain();
  expect((await externals()).slice(1)).toEqual([
    { sku: "tea", available_delta: 42 - 999, held_delta: 0 },
    { sku: "tea", available_delta: 7, held_delta: 0 },
  ]);
  expect(await metric(recorderExternal)).toBe(before + 3);
  expect(await books()).toEqual([]);
  expect(recorder.errors()).toEqual([]);
});

test("a stock that only holds change has no EXTERNAL movement but its first", async () => {
  await shop.trade(40, "tea");
  await recorder.drain();
  await shop.trade(40, "tea");
  await recorder.drain();
  expect(await externals()).toHaveLength(1);
});

test("what a dead worker had read before it died is no gap", async () => {
  await shop.trade(10, "tea");
  await recorder.drain(); // from here on it asks for new entries first
  await shop.trade(10, "tea");
  const { stream } = shop.keys;
  await shop.redis.xreadgroup("GROUP", GROUP, "dead", "COUNT", 4, "STREAMS", stream, ">");
  await recorder.drain();
  expect(await gaps()).toEqual([]);
  expect(await books()).toEqual([]);
  expect(recorder.errors()).toEqual([]);
});

test("what a dead worker had read last is recorded though nothing new comes", async () => {
  await shop.trade(10, "tea");
  await recorder.drain();
  await shop.trade(4, "tea");
  const { stream } = shop.keys;
  await shop.redis.xreadgroup("GROUP", GROUP, "dead", "COUNT", 4, "STREAMS", stream, ">");
  await recorder.drain();
  expect(await books()).toEqual([]);
  expect(recorder.errors()).toEqual([]);
});

test("what another worker read at the moment it was replaced is no gap", async () => {
  await shop.trade(10, "tea");
  await recorder.drain();
  await recorder.close();
  // The next one takes over and finds nothing to do yet.
  recorder = await openRecorder({ redisUrl: redis.url, databaseUrl: database.url, name: "next" });
  await recorder.runOnce();
  await shop.trade(10, "tea");
  // The replaced one was still waiting in its blocking read, so it was served first.
  const { stream } = shop.keys;
  await shop.redis.xreadgroup("GROUP", GROUP, "worker-1", "COUNT", 4, "STREAMS", stream, ">");
  await recorder.drain();
  expect(await books()).toEqual([]);
  expect(await gaps()).toEqual([]);
  expect(recorder.errors()).toEqual([]);
});

test.each([
  ["the worker itself", "worker-1"],
  ["a dead worker", "dead"],
])("entries deleted while they were pending at %s are an alarm and a gap", async (_, name) => {
  await shop.trade(10, "tea");
  const { stream } = shop.keys;
  await shop.redis.xgroup("CREATE", stream, GROUP, "0");
  await shop.redis.xreadgroup("GROUP", GROUP, name, "COUNT", 5, "STREAMS", stream, ">");
  await losing([1, 2]);
  await recorder.drain();
  expect(await gaps()).toEqual([{ seqs: "[2,4)", still_missing: "{[2,4)}" }]);
  expect(recorder.errors()).toEqual([
    expect.objectContaining({ count: 2, msg: expect.stringContaining("deleted before") }),
    expect.objectContaining({ gaps: [{ first: 2, last: 3 }] }),
  ]);
  expect(await countRows(database.url, "processed_events")).toBe(8);
});
