import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import pg from "pg";
import { migrate } from "../../src/postgres/migrate.ts";
import { admit } from "../admit.ts";
import { startChild } from "../child.ts";
import { freePort } from "../free-port.ts";
import { startPostgres } from "../local-postgres.ts";
import { startRedis } from "../local-redis.ts";
import { untilReady } from "../ready.ts";
import { REPO_DIR } from "../stack-files.ts";
import { until } from "../until.ts";
import { type Cpu, cpuOfPostgres, cpuOfProcess, cpuOfRedis } from "./cpu.ts";
import type { Parts } from "./parts.ts";
import { untilAllRecorded } from "./recorded.ts";

const DRAIN_MS_MAX = 15_000;
const QUIET_MS_MAX = 30 * 60_000;
/** Requests that were cut off at a load's end are decided by then. */
const LAST_REQUESTS_MS = 300;
const BETWEEN_LOOKS_MS = 200;
const FRONT = "scripts/bench/front.ts";

/** What answers the requests: the API itself, or what it is compared with. */
export type Api = "HOLDFAST" | "ONE_BY_ONE" | "POSTGRES";

export type Stack = Awaited<ReturnType<typeof startStack>>;

/**
 * A Redis, a Postgres, a worker, an API and the route that does nothing, each a process of its own with
 * nothing but its defaults, below `dir` and on free ports. `parts` stops them.
 */
export async function startStack({ api, dir, parts }: { api: Api; dir: string; parts: Parts }) {
  await mkdir(dir, { recursive: true });
  // When root runs the benchmark, Postgres runs as somebody else, who must be able to enter.
  await chmod(dir, 0o755);
  await parts.start("its directory", async () => ({
    stop: () => rm(dir, { recursive: true, force: true }),
  }));
  const at = (name: string) => join(dir, name);
  const redis_server = await parts.start("redis", async () =>
    startRedis({ dir: at("redis"), port: await freePort(), detached: true }),
  );
  const postgres_server = await parts.start("postgres", async () =>
    startPostgres({
      dir: at("postgres"),
      port: await freePort(),
      detached: true,
      // Tells for each event when it was recorded. It costs a few bytes for each transaction.
      extraArgs: ["-c", "track_commit_timestamp=on"],
    }),
  );
  const [redis_url, database_url] = [redis_server.url, postgres_server.url];
  await migrate(database_url);

  const { redis } = await parts.start("a client of Redis", async () => {
    const client = new Redis(redis_url, { protocol: 2 });
    client.on("error", () => {}); // the call in flight, or the next one, rejects with it
    return { redis: client, stop: async () => client.disconnect() };
  });
  await admit(redis);
  const { postgres } = await parts.start("a client of Postgres", async () => {
    const client = new pg.Client({ connectionString: database_url });
    client.on("error", () => {}); // as above
    await client.connect();
    return { postgres: client, stop: () => client.end() };
  });

  async function startProcess(name: string, portName: "PORT" | "WORKER_PORT", args: string[]) {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const running = await parts.start(name, async () => {
      const child = await startChild({
        command: process.execPath,
        args,
        cwd: REPO_DIR,
        env: {
          NODE_ENV: "production",
          REDIS_URL: redis_url,
          DATABASE_URL: database_url,
          WORKER_NAME: "bench",
          [portName]: `${port}`,
        },
        logFile: at(`${name}.log`),
        detached: true,
      });
      return { ...child, stop: () => child.stop("SIGTERM", DRAIN_MS_MAX) };
    });
    await untilReady(name, `${url}/ready`, running.lastLines);
    return { url, stop: running.stop, lastLines: running.lastLines };
  }

  const startWorker = () => startProcess("worker", "WORKER_PORT", ["worker/main.ts"]);
  let worker: Awaited<ReturnType<typeof startWorker>> | undefined = await startWorker();
  const api_args = api === "HOLDFAST" ? ["src/main.ts"] : [FRONT, api];
  const api_process = await startProcess("api", "PORT", api_args);
  const noop_process = await startProcess("noop", "PORT", [FRONT, "NOOP"]);

  /** Waits until nothing is left to do of what was asked so far: all recorded, no file rewritten. */
  async function untilQuiet(onWait?: (missing: number) => void) {
    await sleep(LAST_REQUESTS_MS);
    await untilAllRecorded(redis, QUIET_MS_MAX, onWait);
    await until(
      "Redis has rewritten its file",
      async () => {
        const info = await redis.info("persistence");
        if (info.includes("aof_rewrite_in_progress:0")) return true;
        await sleep(BETWEEN_LOOKS_MS);
      },
      QUIET_MS_MAX,
    );
  }

  /** What each part has used so far, in seconds. */
  async function readCpu(): Promise<Cpu> {
    return {
      api: await cpuOfProcess(api_process.url),
      redis: await cpuOfRedis(redis),
      worker: worker && (await cpuOfProcess(worker.url)),
      postgres: await cpuOfPostgres(postgres_server.pid),
    };
  }

  return {
    redis,
    redis_url,
    postgres,
    database_url,
    api_url: api_process.url,
    noop_url: noop_process.url,
    lastLines: api_process.lastLines,
    untilQuiet,
    readCpu,
    stopWorker: async () => {
      await worker?.stop();
      worker = undefined;
    },
    startWorker: async () => {
      worker ??= await startWorker();
    },
  };
}
