import "./node-version.ts";
import cluster from "node:cluster";
import { type AuthSettings, readAuthSettings } from "./auth-settings.ts";
import { startProcesses } from "./cluster.ts";
import { createMetricsReader, sumMetrics } from "./cluster-metrics.ts";
import { type Config, readConfig } from "./config.ts";
import { createHealth, readLag } from "./health.ts";
import { createAccess } from "./http/access/access.ts";
import { createApp } from "./http/app.ts";
import { refuseEarly } from "./http/early-refusal.ts";
import { createLagReader } from "./http/lag.ts";
import { createRateLimits, ratesOf } from "./http/limits/rate-limits.ts";
import { messageClassesOf } from "./http/message-classes.ts";
import { answerSafely } from "./http/safe-answers.ts";
import { checkStays, createHttpServer, drain } from "./http/server.ts";
import { listenWidely } from "./listen.ts";
import { createLog, type Log } from "./log.ts";
import { createPool } from "./postgres/client.ts";
import { createLedger } from "./postgres/ledger.ts";
import { checkMigrations } from "./postgres/migrate.ts";
import { createBacklog } from "./redis/backlog.ts";
import { createBatcher } from "./redis/batcher.ts";
import { createRedis, untilReady } from "./redis/client.ts";
import { createClock } from "./redis/clock.ts";
import { createHeard } from "./redis/heard.ts";
import { createRecords } from "./redis/idempotency.ts";
import { createInventory } from "./redis/inventory.ts";
import { createKeys } from "./redis/keys.ts";
import { createPermits } from "./redis/permits.ts";
import { createRecorded } from "./redis/recorded.ts";
import { createReleases } from "./redis/releases.ts";
import { checkRights } from "./redis/rights.ts";
import { createRules } from "./redis/rules.ts";
import { createScripts } from "./redis/scripts.ts";
import { checkServer } from "./redis/server-check.ts";
import { createStock } from "./redis/stock.ts";
import { createStores } from "./redis/stores.ts";
import { createStream } from "./redis/stream.ts";
import { createWaiting } from "./redis/waiting.ts";
import { exitWithReason, stopOnSignals } from "./shutdown.ts";
import { startTracing, stopTracing } from "./tracing.ts";

async function main() {
  const config = readConfig();
  const auth = readAuthSettings(config);
  const log = createLog("api", config.LOG_LEVEL);
  if (config.API_PROCESSES === 1 || cluster.isWorker) return serve(config, auth, log);

  sumMetrics();
  const processes = await startProcesses(config.API_PROCESSES, log);
  stopOnSignals(log, [processes.stop]);
}

// An API process: clients → app → listen → stop.
async function serve(config: Config, auth: AuthSettings, log: Log) {
  await startTracing(config, "holdfast-api", (said) =>
    log.warn({ said }, "traces can't be delivered"),
  );
  const redis = createRedis(config.REDIS_URL, log);
  await untilReady(redis);
  await checkServer(redis, log);

  const default_store = config.DEFAULT_STORE;
  const keys = createKeys(default_store);
  await checkRights(redis, keys, "api");
  const clock = createClock();
  const stream = createStream(redis, keys);
  await clock.learnFrom(stream.now);
  const scripts = createScripts(redis, keys, log);
  await scripts.learn();
  const backlog = createBacklog({ redis, keys, limit: config.BACKLOG_LIMIT, log });
  await backlog.start();
  const batcher = createBatcher({
    call: scripts.call,
    keys,
    clock,
    queue_max: config.QUEUE_MAX,
    refusal: backlog.refusal,
  });
  const releases = createReleases(redis, keys);
  const jitter_ms_max = config.EXPIRY_JITTER_MS;
  const inventory = createInventory({ batcher, redis, keys, clock, releases, jitter_ms_max });
  const stores = createStores(redis, keys, default_store);
  const stock = createStock({ batcher, keys, stores, default_store });

  const rules = createRules({ batcher, redis, keys });
  const waiting = createWaiting({ batcher, redis, keys });

  const permits = createPermits({ redis, keys });
  const pool = createPool(config.DATABASE_URL, log);
  const ledger = createLedger(pool);
  const access = await createAccess(auth, { database_url: config.DATABASE_URL, log });
  const subscriber = createRedis(config.REDIS_URL, log);
  createHeard({ redis, subscriber, keys, scripts });
  const { lastSeq } = stream;
  const { readProgress } = ledger;
  const recorded = createRecorded({ subscriber, keys, lastSeq, readProgress });
  const compareSides = () => readLag({ ...stream, readProgress: ledger.readProgress });

  const checks = {
    running: () => checkStays(server),
    redis: () => stream.ping(),
    admission: () => scripts.checkAdmitted(),
    backlog: () => backlog.check(),
    postgres: () => ledger.ping(),
    migrations: () => checkMigrations(pool, { newer: "FINE" }),
    lag: async () => {
      const lag = await compareSides();
      if (lag.seconds > config.READY_LAG_SECONDS_MAX) {
        throw new Error(`Postgres is ${lag.seconds.toFixed(0)} s and ${lag.events} events behind`);
      }
    },
  };
  const health = createHealth(checks, cluster.worker && createMetricsReader(cluster.worker));

  const request_budget_ms = config.REQUEST_BUDGET_MS;
  const app = createApp({
    access,
    limits: createRateLimits({ permits, log, request_budget_ms, rates: ratesOf(config) }),
    inventory,
    stock,
    rules,
    releases,
    low_stock_units: config.LOW_STOCK_UNITS,
    waiting,
    stores,
    records: createRecords(redis, keys, scripts.generation),
    ledger,
    pool,
    readLag: createLagReader(compareSides, pool),
    lastSeq: stream.lastSeq,
    untilRecorded: recorded.wait,
    isAdmitted: scripts.isAdmitted,
    log,
    health,
    default_store,
    request_budget_ms,
    trust_proxy: config.TRUST_PROXY,
  });
  const { refusal } = batcher;
  const server = createHttpServer(
    answerSafely(refuseEarly(app, { refusal, request_budget_ms }), {
      cors_origins: config.CORS_ORIGINS,
    }),
    { classes: messageClassesOf(app) },
  );
  const listeners = await listenWidely(server, {
    port: config.PORT,
    host: config.HOST,
    variable: "PORT",
  });
  log.info({ url: `http://${config.HOST}:${config.PORT}` }, "the API is listening");

  stopOnSignals(log, [
    () => drain(server, listeners, config.STOP_NOTICE_MS),
    async () => scripts.stop(),
    async () => {
      backlog.stop();
      batcher.stop();
    },
    async () => {
      redis.disconnect();
      subscriber.disconnect();
    },
    () => pool.end(),
    async () => access?.stop(),
    stopTracing,
  ]);
}

main().catch(exitWithReason);
