import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { freePort } from "../../scripts/free-port.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { PROCESSES, runToEnd } from "./run-to-end.ts";

let evicting: Awaited<ReturnType<typeof freshRedis>>;
let redis: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  [evicting, redis, database] = await Promise.all([
    freshRedis(["--maxmemory-policy", "allkeys-lru"]),
    freshRedis(),
    freshDatabase(),
  ]);
});
afterAll(() => Promise.all([evicting.close(), redis.close(), database.close()]));

const STACK = /^ {4}at /m;

describe.each(PROCESSES)("%s does not start", (file) => {
  const portName = file === "src/main.ts" ? "PORT" : "WORKER_PORT";

  test("with a Redis that may evict, and says how to mend it", async () => {
    const { code, output } = await runToEnd(file, {
      REDIS_URL: evicting.url,
      DATABASE_URL: database.url,
      [portName]: String(await freePort()),
    });
    expect(output).toContain("maxmemory-policy allkeys-lru");
    expect(output).toContain("redis-cli CONFIG SET maxmemory-policy noeviction");
    expect(output).not.toMatch(STACK);
    expect(code).toBe(1);
  });

  test("with bad settings, and names every one of them at once, but not what is in them", async () => {
    const { code, output } = await runToEnd(file, {
      REDIS_URL: "http://user:hunter2@localhost",
      DATABASE_URL: "mysql://user:hunter2@localhost/db",
      PORT: "99999",
      API_PROCESSES: "0",
      WORKER_PORT: "a",
      WORKER_NAME: "a b",
      LOG_LEVEL: "loud",
      DEFAULT_STORE: "a:b",
      REQUEST_BUDGET_MS: "99",
      QUEUE_MAX: "0",
      REPLAY_WINDOW_SECONDS: "-1",
      READY_LAG_SECONDS_MAX: "0.5",
    });
    const named = [...output.matchAll(/^ {2}([A-Z_]+): \S/gm)].map(([, name]) => name);
    expect([...new Set(named)].sort()).toEqual([
      "API_PROCESSES",
      "DATABASE_URL",
      "DEFAULT_STORE",
      "LOG_LEVEL",
      "PORT",
      "QUEUE_MAX",
      "READY_LAG_SECONDS_MAX",
      "REDIS_URL",
      "REPLAY_WINDOW_SECONDS",
      "REQUEST_BUDGET_MS",
      "WORKER_NAME",
      "WORKER_PORT",
    ]);
    expect(output).not.toContain("hunter2");
    expect(output).not.toMatch(STACK);
    expect(code).toBe(1);
  });

  test("without the settings that have no default, empty ones among them", async () => {
    const { code, output } = await runToEnd(file, { DATABASE_URL: "" });
    expect(output).toMatch(/^ {2}REDIS_URL: /m);
    expect(output).toMatch(/^ {2}DATABASE_URL: /m);
    expect(code).toBe(1);
  });

  test("on a port that is taken, and names the port and the setting that chooses it", async () => {
    const squatter = createServer().listen(0, "127.0.0.1");
    await once(squatter, "listening");
    const address = squatter.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    try {
      const { code, output } = await runToEnd(file, {
        REDIS_URL: redis.url,
        DATABASE_URL: database.url,
        [portName]: String(port),
      });
      expect(output).toContain(
        `Port ${port} on 127.0.0.1 is taken. Choose another one with ${portName}.`,
      );
      expect(output).not.toMatch(STACK);
      expect(code).toBe(1);
    } finally {
      squatter.close();
    }
  });
});
