import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { until } from "../../scripts/until.ts";
import { spawnApi, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { dump } from "./dump.ts";
import { expectProblem } from "./expect-problem.ts";
import { fresh, postJson } from "./shop.ts";

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let redis: Redis;
let api: TestProcess;
beforeAll(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  redis = new Redis(server.url);
  await admit(redis);
  api = await spawnApi({ REDIS_URL: server.url, DATABASE_URL: database.url });
});
afterAll(async () => {
  await api.kill();
  redis.disconnect();
  await Promise.all([server.close(), database.close()]);
});

const CORRUPT = { status: 500, code: "CORRUPT_STOCK" };

const reserve = (sku: string) =>
  postJson(`${api.url}/holds/reserve`, {
    sku,
    qty: 1,
    user_id: "u",
    idempotency_key: fresh("key"),
  });

/** Waits for the alarm: a line at error level that names the request and the key. */
const untilAlarm = (request_id: unknown, key: string) =>
  until(`an alarm for ${key}`, () =>
    api
      .output()
      .split("\n")
      .filter((line) => line.includes(String(request_id)))
      .map((line) => JSON.parse(line))
      .find(({ level, err }) => level === "error" && err?.message.includes(` ${key} `)),
  );

async function expectAlarmWithoutWrite(
  call: () => ReturnType<typeof postJson>,
  key: string,
): Promise<void> {
  const before = await dump(redis);
  const answer = await call();
  expectProblem(answer, CORRUPT);
  expect(answer.headers.get("retry-after")).toBeNull();
  expect(answer.text).not.toContain(key);
  expect(await dump(redis)).toEqual(before);
  await untilAlarm(answer.body.instance, key);
}

test.each([
  "abc",
  "",
  "-1",
  "1.5",
  "1e3",
  "0x10",
  "007",
  "nan",
  " 5",
  "5\n",
  "9".repeat(20),
  "1".repeat(16),
])("stock that reads %p is not sold from, and somebody is told", async (value) => {
  const sku = fresh("sku");
  await redis.set(`stock:${sku}`, value);
  await expectAlarmWithoutWrite(() => reserve(sku), `stock:${sku}`);
});

test("stock of 15 digits, the most there may be, is sold from", async () => {
  const sku = fresh("sku");
  await redis.set(`stock:${sku}`, "9".repeat(15));
  expect((await reserve(sku)).status).toBe(201);
  expect(await redis.get(`stock:${sku}`)).toBe("999999999999998");
});

test("stock that is a list is not sold from, and sells again once it is mended", async () => {
  const sku = fresh("sku");
  await redis.rpush(`stock:${sku}`, "5");
  await expectAlarmWithoutWrite(() => reserve(sku), `stock:${sku}`);
  await redis.del(`stock:${sku}`);
  await redis.set(`stock:${sku}`, 5);
  expect((await reserve(sku)).status).toBe(201);
});

test.each(["held", "version"])("a count of %s that is no number stops the sale", async (field) => {
  const sku = fresh("sku");
  await redis.set(`stock:${sku}`, 5);
  await redis.hset(`item:${sku}`, field, "many");
  await expectAlarmWithoutWrite(() => reserve(sku), `item:${sku}`);
});

test("a corrupt sku does not keep its neighbours from being sold", async () => {
  const [good, bad] = [fresh("sku"), fresh("sku")];
  await redis.mset({ [`stock:${good}`]: "100", [`stock:${bad}`]: "abc" });
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => reserve(i % 2 === 0 ? good : bad)),
  );
  expect(answers.map(({ status }) => status)).toEqual(
    answers.map((_, i) => (i % 2 === 0 ? 201 : 500)),
  );
  expect(await redis.get(`stock:${good}`)).toBe("80");
});

test("stock that became corrupt under a hold keeps it from ending, until it is mended", async () => {
  const sku = fresh("sku");
  await redis.set(`stock:${sku}`, 5);
  const { hold_id } = (await reserve(sku)).body;
  await redis.set(`stock:${sku}`, "abc");
  const ending = { hold_id, payment_ref: "pay" };
  const confirm = () => postJson(`${api.url}/holds/confirm`, ending);
  const cancel = () => postJson(`${api.url}/holds/cancel`, { hold_id });
  await expectAlarmWithoutWrite(confirm, `stock:${sku}`);
  await expectAlarmWithoutWrite(cancel, `stock:${sku}`);
  await redis.set(`stock:${sku}`, 4);
  expect((await cancel()).status).toBe(200);
  expect(await redis.get(`stock:${sku}`)).toBe("5");
});
