import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { createKeys } from "../../src/redis/keys.ts";
import { createRestoring, type RestoredHold } from "../../src/redis/restoring.ts";
import { freshRedis } from "../setup/stack.ts";

const keys = createKeys("main");
let server: Awaited<ReturnType<typeof freshRedis>>;
let redis: Redis;
beforeAll(async () => {
  server = await freshRedis();
  redis = new Redis(server.url, { protocol: 2 }); // as client.ts asks for it
});
beforeEach(() => redis.flushall());
afterAll(async () => {
  redis.disconnect();
  await server.close();
});

const begin = () => createRestoring(redis, keys).begin();
const hold: RestoredHold = {
  ...{ hold_id: "H-1", status: "ACTIVE", user_id: "ann", version: 1 },
  ...{ created_at: 1_000, expires_at: 61_000 },
  lines: [{ sku: "tea", store_id: "main", quantity: 1 }],
};

test("a hold that is given back is found by the sweeper at its deadline", async () => {
  const side = await begin();
  expect(await side.restoreHolds([hold], "NEWER")).toBe(1);
  expect(await redis.zscore(keys.deadlines, "H-1")).toBe("61000");
});

test("one that the sweeper has put off, since it is corrupt, stays put off", async () => {
  const side = await begin();
  await side.restoreHolds([hold], "NEWER");
  await redis.zadd(keys.deadlines, 121_000, "H-1");
  expect(await side.restoreHolds([hold], "NEWER")).toBe(0);
  expect(await redis.zscore(keys.deadlines, "H-1")).toBe("121000");
});

test("the stream goes on behind what was recorded, though Redis's clock is behind that", async () => {
  const side = await begin();
  await side.restoreCounters(7, "9999999999999-5", []);
  expect(await redis.xadd(keys.stream, "*", "event_id", "the next")).toBe("9999999999999-6");
  await side.restoreCounters(7, "1000-0", []);
  expect(await redis.xadd(keys.stream, "*", "event_id", "another")).toBe("9999999999999-7");
});
