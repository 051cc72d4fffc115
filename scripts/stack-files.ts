import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { UpConfig } from "../src/config.ts";
import { type EnvValues, formatEnv, readEnvFile, writeEnvFile } from "./env-file.ts";
import { isRunning } from "./pids.ts";

export const REPO_DIR = dirname(import.meta.dirname);

export type StackFiles = ReturnType<typeof stackFiles>;
export type PartName = "redis" | "postgres" | "worker" | "api";
type RunningPart = (typeof PARTS)[number] & { pid: number };

// In the order in which they are stopped; `mark` tells the process by its command line.
const PARTS = [
  { name: "up", mark: "scripts/up.ts", signal: "SIGTERM" },
  { name: "api", mark: "src/main.ts", signal: "SIGTERM" },
  { name: "worker", mark: "worker/main.ts", signal: "SIGTERM" },
  { name: "postgres", mark: "postgres", signal: "SIGINT" },
  { name: "redis", mark: "redis-server", signal: "SIGTERM" },
] as const;

/** The files below HOLDFAST_DATA. A relative one counts from the root of the repository. */
export function stackFiles(config: Pick<UpConfig, "HOLDFAST_DATA">) {
  const dir = resolve(REPO_DIR, config.HOLDFAST_DATA);
  return {
    dir,
    /** For people and scripts to source; there only while everything is ready. */
    env: join(dir, "env"),
    /** Every process as soon as it is started, so that a stack that was cut short can be stopped. */
    pids: join(dir, "pids"),
    seeded: join(dir, "seeded"),
    redis: join(dir, "redis"),
    postgres: join(dir, "postgres"),
    logs: join(dir, "log"),
    log: (name: PartName | "up") => join(dir, "log", `${name}.log`),
  };
}

/** What runs on these data now, each checked by its command line. */
export async function runningParts(files: StackFiles): Promise<RunningPart[]> {
  const pids = readEnvFile(files.pids);
  const running: RunningPart[] = [];
  for (const part of PARTS) {
    const pid = Number(pids[pidKey(part.name)]);
    if (pid > 0 && (await isRunning(pid, part.mark))) running.push({ ...part, pid });
  }
  return running;
}

/** Makes these data ours. Two stacks on the same data would ruin them, so only one can succeed. */
export async function claimData(files: StackFiles): Promise<void> {
  mkdirSync(files.logs, { recursive: true });
  const running = await runningParts(files);
  if (running.length > 0) throw new Error(describeRunning(running, files));
  releaseData(files);
  writeFileSync(files.pids, formatEnv({ [pidKey("up")]: process.pid }), { flag: "wx" });
}

/** Forgets what ran on these data. */
export function releaseData(files: StackFiles): void {
  rmSync(files.env, { force: true });
  rmSync(files.pids, { force: true });
}

/** Keeps `pids`, and from `announce` on also `env`, as the processes come and go. */
export function createRegister(files: StackFiles, urls: EnvValues) {
  const pids: EnvValues = { [pidKey("up")]: process.pid };
  let ready = false;
  function write() {
    writeEnvFile(files.pids, pids);
    if (ready) writeEnvFile(files.env, { ...urls, ...pids });
  }
  return {
    note(name: PartName, pid: number): void {
      pids[pidKey(name)] = pid;
      write();
    },
    announce(): void {
      ready = true;
      write();
    },
  };
}

/** Says that a stack runs on these data already, or that one was cut short. */
export function describeRunning(running: RunningPart[], files: StackFiles): string {
  const list = running.map(({ name, pid }) => `${name} ${pid}`).join(", ");
  if (running[0]?.name !== "up") {
    return `an earlier run was cut short and left processes (${list}). ./scripts/down stops them.`;
  }
  const { API_URL, WORKER_URL } = readEnvFile(files.env);
  const state =
    API_URL === undefined ? "starting" : `running: API ${API_URL}, worker ${WORKER_URL}`;
  return `already ${state} (${list}). ./scripts/down stops it.`;
}

function pidKey(name: PartName | "up"): string {
  return `${name.toUpperCase()}_PID`;
}
