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

function newBuckets(wait_ms_max: number) {
  const permits = createPermits({ redis, keys: createKeys("main") });
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
