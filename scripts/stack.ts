import { join } from "node:path";
import type { UpConfig } from "../src/config.ts";
import { migrate } from "../src/postgres/migrate.ts";
import { startChild } from "./child.ts";
import { ensureRedisServer } from "./install-redis.ts";
import { startPostgres } from "./local-postgres.ts";
import { startRedis } from "./local-redis.ts";
import { untilReady } from "./ready.ts";
import { blame, say } from "./say.ts";
import { seedOnce } from "./seed.ts";
import { REPO_DIR, type StackFiles } from "./stack-files.ts";
import type { Running, Supervisor } from "./supervise.ts";

type Urls = ReturnType<typeof stackUrls>;

const DRAIN_MS_MAX = 12_000;

/** Where everything of a stack with these settings is found. */
export function stackUrls(config: UpConfig) {
  return {
    API_URL: `http://127.0.0.1:${config.PORT}`,
    WORKER_URL: `http://127.0.0.1:${config.WORKER_PORT}`,
    REDIS_URL: config.REDIS_URL ?? `redis://127.0.0.1:${config.REDIS_PORT}`,
    DATABASE_URL:
      config.DATABASE_URL ?? `postgres://holdfast@127.0.0.1:${config.POSTGRES_PORT}/holdfast`,
  };
}

/**
 * Starts everything in the order in which one part needs another, and returns when all of it is ready.
 * The supervisor stops it in the reverse order.
 */
export async function bringUp(deps: {
  config: UpConfig;
  files: StackFiles;
  supervisor: Supervisor;
  logTo: "TERMINAL" | "FILES";
}): Promise<void> {
  const { config, files, supervisor, logTo } = deps;
  const urls = stackUrls(config);
  if (config.REDIS_URL === undefined) {
    await ensureRedisServer(say);
    await supervisor.start("redis", () =>
      startRedis({
        dir: files.redis,
        port: config.REDIS_PORT,
        logFile: files.log("redis"),
        detached: true,
      }),
    );
  }
  if (config.DATABASE_URL === undefined) {
    await supervisor.start("postgres", () =>
      startPostgres({
        dir: files.postgres,
        port: config.POSTGRES_PORT,
        logFile: files.log("postgres"),
        detached: true,
      }),
    );
  }
  const { applied } = await blame("DATABASE_URL", migrate(urls.DATABASE_URL));
  if (applied.length > 0) say(`applied ${applied.join(", ")}`);
  await blame("REDIS_URL", seedOnce(urls.REDIS_URL, files.seeded));

  const env = processEnvironment(config, urls);
  const start = (name: "api" | "worker", main: string) =>
    supervisor.start(name, () =>
      startProcess(main, env, logTo === "FILES" ? files.log(name) : undefined),
    );
  const workerLog = await start("worker", "worker/main.ts");
  const apiLog = await start("api", "src/main.ts");
  await Promise.all([
    untilReady("worker", `${urls.WORKER_URL}/ready`, workerLog),
    untilReady("api", `${urls.API_URL}/ready`, apiLog),
  ]);
}

function processEnvironment(config: UpConfig, urls: Urls): NodeJS.ProcessEnv {
  return {
    HOST: "127.0.0.1",
    WORKER_NAME: "worker-1",
    // biome-ignore lint/style/noProcessEnv: handed on as a whole; config.ts reads it on the other side
    ...process.env,
    PORT: `${config.PORT}`,
    WORKER_PORT: `${config.WORKER_PORT}`,
    REDIS_URL: urls.REDIS_URL,
    DATABASE_URL: urls.DATABASE_URL,
  };
}

async function startProcess(
  main: string,
  env: NodeJS.ProcessEnv,
  logFile: string | undefined,
): Promise<Running> {
  const child = await startChild({
    command: process.execPath,
    args: [join(REPO_DIR, main)],
    cwd: REPO_DIR,
    env,
    logFile,
    detached: true,
  });
  return { ...child, stop: () => child.stop("SIGTERM", DRAIN_MS_MAX) };
}
