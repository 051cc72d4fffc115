import { pino } from "pino";
import type { Metric } from "prom-client";
import { isDrained } from "../../scripts/bench/recorded.ts";
import { until } from "../../scripts/until.ts";
import { createPool } from "../../src/postgres/client.ts";
import { checkMigrations } from "../../src/postgres/migrate.ts";
import { openRecording, type Recording } from "../../src/postgres/recording.ts";
import { createBlockingRedis, createRedis, untilReady } from "../../src/redis/client.ts";
import { type Consumer, createConsumer } from "../../src/redis/consumer.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { BLOCK_MS, createRecorder } from "../../worker/recorder.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { emptyLedger } from "./query.ts";
import { openShop } from "./shop.ts";

type LogLine = Record<string, unknown> & { level: string; msg: string };

/** A log whose lines a test can look at. */
export function keptLog() {
  const lines: LogLine[] = [];
  const log = pino(
    { level: "debug", formatters: { level: (label) => ({ level: label }) } },
    { write: (line) => lines.push(JSON.parse(line)) },
  );
  const at = (level: string) => lines.filter((line) => line.level === level);
  return { log, lines, errors: () => at("error"), warnings: () => at("warn") };
}

/** The recorder as the worker's main.ts builds it, to be run batch by batch. */
export async function openRecorder({
  redisUrl,
  databaseUrl,
  name = "worker-1",
  change = (consumer) => consumer,
  changeRecording = (recording) => recording,
}: {
  redisUrl: string;
  databaseUrl: string;
  name?: string;
  /** Lets a test put a fault between the recorder and its real consumer. */
  change?: (consumer: Consumer) => Consumer;
  /** Or between it and Postgres. */
  changeRecording?: (recording: Recording) => Recording;
}) {
  const kept = keptLog();
  const redis = createRedis(redisUrl, kept.log);
  const blocking = createBlockingRedis(redisUrl, kept.log, BLOCK_MS);
  await Promise.all([untilReady(redis), untilReady(blocking)]);
  const pool = createPool(databaseUrl, kept.log);
  const recorder = createRecorder({
    consumer: change(createConsumer(redis, blocking, createKeys("main"), name)),
    openRecording: async () => {
      await checkMigrations(pool, { newer: "REFUSED" });
      const recording = await openRecording(databaseUrl, 0);
      return recording && changeRecording(recording);
    },
    log: kept.log,
  });

  /** Runs batches until the stream is drained. Faults rise. */
  async function drain(): Promise<void> {
    do await recorder.runOnce();
    while (!(await isDrained(redis)));
  }

  /** Does the same through faults, as the loop does. */
  const drainThroughFaults = () =>
    until("the recorder has drained the stream", () =>
      drain().then(
        () => true,
        () => undefined,
      ),
    );

  async function close() {
    await recorder.close();
    redis.disconnect();
    blocking.disconnect();
    await pool.end();
  }
  const { runOnce, close: closeRecording } = recorder;
  return { ...kept, runOnce, closeRecording, drain, drainThroughFaults, close };
}

/** An empty Redis and ledger, a shop with 1,000 units of tea, and the recorder. The test closes both. */
export async function openNewShop(redisUrl: string, databaseUrl: string) {
  await emptyLedger(databaseUrl);
  const shop = await openShop(redisUrl);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 1_000);
  return { shop, recorder: await openRecorder({ redisUrl, databaseUrl }) };
}

/** The sum of a counter's or gauge's values in this process, of those that carry all of `labels`. */
export async function metric(of: Metric, labels: Record<string, string> = {}): Promise<number> {
  const { values } = await of.get();
  return values
    .filter((value) =>
      Object.entries(labels).every(([name, label]) => Reflect.get(value.labels, name) === label),
    )
    .reduce((sum, { value }) => sum + value, 0);
}

/** A line of another process's /metrics, `holdfast_recorder_active` for example; 0 when it is not there. */
export async function metricOf(process: { url: string }, line: string): Promise<number> {
  const text = await (await fetch(`${process.url}/metrics`)).text();
  const found = text.split("\n").find((candidate) => candidate.startsWith(`${line} `));
  return found === undefined ? 0 : Number(found.slice(line.length));
}
