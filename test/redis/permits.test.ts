import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import type { Rate } from "../../src/domain/rate.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { createPermits, type Permits, type Wish } from "../../src/redis/permits.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";

/** One more comes in after 100 s, so none does in a test. */
const SLOW: Rate = { per_second: 0.01, burst: 10 };

const keys = createKeys("main");
let server: Awaited<ReturnType<typeof freshRedis>>;
let redis: Redis;
let permits: Permits;
beforeAll(async () => {
  server = await freshRedis(["--appendonly", "yes", "--appendfsync", "always"]);
  redis = new Redis(server.url);
  permits = createPermits({ redis, keys });
});
beforeEach(() => emptyRedis(redis));
afterAll(async () => {
  redis.disconnect();
  await server.close();
});

async function take(needed: number, { bucket = "b", rate = SLOW, ahead = 0 }: Partial<Wish> = {}) {
  const [grant] = await permits.take([{ bucket, rate, needed, ahead }]);
  if (!grant) throw new Error("no grant");
  return grant;
}

test("a bucket gives what it has, and then says when there is one more", async () => {
  expect(await take(3)).toEqual({ granted: 3, left: 7, wait_ms: 0 });
  expect(await take(6)).toEqual({ granted: 6, left: 1, wait_ms: 0 });
  const last = await take(5);
  expect(last).toMatchObject({ granted: 1, left: 0 });
  expect(last.wait_ms).toBeGreaterThan(50_000);
  expect(last.wait_ms).toBeLessThanOrEqual(100_000);
  expect(await take(1)).toMatchObject({ granted: 0, left: 0 });
  expect(await take(1, { bucket: "another" })).toMatchObject({ granted: 1, left: 9 });
});

test("of all that ask at once, in however many calls, as many get one as there are", async () => {
  const wish = { bucket: "b", rate: SLOW, needed: 1, ahead: 0 };
  const calls = Array.from({ length: 20 }, () => permits.take([wish, wish, wish]));
  const grants = (await Promise.all(calls)).flat();
  expect(grants.reduce((sum, { granted }) => sum + granted, 0)).toBe(10);
});

test("permits come in anew, and no more than it holds; then it is forgotten", async () => {
  const rate = { per_second: 20, burst: 4 };
  expect(await take(4, { rate })).toMatchObject({ granted: 4, left: 0 });
  await until("there is one", async () => (await take(1, { rate })).granted === 1 || undefined);
  const isKept = () => redis.exists(keys.permits("b"));
  await until("it is forgotten", async () => (await isKept()) === 0 || undefined);
  expect(await take(9, { rate })).toMatchObject({ granted: 4, left: 0 });
});

test("what has come in of the next permit stays when others are taken", async () => {
  await take(8);
  await redis.decrby(keys.permits("b"), 50_000_000); // as 50 s later: half of the next one is there
  const last = await take(2);
  expect(last).toMatchObject({ granted: 2, left: 0 });
  expect(last.wait_ms).toBeLessThanOrEqual(50_000);
});

test("more are given ahead only out of plenty, and never more than are left", async () => {
  const rate = { per_second: 0.01, burst: 100 };
  expect(await take(1, { rate, ahead: 5 })).toMatchObject({ granted: 6, left: 94 });
  expect(await take(1, { rate, ahead: 50 })).toMatchObject({ granted: 12, left: 82 });
  expect(await take(80, { rate })).toMatchObject({ granted: 80, left: 2 });
  expect(await take(1, { rate, ahead: 50 })).toMatchObject({ granted: 1, left: 1 });
});

test("another limit is in force at once, and what is not readable is a full bucket", async () => {
  await take(10);
  const rate = { per_second: 1_000, burst: 2 };
  await until("the smaller one fills", async () => (await take(1, { rate })).granted || undefined);
  await redis.set(keys.permits("b"), "rubbish");
  expect(await take(1)).toMatchObject({ granted: 1, left: 9 });
  await redis.del(keys.permits("b"));
  await redis.hset(keys.permits("b"), "a", "b");
  expect(await take(1)).toMatchObject({ granted: 1, left: 9 });
});

describe("a bucket", () => {
  test("is in no file of Redis, and full after a restart", async () => {
    await redis.set("x", "1");
    const size = async () => /aof_current_size:(\d+)/.exec(await redis.info("persistence"))?.[1];
    const before = await size();
    await take(10);
    expect(await redis.pttl(keys.permits("b"))).toBeGreaterThan(900_000);
    expect(await size()).toBe(before);
    await redis.set("x", "2");
    expect(await size()).not.toBe(before);
  });

  test("is counted by a script that Redis has forgotten", async () => {
    await take(10);
    await redis.script("FLUSH");
    expect(await take(1)).toMatchObject({ granted: 0 });
  });
});
