import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { monotonicNow } from "../../src/now.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { type Child, startChild } from "../child.ts";
import { freePort } from "../free-port.ts";
import { startPostgres } from "../local-postgres.ts";
import { startRedis } from "../local-redis.ts";
import { signalAll, treeOf } from "../process-tree.ts";
import { untilReady } from "../ready.ts";
import { type PartName, REPO_DIR } from "../stack-files.ts";
import { createSupervisor, type Running } from "../supervise.ts";
import { until } from "../until.ts";

const DRAIN_MS_MAX = 12_000;
const UP_MS_MAX = 60_000;
const ANSWER_MS_MAX = 500;

export type Stack = Awaited<ReturnType<typeof startStack>>;

/**
 * A whole Holdfast of its own below `dir`, supervised as `scripts/up` does it: what dies is started again
 * after a second. `onDeath` hears of those that die.
 */
export async function startStack({
  dir,
  onDeath,
}: {
  dir: string;
  onDeath: (line: string) => void;
}) {
  // When root runs the drill, Postgres runs as somebody else, who must be able to enter.
  await chmod(dir, 0o755);
  const at = (name: string) => join(dir, name);
  const port = {
    redis: await freePort(),
    postgres: await freePort(),
    worker: await freePort(),
    api: await freePort(),
  };
  const redis_url = `redis://127.0.0.1:${port.redis}`;
  const database_url = `postgres://holdfast@127.0.0.1:${port.postgres}/holdfast`;
  const api_url = `http://127.0.0.1:${port.api}`;
  const worker_url = `http://127.0.0.1:${port.worker}`;

  const up = new Map<PartName, Running>();
  const frozen = new Set<number>();
  const api_freezes: { from: number; to: number }[] = [];
  const supervisor = createSupervisor({ say: onDeath, onStarted: () => {} });
  process.once("exit", thawAll); // who is stopped can't hear that it shall end

  const start = (name: PartName, begin: () => Promise<Running>) =>
    supervisor.start(name, async () => {
      const running = await begin();
      up.set(name, running);
      void running.exited.then(() => up.get(name) === running && up.delete(name));
      return running;
    });

  async function startProcess(main: string, url: string, env: Record<string, string>) {
    const child = await startChild({
      command: process.execPath,
      args: [main],
      cwd: REPO_DIR,
      env: {
        NODE_ENV: "production",
        REDIS_URL: redis_url,
        DATABASE_URL: database_url,
        WORKER_NAME: "drill",
        ...env,
      },
      logFile: at(main.startsWith("worker") ? "worker.log" : "api.log"),
      detached: true,
    });
    await untilListening(child, url);
    return { ...child, stop: () => child.stop("SIGTERM", DRAIN_MS_MAX) };
  }

  async function bringUp() {
    const logs = { redis: at("redis.log"), postgres: at("postgres.log") };
    const redis_at = { dir: at("redis"), port: port.redis, logFile: logs.redis, detached: true };
    await start("redis", () => startRedis(redis_at));
    const database_at = { ...redis_at, dir: at("postgres"), port: port.postgres };
    await start("postgres", () => startPostgres({ ...database_at, logFile: logs.postgres }));
    await migrate(database_url);
    const worker_log = await start("worker", () =>
      startProcess("worker/main.ts", worker_url, { WORKER_PORT: `${port.worker}` }),
    );
    const api_log = await start("api", () =>
      startProcess("src/main.ts", api_url, { PORT: `${port.api}` }),
    );
    await untilReady("worker", `${worker_url}/ready`, worker_log);
    await untilReady("api", `${api_url}/ready`, api_log);
  }

  /** Waits until the part runs, and answers. */
  const untilUp = (name: PartName) => until(`${name} is up`, () => up.get(name), UP_MS_MAX);

  /** Ends it as a crash of the machine would, without a word. Returns when it is gone. */
  async function kill(name: PartName): Promise<void> {
    const { pid, exited } = await untilUp(name);
    signalAll(await treeOf(pid), "SIGKILL");
    await exited;
  }

  /** Stops its time, until what it returns is called. */
  async function freeze(name: PartName): Promise<() => void> {
    const { pid } = await untilUp(name);
    const time = { from: monotonicNow(), to: Number.POSITIVE_INFINITY };
    if (name === "api") api_freezes.push(time);
    signalAll([pid], "SIGSTOP"); // first, or it would go on having children
    const pids = await treeOf(pid);
    signalAll(pids, "SIGSTOP");
    for (const one of pids) frozen.add(one);
    return () => {
      signalAll(pids.toReversed(), "SIGCONT");
      time.to = monotonicNow();
      for (const one of pids) frozen.delete(one);
    };
  }

  /** How much of the time between the two the API was frozen. */
  const apiFrozenMs = (from: number, to: number) =>
    api_freezes.reduce(
      (ms, time) => ms + Math.max(0, Math.min(to, time.to) - Math.max(from, time.from)),
      0,
    );

  function thawAll() {
    signalAll(frozen, "SIGCONT");
  }

  async function stop() {
    thawAll();
    process.off("exit", thawAll);
    await supervisor.stop();
  }

  /** One command to Redis, by a connection of its own: Redis may have died since the last one. */
  async function withRedis<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(redis_url, {
      protocol: 2,
      retryStrategy: () => null,
      lazyConnect: true,
    });
    redis.on("error", () => {}); // the call rejects with it
    try {
      await redis.connect();
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  }

  return {
    failed: supervisor.failed,
    api_url,
    database_url,
    bringUp,
    untilUp,
    kill,
    freeze,
    apiFrozenMs,
    withRedis,
    stop,
  };
}

/** When it listens it is up, whatever else it may be waiting for. */
async function untilListening(child: Child, url: string): Promise<void> {
  try {
    await until(
      `${url} answers`,
      async () => {
        if (child.hasExited()) throw new Error(await child.exited);
        const signal = AbortSignal.timeout(ANSWER_MS_MAX);
        return fetch(`${url}/health`, { signal }).then(
          () => true,
          () => undefined,
        );
      },
      UP_MS_MAX,
    );
  } catch (error) {
    await child.stop("SIGKILL", DRAIN_MS_MAX);
    const log = await child.lastLines();
    throw new Error(`it did not start: ${log.trimEnd()}`, { cause: error });
  }
}
