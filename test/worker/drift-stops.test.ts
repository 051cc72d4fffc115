import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { openAuditor, openFindings } from "./audit-side.ts";
import { openNewShop, type openRecorder } from "./parts.ts";
import type { Shop } from "./shop.ts";

const STOPPED = "inventory.stopped";

const redis = await freshRedis();
const database = await freshDatabase();
const urls = { redisUrl: redis.url, databaseUrl: database.url };
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;
let auditor: Awaited<ReturnType<typeof openAuditor>>;

beforeEach(async () => {
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
  auditor = await openAuditor({ ...urls, pauses: true });
  await shop.stock("milk", 10);
  await shop.reserve(["tea", "milk"]);
  await recorder.drain();
});

afterEach(async () => {
  await auditor.close();
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

const stopped = () => shop.redis.hgetall(STOPPED);
const breakTea = () => shop.redis.hset("item:tea", "held", 7);

test("a sku that drifts is stopped, and goes on when it no longer does", async () => {
  await auditor.lookAround();
  expect(await stopped()).toEqual({});
  const before = await shop.stream.now();
  await breakTea();
  await auditor.lookAround();
  const { tea = "", ...others } = await stopped();
  expect(others).toEqual({});
  const stop = JSON.parse(tea);
  expect(stop).toEqual({ reason: "DRIFT", since: expect.any(Number) });
  expect(stop.since).toBeGreaterThanOrEqual(before);
  await auditor.lookAround();
  expect(await stopped()).toEqual({ tea });
  await shop.redis.hset("item:tea", "held", 1);
  await auditor.lookAround();
  expect(await stopped()).toEqual({});
});

test("stock that was set by hand stops no sale", async () => {
  await shop.redis.set("stock:tea", 5);
  await auditor.lookAround();
  expect(await openFindings(database.url)).toMatchObject([{ kind: "CHANGED_OUTSIDE" }]);
  expect(await stopped()).toEqual({});
});

test("a stop that Redis alone has, as a former master may, is taken back", async () => {
  await shop.redis.hset(STOPPED, "milk", '{"reason":"DRIFT","since":1}');
  await auditor.lookAround();
  expect(await stopped()).toEqual({});
});

test("a stop that Redis has lost is put back", async () => {
  await breakTea();
  await auditor.lookAround();
  await shop.redis.del(STOPPED);
  await auditor.lookAround();
  expect(Object.keys(await stopped())).toEqual(["tea"]);
});

test("with the setting off nothing is stopped, and what was goes on", async () => {
  await shop.redis.hset(STOPPED, "milk", '{"reason":"OTHER","since":1}', "bread", "no JSON");
  await breakTea();
  await auditor.lookAround();
  expect(Object.keys(await stopped()).toSorted()).toEqual(["bread", "milk", "tea"]);
  await auditor.close();
  auditor = await openAuditor(urls);
  await auditor.lookAround();
  expect(await openFindings(database.url)).toMatchObject([{ kind: "HELD" }]);
  expect(Object.keys(await stopped()).toSorted()).toEqual(["bread", "milk"]);
});
