import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { createLog } from "../../src/log.ts";
import { createBlockingRedis, createRedis, untilReady } from "../../src/redis/client.ts";
import { createConsumer } from "../../src/redis/consumer.ts";
import { dueHoldIds } from "../../src/redis/deadlines.ts";
import { createKeys, GROUP } from "../../src/redis/keys.ts";
import { createStream } from "../../src/redis/stream.ts";
import { freshRedis } from "../setup/stack.ts";

const BLOCK_MS = 20_000;
const keys = createKeys("main");
const log = createLog("worker", "silent");
let server: Awaited<ReturnType<typeof freshRedis>>;
let redis: Redis;
let blocking: Redis;
beforeAll(async () => {
  server = await freshRedis();
  redis = createRedis(server.url, log);
  blocking = createBlockingRedis(server.url, log, BLOCK_MS);
  await Promise.all([untilReady(redis), untilReady(blocking)]);
});
beforeEach(() => redis.flushall());
afterAll(async () => {
  redis.disconnect();
  blocking.disconnect();
  await server.close();
});

const consumer = (name: string) => createConsumer(redis, blocking, keys, name);
const idsOf = (entries: { id: string }[]) => entries.map(({ id }) => id);

async function add(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i += 1) {
    ids.push(String(await redis.xadd(keys.stream, "*", "seq", String(i + 1), "type", "T")));
  }
  return ids;
}

describe("a consumer", () => {
  test("makes the group from the stream's beginning, and leaves one that is there", async () => {
    const ids = await add(2);
    const one = consumer("one");
    await one.ensureGroup();
    expect(idsOf(await one.readNew(10, 1))).toEqual(ids);
    await one.ensureGroup();
    expect(await one.readNew(10, 1)).toEqual([]);
    expect(idsOf(await one.readOwnPending(10))).toEqual(ids);
  });

  test("makes the group on a Redis without a stream", async () => {
    await consumer("one").ensureGroup();
    expect(await redis.xlen(keys.stream)).toBe(0);
    expect(await consumer("one").readNew(10, 1)).toEqual([]);
  });

  test("rises when the stream is no stream", async () => {
    await redis.set(keys.stream, "text");
    await expect(consumer("one").ensureGroup()).rejects.toThrow(/^WRONGTYPE/);
  });

  test("reads new entries with their fields, at most as many as asked for", async () => {
    const one = consumer("one");
    await one.ensureGroup();
    const ids = await add(3);
    const [first, ...others] = await one.readNew(2, 1);
    expect(first?.id).toBe(ids[0]);
    expect({ ...first?.fields }).toEqual({ seq: "1", type: "T" });
    expect(idsOf(others)).toEqual([ids[1]]);
    expect(idsOf(await one.readNew(2, 1))).toEqual([ids[2]]);
  });

  test("waits for an entry that is to come", async () => {
    const one = consumer("one");
    await one.ensureGroup();
    const coming = one.readNew(10, BLOCK_MS);
    const ids = await add(1);
    expect(idsOf(await coming)).toEqual(ids);
  });

  test("finds what it had not acknowledged again, and nothing of another's", async () => {
    const [one, two] = [consumer("one"), consumer("two")];
    await one.ensureGroup();
    const ids = await add(4);
    await one.readNew(3, 1);
    await two.readNew(1, 1);
    await one.ack(ids.slice(0, 1));
    expect(idsOf(await consumer("one").readOwnPending(10))).toEqual(ids.slice(1, 3));
    expect(idsOf(await one.readOwnPending(1))).toEqual(ids.slice(1, 2));
    expect(idsOf(await two.readOwnPending(10))).toEqual(ids.slice(3));
    await one.ack([]);
    await one.ack(ids);
    expect(await two.readOwnPending(10)).toEqual([]);
  });

  test("finds a pending entry without fields when it was deleted meanwhile", async () => {
    const one = consumer("one");
    await one.ensureGroup();
    const ids = await add(2);
    await one.readNew(2, 1);
    await redis.xdel(keys.stream, ids[0] ?? "");
    const [gone, there] = await one.readOwnPending(10);
    expect(gone).toEqual({ id: ids[0], fields: null });
    expect(there?.fields).not.toBeNull();
  });

  test("claims what others left, by a cursor, and names what was deleted", async () => {
    const [dead, heir] = [consumer("dead"), consumer("heir")];
    await dead.ensureGroup();
    const ids = await add(5);
    await dead.readNew(5, 1);
    await redis.xdel(keys.stream, ids[1] ?? "");
    const first = await heir.claim("0-0", 3);
    expect(first.next_cursor).not.toBe("0-0");
    const rest = await heir.claim(first.next_cursor, 3);
    expect(rest.next_cursor).toBe("0-0");
    expect(idsOf([...first.entries, ...rest.entries])).toEqual(ids.filter((_, i) => i !== 1));
    expect([...first.deleted, ...rest.deleted]).toEqual([ids[1]]);
    expect({ ...first.entries[0]?.fields }).toEqual({ seq: "1", type: "T" });
    expect(await dead.readOwnPending(10)).toEqual([]);
    expect(idsOf(await heir.readOwnPending(10))).toEqual(ids.filter((_, i) => i !== 1));
  });

  test("reads a field named __proto__ as any other", async () => {
    const one = consumer("one");
    await one.ensureGroup();
    await redis.xadd(keys.stream, "*", "__proto__", "x", "constructor", "y");
    const [entry] = await one.readNew(1, 1);
    expect(Object.entries(entry?.fields ?? {})).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });
});

describe("burying an entry", () => {
  async function pendingEntry() {
    const one = consumer("one");
    await one.ensureGroup();
    await add(2);
    const [entry, neighbour] = await one.readNew(2, 1);
    if (!entry || !neighbour) throw new Error("The entries did not come.");
    return { one, entry, neighbour };
  }

  test("appends it to the dead letters with the reason, and acknowledges it alone", async () => {
    const { one, entry, neighbour } = await pendingEntry();
    await one.bury(entry, { error: "poison", attempts: "1" });
    const [dead] = await redis.xrange(keys.dead, "-", "+");
    expect(dead?.[1]).toEqual([
      ...["seq", "1", "type", "T", "entry_id", entry.id],
      ...["error", "poison", "attempts", "1"],
    ]);
    expect(idsOf(await one.readOwnPending(10))).toEqual([neighbour.id]);
    expect(await redis.xlen(keys.stream)).toBe(2);
  });

  test("works for an entry that was deleted", async () => {
    const { one, entry } = await pendingEntry();
    await redis.xdel(keys.stream, entry.id);
    await one.bury({ id: entry.id, fields: null }, { error: "gone" });
    const [dead] = await redis.xrange(keys.dead, "-", "+");
    expect(dead?.[1]).toEqual(["entry_id", entry.id, "error", "gone"]);
  });

  test("keeps about the ten thousand newest dead letters", async () => {
    const { one, entry } = await pendingEntry();
    const pipeline = redis.pipeline();
    for (let i = 0; i < 12_000; i += 1) pipeline.xadd(keys.dead, "*", "n", String(i));
    await pipeline.exec();
    await one.bury(entry, { error: "poison" });
    const length = await redis.xlen(keys.dead);
    expect(length).toBeGreaterThanOrEqual(10_000);
    expect(length).toBeLessThan(10_200); // it forgets whole nodes of its tree, of a hundred each
    const [newest] = await redis.xrevrange(keys.dead, "+", "-", "COUNT", 1);
    expect(newest?.[1]).toContain("poison");
  });

  test("rises when the dead letters can't be written", async () => {
    const { one, entry } = await pendingEntry();
    await redis.set(keys.dead, "text");
    await expect(one.bury(entry, { error: "poison" })).rejects.toThrow(/WRONGTYPE/);
  });

  test("that fails leaves the entry pending", async () => {
    const { one, entry } = await pendingEntry();
    await redis.set(keys.dead, "text");
    await one.bury(entry, { error: "poison" }).catch(() => undefined);
    expect(idsOf(await one.readOwnPending(10))).toContain(entry.id);
  });
});

describe("the stream, seen from outside,", () => {
  const stream = () => createStream(redis, keys);

  test("knows the newest seq, 0 without events", async () => {
    expect(await stream().lastSeq()).toBe(0);
    await redis.set(keys.seq, "42");
    expect(await stream().lastSeq()).toBe(42);
  });

  test("knows when the oldest entry behind another was made", async () => {
    expect(await stream().oldestAfter("0-0")).toBeNull();
    await redis.xadd(keys.stream, "1000-0", "a", "b");
    await redis.xadd(keys.stream, "1000-1", "a", "b");
    await redis.xadd(keys.stream, "2000-0", "a", "b");
    expect(await stream().oldestAfter("0-0")).toBe(1_000);
    expect(await stream().oldestAfter("1000-0")).toBe(1_000);
    expect(await stream().oldestAfter("1000-1")).toBe(2_000);
    expect(await stream().oldestAfter("2000-0")).toBeNull();
  });

  test("knows the oldest pending entry of any consumer, and that there is none", async () => {
    expect(await stream().oldestPending()).toBeNull(); // no stream
    const ids = await add(2);
    expect(await stream().oldestPending()).toBeNull(); // no group
    await consumer("one").ensureGroup();
    expect(await stream().oldestPending()).toBeNull();
    await consumer("one").readNew(1, 1);
    await consumer("two").readNew(1, 1);
    expect(await stream().oldestPending()).toBe(ids[0]);
    await redis.xack(keys.stream, GROUP, ids[0] ?? "");
    expect(await stream().oldestPending()).toBe(ids[1]);
  });

  test("is trimmed before an id, never from it on", async () => {
    await redis.config("SET", "stream-node-max-entries", "10");
    for (let i = 1; i <= 100; i += 1) await redis.xadd(keys.stream, `${i}-0`, "a", "b");
    const cut = await stream().trim("51-0", 1_000);
    expect(cut).toBeGreaterThanOrEqual(40);
    expect(await redis.xlen(keys.stream)).toBe(100 - cut);
    expect(await redis.xrange(keys.stream, "51-0", "+")).toHaveLength(50);
    expect(await stream().trim("51-0", 1_000)).toBe(0);
  });

  test("is cut by about so many entries at once, not more", async () => {
    await redis.config("SET", "stream-node-max-entries", "10");
    for (let i = 1; i <= 100; i += 1) await redis.xadd(keys.stream, `${i}-0`, "a", "b");
    const cut = await stream().trim("101-0", 20);
    expect(cut).toBeGreaterThan(0);
    expect(cut).toBeLessThanOrEqual(20);
  });

  test("answers a ping, and with Redis's clock", async () => {
    await stream().ping();
    const [seconds] = await redis.time();
    expect(Math.abs((await stream().now()) - Number(seconds) * 1000)).toBeLessThan(60_000);
  });
});

test("due holds come longest overdue first, up to now and at most as many as asked for", async () => {
  expect(await dueHoldIds(redis, keys, 1_000, 10)).toEqual([]);
  await redis.zadd(keys.deadlines, 1_000, "now", 999, "before", 1_001, "later", 5, "long ago");
  expect(await dueHoldIds(redis, keys, 1_000, 10)).toEqual([
    { hold_id: "long ago", due_at: 5 },
    { hold_id: "before", due_at: 999 },
    { hold_id: "now", due_at: 1_000 },
  ]);
  expect(await dueHoldIds(redis, keys, 1_000, 1)).toEqual([{ hold_id: "long ago", due_at: 5 }]);
});
