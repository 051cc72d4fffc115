import { dirname, join, resolve } from "node:path";
import type { UpConfig } from "../src/config.ts";
import { type EnvValues, readEnvFile, writeEnvFile } from "./env-file.ts";
import { startOf } from "./pids.ts";

export const REPO_DIR = dirname(import.meta.dirname);

export type StackFiles = ReturnType<typeof stackFiles>;
export type PartName = "redis" | "postgres" | "worker" | "api";
/** Which run of `up` the data belong to: its pid, and when it started, as the pid comes again. */
export type Claim = { UP_PID: string; UP_STARTED: string };
type RunningPart = (typeof PARTS)[number] & { pid: number; started: string };

// In the order in which they are stopped.
const PARTS = [
  { name: "up", signal: "SIGTERM" },
  { name: "api", signal: "SIGTERM" },
  { name: "worker", signal: "SIGTERM" },
  { name: "postgres", signal: "SIGINT" },
  { name: "redis", signal: "SIGTERM" },
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

/**
 * What runs on these data now, each told from a later process with its pid by when it started. With a
 * `claim` only what runs by it, and nothing of a stack that was started since.
 */
export async function runningParts(files: StackFiles, claim?: Claim): Promise<RunningPart[]> {
  const pids = readEnvFile(files.pids);
  if (claim !== undefined && !isSameClaim(claim, claimIn(pids))) return [];
  const running: RunningPart[] = [];
  for (const part of PARTS) {
    const pid = Number(pids[pidKey(part.name)]);
    const started = pids[startedKey(part.name)];
    if (!(pid > 0) || started === undefined || (await startOf(pid)) !== started) continue;
    running.push({ ...part, pid, started });
  }
  return running;
}

/** The claim that the lines of `pids` begin with, undefined if there are none. */
export function claimIn(pids: Record<string, string>): Claim | undefined {
  const { UP_PID, UP_STARTED } = pids;
  return UP_PID && UP_STARTED ? { UP_PID, UP_STARTED } : undefined;
}

/** Whether both are by the same run of `up`, or neither by any. */
export function isSameClaim(one: Claim | undefined, other: Claim | undefined): boolean {
  return one?.UP_PID === other?.UP_PID && one?.UP_STARTED === other?.UP_STARTED;
}

/** Keeps `pids`, and from `announce` on also `env`, as the processes come and go. */
export function createRegister(files: StackFiles, urls: EnvValues, claim: Claim) {
  const pids: EnvValues = { UP_PID: claim.UP_PID };
  const starts: EnvValues = { UP_STARTED: claim.UP_STARTED };
  let ready = false;
  function write() {
    writeEnvFile(files.pids, { ...pids, ...starts });
    if (ready) writeEnvFile(files.env, { ...urls, ...pids });
  }
  return {
    async note(name: PartName, pid: number): Promise<void> {
      const started = await startOf(pid);
      pids[pidKey(name)] = pid;
      // Without a start it is gone already, and soon noted anew.
      starts[startedKey(name)] = started ?? "";
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

function startedKey(name: PartName | "up"): string {
  return `${name.toUpperCase()}_STARTED`;
}
