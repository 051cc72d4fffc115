import { mkdir, readFile, realpath } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { type Child, startChild } from "./child.ts";
import { isRunning, workingDirOf } from "./pids.ts";
import { until } from "./until.ts";

export type LocalRedis = Pick<Child, "pid" | "exited" | "kill" | "lastLines"> & {
  url: string;
  port: number;
  stop(): Promise<void>;
};

// Redis replies only after the write is synced to its file: a unit that was promised survives a power cut.
const SETTINGS = [
  ["--bind", "127.0.0.1"],
  ["--appendonly", "yes"],
  ["--appendfsync", "always"],
  ["--no-appendfsync-on-rewrite", "no"],
  ["--aof-load-truncated", "yes"],
  ["--maxmemory-policy", "noeviction"],
  ["--save", ""],
  ["--daemonize", "no"],
].flat();
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;

/**
 * Starts a Redis on 127.0.0.1 that keeps its data in `dir`, and returns when it answers. Its log goes
 * to `logFile`, by default beside `dir`. Throws with the end of that log when it does not come up.
 */
export async function startRedis(options: {
  dir: string;
  port: number;
  logFile?: string;
  extraArgs?: string[];
  detached?: boolean;
}): Promise<LocalRedis> {
  const { dir, port, logFile = `${dir}.log`, extraArgs = [], detached = false } = options;
  await mkdir(dir, { recursive: true });
  const pidFile = join(dir, "redis.pid");
  await refuseSecondServer(dir, pidFile);
  const child = await startChild({
    command: "redis-server",
    args: ["--port", `${port}`, "--dir", dir, "--pidfile", pidFile, ...SETTINGS, ...extraArgs],
    cwd: dir,
    logFile,
    detached,
  });
  try {
    await until(`Redis answers on port ${port}`, () => answers(child, port), READY_MS_MAX);
  } catch (error) {
    await child.stop("SIGKILL", STOP_MS_MAX);
    throw new Error(`Redis did not start (${logFile}):\n${await child.lastLines()}`, {
      cause: error,
    });
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    exited: child.exited,
    kill: child.kill,
    lastLines: child.lastLines,
    stop: () => child.stop("SIGTERM", STOP_MS_MAX),
  };
}

// Redis does not lock its directory, and two servers appending to one file ruin it.
async function refuseSecondServer(dir: string, pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, "utf8").catch(() => ""));
  if (!(pid > 0) || !(await isRunning(pid, "redis-server"))) return;
  // The pid may be another Redis by now. Each works in its data; where that is not told, better refuse.
  const home = await workingDirOf(pid);
  if (home !== undefined && home !== (await realpath(dir))) return;
  throw new Error(`A Redis of an earlier run (pid ${pid}) still uses ${dir}`);
}

// Somebody else's Redis on the same port would answer PING as well, hence the look at its pid.
async function answers(child: Child, port: number): Promise<true | undefined> {
  if (child.hasExited()) throw new Error(`Redis ended with ${await child.exited}`);
  const reply = await askRedis(port, "PING\r\nINFO server\r\n");
  return reply.startsWith("+PONG") && reply.includes(`process_id:${child.pid}\r`)
    ? true
    : undefined;
}

/** Sends raw inline commands and returns what arrives until `QUIT` closes the line, "" if nobody listens. */
function askRedis(port: number, commands: string): Promise<string> {
  return new Promise((resolve) => {
    let reply = "";
    const socket = connect({ host: "127.0.0.1", port });
    socket.setTimeout(1_000, () => socket.destroy());
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${commands}QUIT\r\n`));
    socket.on("data", (part) => {
      reply += part;
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(reply));
  });
}
