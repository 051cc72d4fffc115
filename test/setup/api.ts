import type { AddressInfo } from "node:net";
import { freePort } from "../../scripts/free-port.ts";
import type { AuthSettings } from "../../src/auth-settings.ts";
import { createHealth, readLag } from "../../src/health.ts";
import { createAccess } from "../../src/http/access/access.ts";
import { createApp } from "../../src/http/app.ts";
import { refuseEarly } from "../../src/http/early-refusal.ts";
import { createLagReader } from "../../src/http/lag.ts";
import type { Rates } from "../../src/http/limits/limits.ts";
import { createRateLimits } from "../../src/http/limits/rate-limits.ts";
import { messageClassesOf } from "../../src/http/message-classes.ts";
import { answerSafely } from "../../src/http/safe-answers.ts";
import { createHttpServer, drain } from "../../src/http/server.ts";
import { listenWidely } from "../../src/listen.ts";
import { createPool } from "../../src/postgres/client.ts";
import { createLedger } from "../../src/postgres/ledger.ts";
import { createRedis } from "../../src/redis/client.ts";
import { createHeard } from "../../src/redis/heard.ts";
import { createPermits } from "../../src/redis/permits.ts";
import { createRecorded } from "../../src/redis/recorded.ts";
import { openDecidingSide } from "./deciding-side.ts";

/** The whole API in this process, on a Redis and a database the test owns. */
export async function startApi({
  redisUrl,
  databaseUrl,
  request_budget_ms = 2_000,
  queue_max = 4_096,
  backlog_limit = 1_000_000,
  admits = true,
  auth = { mode: "off" },
  rates = { caller: null, customer: null, address: null },
  trust_proxy,
  cors_origins = [],
}: {
  redisUrl: string;
  databaseUrl: string;
  request_budget_ms?: number;
  queue_max?: number;
  backlog_limit?: number;
  /** False leaves Redis as it is: then nothing is decided until somebody admits it. */
  admits?: boolean;
  /** Who may call: everybody, unless the test is about that. */
  auth?: AuthSettings;
  /** How many requests each may send: any number, unless the test is about that. */
  rates?: Rates;
  trust_proxy?: number;
  cors_origins?: string[];
}) {
  const deciding = await openDecidingSide(redisUrl, { queue_max, backlog_limit, admits });
  const pool = createPool(databaseUrl, deciding.log);
  const ledger = createLedger(pool);
  // The first connection takes its time on a busy machine, and no test is about that.
  await ledger.ping().catch(() => {});
  const subscriber = createRedis(redisUrl, deciding.log);
  const heard = createHeard({ ...deciding, subscriber });
  const { lastSeq } = deciding.stream;
  const { readProgress } = ledger;
  const compareSides = () => readLag({ ...deciding.stream, readProgress: ledger.readProgress });
  const access = await createAccess(auth, { database_url: databaseUrl, log: deciding.log });
  const permits = createPermits(deciding);
  const app = createApp({
    access,
    limits: createRateLimits({ permits, log: deciding.log, request_budget_ms, rates }),
    inventory: deciding.inventory,
    stock: deciding.stock,
    rules: deciding.rules,
    releases: deciding.releases,
    low_stock_units: 10,
    waiting: deciding.waiting,
    stores: deciding.stores,
    records: deciding.records,
    ledger,
    pool,
    readLag: createLagReader(compareSides, pool),
    lastSeq,
    untilRecorded: createRecorded({ subscriber, keys: deciding.keys, lastSeq, readProgress }).wait,
    isAdmitted: deciding.scripts.isAdmitted,
    log: deciding.log,
    health: createHealth({
      redis: deciding.stream.ping,
      admission: deciding.scripts.checkAdmitted,
      backlog: deciding.backlog.check,
      postgres: ledger.ping,
    }),
    default_store: "main",
    request_budget_ms,
    trust_proxy,
  });
  const { refusal } = deciding.batcher;
  const server = createHttpServer(
    answerSafely(refuseEarly(app, { refusal, request_budget_ms }), { cors_origins }),
    { classes: messageClassesOf(app) },
  );
  const address = { port: await freePort(), host: "127.0.0.1", variable: "PORT" };
  const listeners = await listenWidely(server, address);
  const { port } = server.address() as AddressInfo; // it listens on a port, not on a pipe
  async function close() {
    await drain(server, listeners);
    await deciding.close();
    subscriber.disconnect();
    await access?.stop();
    await pool.end();
  }
  return { ...deciding, heard, server, pool, ledger, port, url: `http://127.0.0.1:${port}`, close };
}

/** Posts JSON and returns status, headers and the parsed answer. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>; // every answer is an object
  return { status: response.status, headers: response.headers, body: answer };
}
