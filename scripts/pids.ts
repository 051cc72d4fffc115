import { readFile } from "node:fs/promises";
import { run } from "./run.ts";
import { until } from "./until.ts";

/**
 * Whether process `pid` runs and its command line holds `mark`. A pid read from a file may belong to
 * somebody else by now, and a process that only waits to be collected by its parent runs no more.
 */
export async function isRunning(pid: number, mark: string): Promise<boolean> {
  return (await commandOf(pid)).includes(mark);
}

/**
 * Stops process `pid` if it is the one we mean, and kills it when it is still there after `ms_max`.
 * Returns whether there was something to stop.
 */
export async function stopByPid(
  pid: number,
  mark: string,
  signal: NodeJS.Signals,
  msMax: number,
): Promise<boolean> {
  const isGone = async () => ((await isRunning(pid, mark)) ? undefined : true);
  if (await isGone()) return false;
  process.kill(pid, signal);
  try {
    await until(`process ${pid} ends`, isGone, msMax);
  } catch {
    process.kill(pid, "SIGKILL");
    await until(`process ${pid} ends`, isGone, msMax);
  }
  return true;
}

// /proc first: a small Debian image comes without `ps`.
async function commandOf(pid: number): Promise<string> {
  if (process.platform === "linux") {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return line.replaceAll("\0", " ");
  }
  return (await run("ps", ["-o", "command=", "-p", `${pid}`])).stdout;
}
