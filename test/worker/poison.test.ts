import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { recorderEvents, seqGaps, seqRewinds } from "../../worker/metrics.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { metric, openNewShop, openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import { handMade, handMadeChange, type Shop, sold } from "./shop.ts";

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

type Fields = Record<string, string>;
const negative = [
  { sku: "hand-made", store_id: "main", quantity: 1, available: -1, held: 1, version: 1 },
];
const huge = [
  { sku: "hand-made", store_id: "main", quantity: 3e9, available: 1, held: 1, version: 1 },
];

/** Each kind of poison, and what its dead letter's error must speak of. */
const POISONS: [kind: string, make: (seq: number) => Fields, error: RegExp][] = [
  ["a payload that is no JSON", (seq) => ({ ...handMade(seq), payload: '{"hold_id":' }), /JSON/],
  ["an unknown type", (seq) => ({ ...handMade(seq), type: "TEA_SPILT" }), /type/],
  ["an unknown event_version", (seq) => handMade(seq, { event_version: 2 }), /event_version/],
  ["a negative level", (seq) => handMade(seq, { lines: negative }), /lines\.0\.available/],
  ["a constraint broken", (seq) => handMade(seq, { ended_at: 1 }), /holds_ended_when_not_active/],
  ["a number out of range", (seq) => handMade(seq, { lines: huge }), /out of range/],
  ["a NUL in a text", (seq) => handMade(seq, { user_id: "an\u0000n" }), /0x00/],
  ["a change of stock that has no lines", (seq) => handMadeChange(seq, { lines: [] }), /lines/],
  ["a NUL in its notes", (seq) => handMadeChange(seq, { notes: "a\u0000b" }), /0x00/],
];
const PLACES = [
  ["first", 0],
  ["in the middle", 25],
  ["last", 49],
] as const;

describe.each(POISONS)("%s", (_, make, error) => {
  test.each(PLACES)("is isolated when it comes %s of a batch of fifty", async (_place, before) => {
    const dead = await metric(recorderEvents, { outcome: "DEAD" });
    const gaps = await metric(seqGaps);
    await shop.reserveMany(before, "tea");
    const fields = make(await shop.takeSeq());
    const entry_id = await shop.append(fields);
    await shop.reserveMany(49 - before, "tea");

    await recorder.runOnce();

    expect(await books()).toEqual(["1 events are dead"]);
    expect(await countRows(database.url, "processed_events")).toBe(49);
    expect(await countRows(database.url, "seq_gaps")).toBe(0);
    expect(await metric(seqGaps)).toBe(gaps);
    expect(await metric(recorderEvents, { outcome: "DEAD" })).toBe(dead + 1);
    const row = { entry_id, fields, error: expect.stringMatching(error) };
    expect(await query(database.url, "select * from dead_events")).toEqual([
      expect.objectContaining({ ...row, failed_at: expect.any(Date) }),
    ]);
    const [letter] = await shop.redis.xrange(shop.keys.dead, "-", "+");
    const about = ["entry_id", entry_id, "error", row.error, "attempts", expect.any(String)];
    expect(letter?.[1]).toEqual([
      ...Object.entries(fields).flat(),
      ...about,
      "failed_at",
      expect.stringMatching(/^\d{4}-.*Z$/),
    ]);
    expect(recorder.errors()).toEqual([
      expect.objectContaining({ entry_id, ...{ error: row.error } }),
    ]);
  });
});

test("the attempts of a dead letter count every try that had the event in it", async () => {
  const entry_id = await shop.append({ ...handMade(await shop.takeSeq()), payload: "" });
  await shop.reserveMany(3, "tea");
  await recorder.runOnce();
  const rows = await query(database.url, "select entry_id, attempts from dead_events");
  // Among four, among two, alone.
  expect(rows).toEqual([{ entry_id, attempts: 3 }]);
});

test("an entry that is no event at all is isolated", async () => {
  await shop.reserveMany(2, "tea");
  await shop.append({ hello: "world", __proto__: "x", seq: "0x10" });
  await shop.append({ "": "" });
  await shop.reserveMany(2, "tea");
  await recorder.drain();
  expect(await countRows(database.url, "dead_events")).toBe(2);
  expect(await countRows(database.url, "processed_events")).toBe(4);
  expect(await countRows(database.url, "seq_gaps")).toBe(0);
});

test("a batch of nothing but poison ends, each of it dead once", async () => {
  for (let i = 0; i < 20; i += 1) await shop.append(handMade(await shop.takeSeq(), { lines: [] }));
  await recorder.drain();
  expect(await books()).toEqual(["20 events are dead"]);
  expect(await shop.redis.xlen(shop.keys.dead)).toBe(20);
});

test("a dead letter that comes again stays one row", async () => {
  const fields = handMade(await shop.takeSeq(), { status: "SPILT" });
  await shop.append(fields);
  await recorder.drain();
  await shop.redis.xgroup("SETID", shop.keys.stream, "inventory.cg", "0");
  await recorder.drain();
  expect(await books()).toEqual(["1 events are dead"]);
});

test("what follows a hold's dead event is recorded, and the movements still add up", async () => {
  await shop.confirm(await shop.reserve("tea"));
  await shop.reserve("tea");
  const [created, ...rest] = await shop.entries();
  await shop.redis.xtrim(shop.keys.stream, "MAXLEN", 0);
  await shop.append({ ...created?.fields, type: "TEA_SPILT" });
  for (const { fields } of rest) await shop.append(fields);
  await recorder.drain();
  expect(await books()).toEqual(["1 events are dead"]);
});

test("a hold that is sold twice by hand keeps its first order", async () => {
  const hold_id = await shop.reserve("tea");
  const { order_id } = await shop.confirm(hold_id);
  await recorder.drain();
  await shop.append({
    ...handMade(await shop.takeSeq(), { ...sold(), hold_id, version: 3 }),
    type: "HOLD_CONFIRMED",
  });
  await recorder.drain();
  expect(await query(database.url, "select hold_id, order_id from orders")).toEqual([
    { hold_id, order_id },
  ]);
  const dead = await query(database.url, "select error from dead_events");
  expect(dead).toEqual([{ error: expect.stringMatching(/orders_one_for_a_hold/) }]);
  expect(await books()).toEqual(["1 events are dead"]);
});

test("a dead letter that could not be acknowledged is written down once", async () => {
  await recorder.close();
  let failures = 1;
  recorder = await openRecorder({
    redisUrl: redis.url,
    databaseUrl: database.url,
    change: (consumer) => ({
      ...consumer,
      bury: (entry, about) =>
        failures-- > 0 ? Promise.reject(new Error("Redis is away.")) : consumer.bury(entry, about),
    }),
  });
  await shop.append(handMade(await shop.takeSeq(), { lines: [] }));
  await shop.reserve("tea");
  await expect(recorder.runOnce()).rejects.toThrow("Redis is away.");
  await recorder.drain();
  expect(await books()).toEqual(["1 events are dead"]);
  expect(await shop.redis.xlen(shop.keys.dead)).toBe(1);
});

test("a dead event that comes again in a form that is understood is recorded, without alarm", async () => {
  await shop.reserve("tea");
  const [entry] = await shop.entries();
  await shop.redis.xtrim(shop.keys.stream, "MAXLEN", 0);
  // As from an API that is newer than this worker, before the worker is replaced too.
  await shop.append({ ...entry?.fields, type: "TEA_SPILT" });
  await shop.reserve("tea");
  await recorder.drain();
  const errors = recorder.errors().length;
  const rewinds = await metric(seqRewinds);
  await shop.append({ ...entry?.fields });
  await recorder.drain();
  expect(await countRows(database.url, "processed_events")).toBe(2);
  // Its letter goes, or the event would seem to be missing for ever.
  expect(await books()).toEqual([]);
  expect(recorder.errors().slice(errors)).toEqual([]);
  expect(await metric(seqRewinds)).toBe(rewinds);
});
