import { until } from "../../scripts/until.ts";
import { createLog } from "../../src/log.ts";
import { type LedgerSide, openAdmission, readAdmission } from "../../src/postgres/admission.ts";
import { createPool } from "../../src/postgres/client.ts";
import { openRecording } from "../../src/postgres/recording.ts";
import { createBatcher } from "../../src/redis/batcher.ts";
import { createBlockingRedis, createRedis, untilReady } from "../../src/redis/client.ts";
import { createClock } from "../../src/redis/clock.ts";
import { createConsumer } from "../../src/redis/consumer.ts";
import { createCounts } from "../../src/redis/counts.ts";
import { createHeard, type Heard } from "../../src/redis/heard.ts";
import { createHeldUnits } from "../../src/redis/held-units.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { createRestoring, type Restoring } from "../../src/redis/restoring.ts";
import { createScripts } from "../../src/redis/scripts.ts";
import { createStream } from "../../src/redis/stream.ts";
import { createAdmitter } from "../../worker/admitter.ts";
import { createCounter } from "../../worker/counter.ts";
import { startLoop } from "../../worker/loop.ts";
import { BLOCK_MS, createRecorder } from "../../worker/recorder.ts";
import { keptLog } from "../worker/parts.ts";

const DEFAULT_STORE = "main";
const keys = createKeys(DEFAULT_STORE);

export type AdmitterOptions = {
  redisUrl: string;
  databaseUrl: string;
  recovery?: "auto" | "manual";
  /** Lets a test put a fault between the admitter and Redis. */
  changeRestoring?: (restoring: Restoring) => Restoring;
  /** Or between it and Postgres. */
  changeLedger?: (ledger: LedgerSide) => LedgerSide;
};

/** The admitter as the worker's main.ts builds it, to be run step by step. */
export async function openAdmitter({
  redisUrl,
  databaseUrl,
  recovery = "auto",
  changeRestoring = (restoring) => restoring,
  changeLedger = (ledger) => ledger,
}: AdmitterOptions) {
  const kept = keptLog();
  const redis = createRedis(redisUrl, kept.log);
  const subscriber = createRedis(redisUrl, kept.log);
  await Promise.all([untilReady(redis), untilReady(subscriber)]);
  const pool = createPool(databaseUrl, kept.log);
  const scripts = createScripts(redis, keys, kept.log);
  const heard = createHeard({ redis, subscriber, keys, scripts });
  const admitter = createAdmitter({
    scripts,
    restoring: changeRestoring(createRestoring(redis, keys)),
    heldUnits: createHeldUnits(redis, keys),
    keys,
    readAdmission: () => readAdmission(pool, 0),
    openAdmission: async () => {
      const ledger = await openAdmission(databaseUrl, 0);
      return ledger && changeLedger(ledger);
    },
    askWhoHeard: heard.ask,
    redisNow: createStream(redis, keys).now,
    default_store: DEFAULT_STORE,
    recovery,
    log: kept.log,
  });

  /** Ends as a killed process does: with its connections, and in the middle of whatever it did. */
  async function close() {
    await admitter.close();
    scripts.stop();
    redis.disconnect();
    subscriber.disconnect();
    await pool.end();
  }
  return { ...kept, ...admitter, scripts, heard, close };
}

/** Waits until who listens has heard all. @param seq of the newest event there is */
export const untilHeard = ({ ask }: { ask: () => Promise<Heard> }, seq: number) =>
  until("all is heard", async () => {
    const heard = await ask();
    return heard.all && heard.seq === seq ? true : undefined;
  });

export type TestWorker = Awaited<ReturnType<typeof startWorker>>;

/** A recorder and an admitter that run by themselves, as in a worker. */
export async function startWorker(options: AdmitterOptions & { name?: string }) {
  const { redisUrl, databaseUrl, name = "worker-1" } = options;
  const admitter = await openAdmitter(options);
  const redis = createRedis(redisUrl, admitter.log);
  const blocking = createBlockingRedis(redisUrl, admitter.log, BLOCK_MS);
  await Promise.all([untilReady(redis), untilReady(blocking)]);
  const recorder = createRecorder({
    consumer: createConsumer(redis, blocking, keys, name),
    openRecording: () => openRecording(databaseUrl, 0),
    log: admitter.log,
  });
  const { scripts } = admitter;
  const clock = createClock();
  const batcher = createBatcher({ call: scripts.call, keys, clock, queue_max: 100 });
  // What it says of a Redis that is away is not what these tests look for.
  const silent = createLog("worker", "silent");
  const pool = createPool(databaseUrl, silent);
  const counter = createCounter({ pool, counts: createCounts({ batcher, redis, keys }) });
  const loops = [
    ...[admitter, recorder].map((agent) => startLoop(agent, admitter.log)),
    startLoop(counter, silent),
  ];

  async function close() {
    await Promise.all(loops.map((loop) => loop.stop()));
    await recorder.close();
    batcher.stop();
    await pool.end();
    redis.disconnect();
    blocking.disconnect();
    await admitter.close();
  }
  const { log, lines, errors, warnings } = admitter;
  return { log, lines, errors, warnings, close };
}
