import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createBuckets } from "../../../src/http/limits/buckets.ts";
import { createKind } from "../../../src/http/limits/kind.ts";
import { createLog } from "../../../src/log.ts";
import { createRedis, untilReady } from "../../../src/redis/client.ts";
import { createKeys } from "../../../src/redis/keys.ts";
import { createPermits, type Wish } from "../../../src/redis/permits.ts";
import { freshRedis } from "../../setup/stack.ts";

/** One more comes in after 100 s, so none does in a test. */
const SLOW = 0.01;

const log = createLog("api", "silent");
let server: Awaited<ReturnType<typeof freshRedis>>;
let redis: ReturnType<typeof createRedis>;
/** The buckets that Redis was asked for, again and again or not. */
const asked = new Set<string>();
beforeAll(async () => {
  server = await freshRedis();
  redis = createRedis(server.url, log);
  await untilReady(redis);
});
afterAll(async () => {
  redis.disconnect();
  await server.close();
});

function newBuckets(wait_ms_max: number, by = redis) {
  const permits = createPermits({ redis: by, keys: createKeys("main") });
  const take = (wishes: Wish[]) => {
    for (const { bucket } of wishes) asked.add(bucket);
    return permits.take(wishes);
  };
  return createBuckets({ take, log, wait_ms_max });
}

test("a bucket that was forgotten lets nobody through unasked again", async () => {
  const { spend } = newBuckets(30_000);
  const kind = createKind("test", { per_second: SLOW, burst: 10 });
  await spend(kind, "a");
  const others = Array.from({ length: 50_000 }, (_, i) => spend(kind, `other-${i}`));
  expect(asked.has("test:a")).toBe(false);
  expect(await spend(kind, "a")).toMatchObject({ granted: true });
  expect(asked.has("test:a")).toBe(true);
  await Promise.all(others);
});

/** Buckets of one rate as a process of its own has them. */
function newProcess(burst: number, { name = "test", by = redis } = {}) {
  const { spend } = newBuckets(30_000, by);
  const kind = createKind(name, { per_second: SLOW, burst });
  return (id: string) => spend(kind, id);
}

/** How many of so many that two processes ask for at once are granted, half by each. */
async function grantedByTwo(id: string, burst: number, count: number) {
  const [one, other] = [newProcess(burst), newProcess(burst)];
  const permits = Array.from({ length: count }, (_, i) => (i % 2 ? one : other)(id));
  return (await Promise.all(permits)).filter(({ granted }) => granted).length;
}

test("of a bucket with few permits two processes let through no more than it has", async () => {
  expect(await grantedByTwo("small", 9, 30)).toBe(9);
  const of_many = await grantedByTwo("large", 10, 30);
  expect(of_many).toBeGreaterThanOrEqual(10);
  expect(of_many).toBeLessThanOrEqual(12); // each lets one through unasked
});

test("buckets of two kinds are two, though what they are of has one name", async () => {
  expect(await newProcess(1)("name")).toMatchObject({ granted: true });
  expect(await newProcess(1, { name: "another" })("name")).toMatchObject({ granted: true });
  expect(await newProcess(1)("name")).toMatchObject({ granted: false });
});

test("a process that has asked Redis very often still shares its buckets", async () => {
  const [one, other] = [newProcess(1), newProcess(1)];
  for (let round = 0; round < 3; round += 1) {
    const many = Array.from({ length: 2_000 }, (_, i) => one(`many-${round}-${i}`));
    for (const { granted } of await Promise.all(many)) expect(granted).toBe(true);
  }
  expect(await other("shared")).toMatchObject({ granted: true });
  expect(await one("shared")).toMatchObject({ granted: false });
});

test("a process that loses Redis goes on from what Redis said last", async () => {
  const lost = createRedis(server.url, log);
  await untilReady(lost);
  const [one, other] = [newProcess(5), newProcess(5, { by: lost })];
  for (let i = 0; i < 3; i += 1) await one("known");
  expect(await other("known")).toMatchObject({ granted: true, left: 1 });
  lost.disconnect();
  const permits = [];
  for (let i = 0; i < 3; i += 1) permits.push((await other("known")).granted);
  expect(permits).toEqual([true, false, false]);
});

test("when Redis hangs, all who wait go on together, and not one call after the other", async () => {
  const { spend } = newBuckets(200);
  asked.clear();
  server.kill("SIGSTOP");
  try {
    const kind = createKind("test", { per_second: SLOW, burst: 5 });
    const waiting = Array.from({ length: 3_000 }, (_, i) => spend(kind, `waits-${i}`));
    for (const permit of await Promise.all(waiting)) expect(permit.granted).toBe(true);
    expect(asked.size).toBeLessThanOrEqual(2 * 256);
  } finally {
    server.kill("SIGCONT");
  }
});
