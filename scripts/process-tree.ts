import { readdir, readFile } from "node:fs/promises";
import { isNativeError } from "node:util/types";
import { run } from "./run.ts";

/** A process and everything below it: Postgres is one process for each of its connections. */
export async function treeOf(pid: number): Promise<number[]> {
  const children = Map.groupBy(await readProcesses(), ({ parent }) => parent);
  const tree = [pid];
  // It grows while we go through it.
  for (const parent of tree) tree.push(...(children.get(parent) ?? []).map(({ pid }) => pid));
  return tree;
}

/** Sends a signal to those that are still there. */
export function signalAll(pids: Iterable<number>, signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (!(isNativeError(error) && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}

async function readProcesses(): Promise<{ pid: number; parent: number }[]> {
  if (process.platform !== "linux") {
    const { stdout } = await run("ps", ["-A", "-o", "pid=,ppid="]);
    const lines = stdout.trim().split("\n");
    return lines.map((line) => {
      const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
      return { pid, parent };
    });
  }
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
  return Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ""); // it may just have ended
      // The second field is the program's name in brackets and may hold anything, hence the last bracket.
      const [, parent] = line.slice(line.lastIndexOf(")") + 2).split(" ");
      return { pid, parent: Number(parent ?? 0) };
    }),
  );
}
