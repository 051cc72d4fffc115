import "../src/node-version.ts";
import { createServer } from "node:http";
import { readConfig } from "../src/config.ts";
import { createHealth } from "../src/health.ts";
import { listen, SERVER_LIMITS } from "../src/listen.ts";
import { createLog } from "../src/log.ts";
import { openAdmission, readAdmission } from "../src/postgres/admission.ts";
import { forgetDeeds } from "../src/postgres/audit-log.ts";
import { openAudit } from "../src/postgres/auditing.ts";
import { createPool } from "../src/postgres/client.ts";
import { forgetEvents } from "../src/postgres/forgetting.ts";
import { createLedger } from "../src/postgres/ledger.ts";
import { checkMigrations } from "../src/postgres/migrate.ts";
import { forgetRecords } from "../src/postgres/once.ts";
import { rebuildChunk } from "../src/postgres/rebuilding.ts";
import { openRecording } from "../src/postgres/recording.ts";
import { createUnfulfilled } from "../src/postgres/unfulfilled.ts";
import { createAuditReader } from "../src/redis/audit-reader.ts";
import { createBacklog } from "../src/redis/backlog.ts";
import { createBatcher } from "../src/redis/batcher.ts";
import { createBlockingRedis, createRedis, untilReady } from "../src/redis/client.ts";
import { createClock } from "../src/redis/clock.ts";
import { createConsumer } from "../src/redis/consumer.ts";
import { createCounts } from "../src/redis/counts.ts";
import { dueHoldIds } from "../src/redis/deadlines.ts";
import { createHeard } from "../src/redis/heard.ts";
import { createHeldUnits } from "../src/redis/held-units.ts";
import { createInventory } from "../src/redis/inventory.ts";
import { createKeys } from "../src/redis/keys.ts";
import { createReleases } from "../src/redis/releases.ts";
import { createRestoring } from "../src/redis/restoring.ts";
import { checkRights } from "../src/redis/rights.ts";
import { createSaleAuditReader } from "../src/redis/sale-audit-reader.ts";
import { createScripts } from "../src/redis/scripts.ts";
import { checkServer } from "../src/redis/server-check.ts";
import { createStock } from "../src/redis/stock.ts";
import { createStopped } from "../src/redis/stopped.ts";
import { createStores } from "../src/redis/stores.ts";
import { createStream } from "../src/redis/stream.ts";
import { createWaiting } from "../src/redis/waiting.ts";
import { exitWithReason, stopOnSignals } from "../src/shutdown.ts";
import { startTracing, stopTracing } from "../src/tracing.ts";
import { createAdmitter } from "./admitter.ts";
import { createAuditor } from "./auditor.ts";
import { createCounter } from "./counter.ts";
import { createDriftStops } from "./drift-stops.ts";
import { createKeeper } from "./keeper.ts";
import { createLagMeter } from "./lag-meter.ts";
import { startLoop } from "./loop.ts";
import { createPartitionMaker } from "./partition-maker.ts";
import { createPaymentMeter } from "./payment-meter.ts";
import { createPruner } from "./pruner.ts";
import { createRebuilder } from "./rebuilder.ts";
import { BLOCK_MS, createRecorder } from "./recorder.ts";
import { createSweeper, SWEEP_MAX } from "./sweeper.ts";
import { createTrimmer } from "./trimmer.ts";
import { createWaiter } from "./waiter.ts";

const PARTITION = 0;
const DAY_MS = 86_400_000;
/** More than one sweep submits: here nobody is turned away. */
const SWEEPER_QUEUE_MAX = 2 * SWEEP_MAX;
/** Expiries in one call: reserves wait for so many, while others of the sweep wait for them. */
const SWEEPER_CALL_MAX = 50;

// The worker process: config → clients → agents → listen → stop.
async function main() {
  const config = readConfig();
  const log = createLog("worker", config.LOG_LEVEL);
  await startTracing(config, "holdfast-worker", (said) =>
    log.warn({ said }, "traces can't be delivered"),
  );

  const redis = createRedis(config.REDIS_URL, log);
  const blocking = createBlockingRedis(config.REDIS_URL, log, BLOCK_MS);
  const subscriber = createRedis(config.REDIS_URL, log);
  await Promise.all([redis, blocking, subscriber].map(untilReady));
  await checkServer(redis, log);

  const keys = createKeys(config.DEFAULT_STORE);
  await checkRights(redis, keys, "worker");
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
    queue_max: SWEEPER_QUEUE_MAX,
    batch_max: SWEEPER_CALL_MAX,
    refusal: backlog.refusal,
  });
  const inventory = createInventory({
    batcher,
    redis,
    keys,
    clock,
    releases: createReleases(redis, keys),
  });
  const stores = createStores(redis, keys, config.DEFAULT_STORE);
  const stock = createStock({ batcher, keys, stores, default_store: config.DEFAULT_STORE });
  const waiting = createWaiting({ batcher, redis, keys });
  const consumer = createConsumer(redis, blocking, keys, config.WORKER_NAME);

  const pool = createPool(config.DATABASE_URL, log);
  const ledger = createLedger(pool);

  const recorder = createRecorder({
    consumer,
    // An event must not be called bad because its table is not there yet.
    openRecording: async () => {
      await checkMigrations(pool, { newer: "REFUSED" });
      return openRecording(config.DATABASE_URL, PARTITION);
    },
    log,
  });
  const admitter = createAdmitter({
    scripts,
    restoring: createRestoring(redis, keys),
    heldUnits: createHeldUnits(redis, keys),
    keys,
    readAdmission: () => readAdmission(pool, PARTITION),
    openAdmission: async () => {
      await checkMigrations(pool, { newer: "REFUSED" });
      return openAdmission(config.DATABASE_URL, PARTITION);
    },
    askWhoHeard: createHeard({ redis, subscriber, keys, scripts }).ask,
    redisNow: stream.now,
    default_store: config.DEFAULT_STORE,
    recovery: config.RECOVERY,
    log,
  });
  const sweeper = createSweeper({
    inventory,
    redisNow: stream.now,
    dueHolds: (now, count) => dueHoldIds(redis, keys, now, count),
    log,
  });
  const trimmer = createTrimmer({
    stream,
    ledger,
    replay_window_ms: config.REPLAY_WINDOW_SECONDS * 1000,
    log,
  });
  const pruner = createPruner({
    stream,
    forgetEvents: (before_ms, count) => forgetEvents(pool, PARTITION, before_ms, count),
    forgetRecords: (before_ms, count) => forgetRecords(pool, before_ms, count),
    forgetDeeds: (before_ms, count) => forgetDeeds(pool, before_ms, count),
    kept_ms: config.EVENTS_KEPT_DAYS * DAY_MS,
    deeds_kept_ms: config.AUDIT_LOG_KEPT_DAYS * DAY_MS,
    log,
  });
  const rebuilder = createRebuilder({
    rebuildChunk: () => rebuildChunk(pool, config.DATABASE_URL),
    log,
  });
  const keeper = createKeeper({
    pool,
    stores,
    stock,
    redisNow: stream.now,
    default_store: config.DEFAULT_STORE,
    generation: scripts.generation,
    log,
  });
  const auditor = createAuditor({
    openAudit: async () => {
      await checkMigrations(pool, { newer: "REFUSED" });
      return openAudit(config.DATABASE_URL, PARTITION);
    },
    readStocks: createAuditReader(redis, keys),
    sales: createSaleAuditReader(redis, keys, config.DEFAULT_STORE),
    keepStops: createDriftStops({
      stopped: createStopped(redis, keys),
      pauses: config.AUDIT_PAUSES_SALES,
      redisNow: stream.now,
      log,
    }),
    log,
  });
  const loops = [
    admitter,
    recorder,
    sweeper,
    trimmer,
    pruner,
    rebuilder,
    keeper,
    auditor,
    createWaiter({ waiting, log }),
    createCounter({ pool, counts: createCounts({ batcher, redis, keys }) }),
    createLagMeter({ stream, ledger }),
    createPaymentMeter(createUnfulfilled(pool)),
    createPartitionMaker({ ledger, log }),
  ].map((agent) => startLoop(agent, log));

  const health = createHealth({
    redis: stream.ping,
    admission: scripts.checkAdmitted,
    backlog: backlog.check,
    postgres: ledger.ping,
    migrations: () => checkMigrations(pool, { newer: "REFUSED" }),
  });
  const server = createServer(SERVER_LIMITS, (req, res) => void health(req, res));
  await listen(server, { port: config.WORKER_PORT, host: config.HOST, variable: "WORKER_PORT" });
  log.info({ url: `http://${config.HOST}:${config.WORKER_PORT}/metrics` }, "the worker is running");

  stopOnSignals(log, [
    async () => {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
    admitter.close,
    recorder.close,
    auditor.close,
    async () => {
      server.close();
      server.closeAllConnections();
      scripts.stop();
      backlog.stop();
      batcher.stop();
      redis.disconnect();
      blocking.disconnect();
      subscriber.disconnect();
    },
    () => pool.end(),
    stopTracing,
  ]);
}

main().catch(exitWithReason);
