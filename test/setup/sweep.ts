import { readdir, readFile, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { stopByPid } from "../../scripts/pids.ts";

const STOP_MS_MAX = 10_000;

/** Stops the servers whose data lie in `dir` (as stack.ts lays them out) and removes it with them. */
export async function sweep(dir: string): Promise<void> {
  await stopServer(join(dir, "redis", "redis.pid"), "redis-server", "SIGTERM");
  await stopServer(join(dir, "postgres", "cluster", "postmaster.pid"), "postgres", "SIGINT");
  // For a user who cannot enter `dir`, Postgres keeps the data elsewhere and a link here.
  const data = await realpath(join(dir, "postgres")).catch(() => undefined);
  if (data !== undefined) await rm(data, { recursive: true, force: true });
  await rm(dir, { recursive: true, force: true });
}

/** The same for all that a run of tests has made in its directory. */
export async function sweepRun(dir: string): Promise<void> {
  const places = await readdir(dir, { withFileTypes: true });
  const left = places.filter((place) => place.isDirectory() && place.name !== "postgres");
  await Promise.all(left.map((place) => sweep(join(dir, place.name))));
  await sweep(dir);
}

// By pid file and not by handle: it may have been started in a test's process that is gone.
async function stopServer(pidFile: string, mark: string, signal: NodeJS.Signals): Promise<void> {
  const pid = Number.parseInt(await readFile(pidFile, "utf8").catch(() => ""), 10);
  if (pid > 0) await stopByPid(pid, mark, signal, STOP_MS_MAX);
}
