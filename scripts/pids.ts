import { readFile, readlink } from "node:fs/promises";
import { isNativeError } from "node:util/types";
import { run } from "./run.ts";
import { until } from "./until.ts";

// Everybody must see the same date, whatever their language and time zone.
const PS_ENVIRONMENT = { PATH: "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" };

/** Like `stopProcess`, for the process that runs with this pid now, if its command line holds `mark`. */
export async function stopByPid(
  pid: number,
  mark: string,
  signal: NodeJS.Signals,
  msMax: number,
): Promise<boolean> {
  const started = await startOf(pid);
  if (started === undefined || !(await isRunning(pid, mark))) return false;
  return stopProcess({ pid, started }, signal, msMax);
}

/**
 * Stops a process, and kills it when it is still there after `ms_max`. Another one that got its pid since
 * `started` is not touched. Returns whether there was something to stop.
 */
export async function stopProcess(
  { pid, started }: { pid: number; started: string },
  signal: NodeJS.Signals,
  msMax: number,
): Promise<boolean> {
  const isGone = async () => ((await startOf(pid)) === started ? undefined : true);
  if (await isGone()) return false;
  signalIfThere(pid, signal);
  try {
    await until(`process ${pid} ends`, isGone, msMax);
  } catch {
    signalIfThere(pid, "SIGKILL");
    await until(`process ${pid} ends`, isGone, msMax);
  }
  return true;
}

/**
 * Whether process `pid` runs and its command line holds `mark`. A pid read from a file may belong to
 * somebody else by now, and a process that only waits to be collected by its parent runs no more.
 */
export async function isRunning(pid: number, mark: string): Promise<boolean> {
  return (await commandOf(pid)).includes(mark);
}

/**
 * When process `pid` started, undefined if it does not run. Together with the pid it names one process
 * for ever: a command line does not, another checkout's looks the same. Only good for comparing.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") {
    const args = ["-o", "stat=,lstart=", "-p", `${pid}`];
    const { stdout } = await run("ps", args, { env: PS_ENVIRONMENT });
    const [, state, started] = /^\s*(\S+)\s+(.*\S)/.exec(stdout) ?? [];
    return state?.startsWith("Z") ? undefined : started;
  }
  const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the program's name in brackets and may hold anything, hence the last bracket.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const [state, ticks] = [fields[0], fields[19]];
  if (ticks === undefined || state === "Z" || state === "X") return undefined;
  // Ticks count from the machine's start: the same pid may start at the same tick after the next one.
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${ticks}@${boot.trim()}`;
}

/** The directory in which process `pid` works, undefined where the system does not tell. */
export async function workingDirOf(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/cwd`).catch(() => undefined);
}

// Between looking and signalling it may have ended by itself, which is all that was wanted.
function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(isNativeError(error) && "code" in error && error.code === "ESRCH")) throw error;
  }
}

// /proc first: a small Debian image comes without `ps`.
async function commandOf(pid: number): Promise<string> {
  if (process.platform === "linux") {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return line.replaceAll("\0", " ");
  }
  return (await run("ps", ["-o", "command=", "-p", `${pid}`])).stdout;
}
