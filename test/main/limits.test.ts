import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { createLog } from "../../src/log.ts";
import { createPool } from "../../src/postgres/client.ts";
import { send } from "../http/raw.ts";
import { fresh } from "../http/shop.ts";
import { createApiKey } from "../postgres/keys.ts";
import { spawnApi, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";

const ASKED = 500;
/** Each process lets one through without asking. */
const UNASKED = 2;

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
/** Of two callers. */
let spent: string;
let other: string;
let apis: TestProcess[] = [];
beforeAll(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  const redis = new Redis(server.url);
  await redis.set("stock:a", 1_000_000);
  await admit(redis);
  redis.disconnect();
  const pool = createPool(database.url, createLog("api", "silent"));
  const newKey = async () => {
    const about = { roles: ["checkout" as const], customer: null, expires_in_ms: null };
    return (await createApiKey(pool, { name: fresh("caller"), ...about })).token;
  };
  [spent, other] = await Promise.all([newKey(), newKey()]);
  await pool.end();
});
afterEach(async () => {
  await Promise.all(apis.map((api) => api.kill("SIGTERM")));
  apis = [];
});
afterAll(() => Promise.all([server.close(), database.close()]));

/** Two API processes, each on a port of its own, so that it is known who is asked. */
async function startTwo(settings: Record<string, string>) {
  const env = { REDIS_URL: server.url, DATABASE_URL: database.url, AUTH: "keys", ...settings };
  // A budget so long that no busy machine makes a process limit by itself.
  const start = () => spawnApi({ ...env, REQUEST_BUDGET_MS: "30000" });
  apis = await Promise.all([start(), start()]);
  return apis;
}

async function statusOf(api: TestProcess | undefined, token: string, user_id = fresh("user")) {
  const wish = { sku: "a", qty: 1, user_id, idempotency_key: fresh("key") };
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  const body = JSON.stringify(wish);
  return (await send(String(api?.url), { path: "/holds/reserve", headers, body })).status;
}

/** How many of ASKED at once, half of each process, were let through; the others were refused for a limit. */
async function letThrough(ask: (api: TestProcess | undefined) => Promise<number>) {
  const asking = Array.from({ length: ASKED }, (_, i) => ask(apis[i % apis.length]));
  const statuses = await Promise.all(asking);
  expect(statuses.filter((status) => status !== 201 && status !== 429)).toEqual([]);
  return statuses.filter((status) => status === 201).length;
}

describe("two API processes", () => {
  test("let through no more than one caller, and one customer, may send", async () => {
    await startTwo({ RATE_LIMIT_PER_CALLER: "0.01:40", RATE_LIMIT_PER_CUSTOMER: "0.01:25" });
    const of_spent = await letThrough((api) => statusOf(api, spent));
    expect(of_spent).toBeLessThanOrEqual(40 + UNASKED);
    expect(await statusOf(apis[0], other)).toBe(201);
    const customer = fresh("user");
    const of_customer = await letThrough((api) => statusOf(api, other, customer));
    expect(of_customer).toBeLessThanOrEqual(25 + UNASKED);
    expect(Math.min(of_spent, of_customer)).toBeGreaterThan(0);
  });

  test("have another limit after a restart: then burst, what came in, and a tenth of a second each", async () => {
    const [per_second, burst] = [100, 60];
    await startTwo({ RATE_LIMIT_PER_CALLER: `${per_second}:${burst}` });
    const began = performance.now();
    const count = await letThrough((api) => statusOf(api, spent));
    const came_in = (per_second * (performance.now() - began)) / 1000;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThanOrEqual(burst + Math.ceil(came_in) + 2 * (per_second / 10) + UNASKED);
  });
});
