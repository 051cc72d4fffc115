import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { createLog } from "../../src/log.ts";
import { createPool, type Pool } from "../../src/postgres/client.ts";
import { ask, askingWith, bearer } from "../http/access/callers.ts";
import { createApiKey, revokeApiKeys, rotateApiKey } from "../postgres/keys.ts";
import { startApi } from "../setup/api.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshPostgres, freshRedis } from "../setup/stack.ts";
import { runToEnd } from "./run-to-end.ts";

let redis: Awaited<ReturnType<typeof freshRedis>>;
let postgres: Awaited<ReturnType<typeof freshPostgres>>;
let processes: TestProcess[];
let apis: TestProcess[];
let pool: Pool;
beforeAll(async () => {
  [redis, postgres] = await Promise.all([freshRedis(), freshPostgres()]);
  const env = {
    REDIS_URL: redis.url,
    DATABASE_URL: postgres.url,
    AUTH: "keys",
    LOG_LEVEL: "debug",
  };
  pool = createPool(postgres.url, createLog("api", "silent"));
  const worker = await spawnWorker(env);
  apis = await Promise.all([spawnApi(env), spawnApi(env)]);
  processes = [worker, ...apis];
}, 120_000);
afterAll(async () => {
  await Promise.all(processes.map((child) => child.kill()));
  await pool.end();
  await Promise.all([redis.close(), postgres.close()]);
});

const statusAt = async ({ url }: TestProcess, token: string) =>
  (await ask(`${url}/v1/stores`, { headers: bearer(token) })).status;
const untilAll = (token: string, wanted: number) =>
  until(`both processes answer ${wanted}`, async () => {
    const statuses = await Promise.all(apis.map((api) => statusAt(api, token)));
    return statuses.every((status) => status === wanted) || undefined;
  });
const newKey = (name: string) =>
  createApiKey(pool, { name, roles: ["checkout"], customer: null, expires_in_ms: null });

test("a key that is made, and then revoked, is so for all processes", async () => {
  const { token } = await newKey("made");
  await untilAll(token, 200);
  await revokeApiKeys(pool, "made");
  await untilAll(token, 401);
});

test("a rotated key goes on beside the new one until its overlap ends", async () => {
  const { token: old } = await newKey("rotated");
  await untilAll(old, 200);
  const { token } = await rotateApiKey(pool, "rotated", 3_600_000);
  await untilAll(token, 200);
  await untilAll(old, 200);
  const { token: newest } = await rotateApiKey(pool, "rotated", 0);
  await untilAll(newest, 200);
  await untilAll(token, 401);
  await untilAll(old, 200); // its own overlap is not over
});

const GO_ON = "API keys can't be read: the known ones go on";
const output = () => apis.map((api) => api.output()).join("");

test("while Postgres is away the known keys go on, and who knows none says 503", async () => {
  const { token, key } = await newKey("outage");
  await untilAll(token, 200);
  await postgres.stop();
  const late = await startApi({
    redisUrl: redis.url,
    databaseUrl: postgres.url,
    admits: false,
    auth: { mode: "keys" },
  });
  try {
    for (const api of apis) {
      const { send } = askingWith(api.url, token);
      const wish = { sku: "tea", qty: 1, user_id: "ada" };
      expect((await send("POST", "/holds/reserve", wish)).body.code).toBe("UNKNOWN_SKU");
    }
    const { status, body } = await ask(`${late.url}/holds/reserve`, {
      method: "POST",
      headers: bearer(token),
    });
    expect([status, body.code]).toEqual([503, "STORE_UNAVAILABLE"]);
    expect((await ask(`${late.url}/health`)).status).toBe(200);
    await until("somebody tells of it", () => output().includes(GO_ON) || undefined);
    await postgres.start();
    await until("it has read them", async () => {
      const answer = await ask(`${late.url}/v1/stores`, { headers: bearer(token) });
      return answer.status === 200 || undefined;
    });
  } finally {
    await late.close();
  }
  expect(output()).toContain('"caller":"outage"');
  // All of it: a secret may have "_" in it, and what stands before that one may be nothing.
  expect(output()).not.toContain(token.slice(`hf_${key.key_id}_`.length));
  expect(output()).not.toContain(key.key_id);
});

test("the API does not start where others reach it and everybody may call", async () => {
  const { code, output } = await runToEnd("src/main.ts", {
    REDIS_URL: redis.url,
    DATABASE_URL: postgres.url,
    HOST: "0.0.0.0",
    PORT: String(await freePort()),
  });
  expect(output).toContain("Set AUTH to keys or oidc, or HOST to 127.0.0.1");
  expect(output).not.toMatch(/^ {4}at /m);
  expect(code).toBe(1);
});
