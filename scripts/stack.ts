import { join } from "node:path";
import { migrate } from "../src/postgres/migrate.ts";
import { startChild } from "./child.ts";
import { stockDemoOnce } from "./demo-stock.ts";
import { ensureRedisServer } from "./install-redis.ts";
import { startPostgres } from "./local-postgres.ts";
import { startRedis } from "./local-redis.ts";
import { untilReady } from "./ready.ts";
import { blame, say } from "./say.ts";
import { processEnvironment, type StackConfig, stackUrls } from "./stack-config.ts";
import { REPO_DIR, type StackFiles } from "./stack-files.ts";
import type { Running, Supervisor } from "./supervise.ts";

const DRAIN_MS_MAX = 12_000;

/**
 * Starts everything in the order in which one part needs another, and returns when all of it is ready.
 * The supervisor stops it in the reverse order.
 */
export async function bringUp(deps: {
  config: StackConfig;
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
  await blame("REDIS_URL", stockDemoOnce(urls.REDIS_URL, files.seeded));

  // biome-ignore lint/style/noProcessEnv: handed on as a whole; config.ts reads it on the other side
  const env = processEnvironment(config, process.env);
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
