import { readdir, readFile } from "node:fs/promises";
import type { Redis } from "ioredis";
import { readMetrics } from "./metrics-page.ts";

// Linux tells programs 100 ticks a second, whatever its own clock does.
const TICKS_PER_SECOND = 100;

/** Seconds of CPU since the start; undefined where nobody tells. */
export type Cpu = Record<"api" | "redis" | "worker" | "postgres", number | undefined>;

/** A process of ours, by its own account. With several behind one port, all of them together. */
export async function cpuOfProcess(url: string): Promise<number> {
  const metrics = await readMetrics(url);
  return metrics.sum("process_cpu_seconds_total");
}

/** With the children that rewrite its file. */
export async function cpuOfRedis(redis: Redis): Promise<number> {
  const info = await redis.info("cpu");
  const fields = info.matchAll(/^used_cpu_(?:sys|user)(?:_children)?:([\d.]+)/gm);
  return [...fields].reduce((sum, [, seconds]) => sum + Number(seconds), 0);
}

/** The server and all its sessions, also those that have ended. Undefined where there is no /proc. */
export async function cpuOfPostgres(pid: number): Promise<number | undefined> {
  const processes = await readProcesses();
  const server = processes.find((process) => process.pid === pid);
  if (!server) return undefined;
  const sessions = processes.filter(({ parent }) => parent === pid);
  const own = [server, ...sessions].reduce((sum, { ticks }) => sum + ticks, 0);
  return (own + server.ended_children_ticks) / TICKS_PER_SECOND;
}

/** Microseconds for each of `count` requests between two readings. */
export function cpuPer(count: number, before: Cpu, after: Cpu) {
  const per = (part: keyof Cpu) => {
    const [from, to] = [before[part], after[part]];
    return from === undefined || to === undefined ? undefined : ((to - from) * 1e6) / count;
  };
  return {
    api_us: per("api"),
    redis_us: per("redis"),
    worker_us: per("worker"),
    postgres_us: per("postgres"),
  };
}

async function readProcesses() {
  const names = await readdir("/proc").catch(() => []);
  const pids = names.map(Number).filter((pid) => pid > 0);
  return Promise.all(
    pids.map(async (pid) => {
      // A process may end while we look.
      const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      // The second field is the program's name in brackets and may hold anything, hence the last bracket.
      const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
      const number = (index: number) => Number(fields[index] ?? 0);
      return {
        pid,
        parent: number(1),
        ticks: number(11) + number(12),
        ended_children_ticks: number(13) + number(14),
      };
    }),
  );
}
