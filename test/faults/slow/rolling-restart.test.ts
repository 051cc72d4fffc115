import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { freePort } from "../../../scripts/free-port.ts";
import { until } from "../../../scripts/until.ts";
import { fresh } from "../../http/shop.ts";
import { admitAt } from "../../setup/admit-at.ts";
import { spawnApi, type TestProcess } from "../../setup/processes.ts";
import { freshDatabase, freshRedis } from "../../setup/stack.ts";
import { startBalancer } from "../balancer.ts";

const TEST_MS_MAX = 60_000;
const CLIENTS = 24;
const UNITS = 1_000_000;

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let redis: Redis;
let ports: string[];
let apis: TestProcess[];
let balancer: Awaited<ReturnType<typeof startBalancer>>;
beforeAll(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  await admitAt(server.url);
  redis = new Redis(server.url);
  await redis.set("stock:a", UNITS);
  ports = [`${await freePort()}`, `${await freePort()}`];
  apis = await Promise.all(ports.map(start));
  balancer = await startBalancer(apis.map(({ url }) => url));
}, TEST_MS_MAX);
afterAll(async () => {
  await balancer?.close();
  for (const api of apis ?? []) await api.kill();
  redis?.disconnect();
  await Promise.all([server.close(), database.close()]);
}, TEST_MS_MAX);

const start = (PORT: string) =>
  spawnApi({
    REDIS_URL: server.url,
    DATABASE_URL: database.url,
    PORT,
    REQUEST_BUDGET_MS: "20000", // a busy machine is no failure
    STOP_NOTICE_MS: "3000", // the balancer asks 20 times a second
  });

test(
  "no request fails while the API processes are restarted one after the other under load",
  async () => {
    const outcomes = new Map<string, number>();
    let sold = 0;
    let over = false;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (!over) {
        const body = JSON.stringify({
          sku: "a",
          qty: 1,
          user_id: "u",
          idempotency_key: fresh("k"),
        });
        const headers = { "content-type": "application/json" };
        const answer = await fetch(`${balancer.url}/holds/reserve`, {
          method: "POST",
          body,
          headers,
        });
        const text = await answer.text();
        const outcome = answer.status === 201 ? "201" : `${answer.status} ${text}`;
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (answer.status === 201) sold += 1;
      }
    });
    async function goOn(count: number) {
      const enough = sold + count;
      await until("more is sold", () => sold >= enough || undefined);
    }

    for (const [i, port] of ports.entries()) {
      await goOn(200);
      const api = apis[i];
      api?.signal("SIGTERM");
      expect(await api?.ended).toEqual([0, null]);
      apis[i] = await start(port);
    }
    await goOn(200);
    over = true;
    await Promise.all(clients);

    expect(Object.fromEntries(outcomes)).toEqual({ 201: sold });
    expect(Number(await redis.get("stock:a"))).toBe(UNITS - sold);
  },
  TEST_MS_MAX,
);
