import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { until } from "../../scripts/until.ts";
import { send } from "../http/raw.ts";
import { fresh } from "../http/shop.ts";
import { spawnApi, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { metricOf } from "../worker/parts.ts";

const PROCESSES = 3;
/** Usually a tenth of it. Once the machine may take a while for something else. */
const SERVED_MS = 1_000;
const SERVED_MS_MAX = 10_000;

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let redis: Redis;
let api: TestProcess;
beforeAll(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  redis = new Redis(server.url);
  await redis.set("stock:a", 1_000);
  await admit(redis);
  const API_PROCESSES = String(PROCESSES);
  api = await spawnApi({ REDIS_URL: server.url, DATABASE_URL: database.url, API_PROCESSES });
});
afterAll(async () => {
  await api?.kill("SIGTERM");
  redis.disconnect();
  await Promise.all([server.close(), database.close()]);
});

/** Reserves, each over a connection of its own, which go to the processes in turn. Returns the statuses. */
async function reserveMany(): Promise<number[]> {
  const headers = { "Content-Type": "application/json" };
  const answers = Array.from({ length: 10 * PROCESSES }, () => {
    const wish = { sku: "a", qty: 1, user_id: "u", idempotency_key: fresh("key") };
    return send(api.url, { path: "/holds/reserve", headers, body: JSON.stringify(wish) });
  });
  return (await Promise.all(answers)).map(({ status }) => status);
}
const all = (status: number) => Array.from({ length: 10 * PROCESSES }, () => status);
const sold = async () => 1_000 - Number(await redis.get("stock:a"));
const refusing = () => metricOf(api, "holdfast_refusing");

test("every process refuses a Redis that was not admitted since, and each learns of the admission by itself", async () => {
  await until("every process listens", async () => {
    const lines = api.output().split("\n");
    return (
      lines.filter((line) => line.includes("the API is listening")).length === PROCESSES ||
      undefined
    );
  });
  expect(await reserveMany()).toEqual(all(201));
  expect(await refusing()).toBe(0);

  const served_ms: number[] = [];
  for (const [i, lose] of [
    () => redis.script("FLUSH"),
    () => redis.del("inventory.generation"),
    () => server.restart(),
  ].entries()) {
    const before = await sold();
    await lose();
    await until("every process knows", async () => {
      expect(await reserveMany()).toEqual(all(503));
      return (await refusing()) === PROCESSES || undefined;
    });
    expect((await fetch(`${api.url}/ready`)).status).toBe(503);
    expect((await fetch(`${api.url}/health`)).status).toBe(200);
    expect(await sold()).toBe(before);

    await admit(redis, i + 2);
    const admitted = performance.now();
    await until("no process refuses", async () => (await refusing()) === 0 || undefined);
    served_ms.push(performance.now() - admitted);
    expect(await reserveMany()).toEqual(all(201));
    expect((await fetch(`${api.url}/ready`)).status).toBe(200);
  }
  expect(Math.min(...served_ms)).toBeLessThan(SERVED_MS);
  expect(Math.max(...served_ms)).toBeLessThan(SERVED_MS_MAX);
}, 90_000);
