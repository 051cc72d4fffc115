import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { identity, type User } from "./run.ts";
import { tail } from "./tail.ts";

/** A process that we started and that goes on until it is stopped. */
export type Child = {
  pid: number;
  /** Resolves when the process is gone, however that came about, to "SIGKILL" or "exit code 1". */
  exited: Promise<string>;
  hasExited(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** Sends the signal, waits, and kills what is still there after `ms_max`. */
  stop(signal: NodeJS.Signals, msMax: number): Promise<void>;
  /** The end of what it wrote to its log since it was started. */
  lastLines(): Promise<string>;
};

const alive = new Set<Child>();

/**
 * Starts a command. Its output goes to the end of `logFile`, or where ours goes without one.
 * `detached` puts it into a session of its own, so that a terminal's Ctrl-C does not reach it.
 */
export async function startChild(options: {
  command: string;
  args: string[];
  cwd: string;
  env?: NodeJS.ProcessEnv;
  user?: User | undefined;
  logFile?: string | undefined;
  detached?: boolean;
}): Promise<Child> {
  const { command, args, cwd, env, user, logFile, detached = false } = options;
  const log = logFile === undefined ? undefined : await open(logFile, "a");
  try {
    const logStart = log === undefined ? 0 : (await log.stat()).size;
    const output = log === undefined ? "inherit" : log.fd;
    const spawned = spawn(command, args, {
      cwd,
      stdio: ["ignore", output, output],
      detached,
      ...(env === undefined ? {} : { env }),
      ...identity(user),
    });
    const exited = new Promise<string>((resolve) => {
      spawned.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    await once(spawned, "spawn");
    if (spawned.pid === undefined) throw new Error(`${command} started without a pid`);
    const child: Child = {
      pid: spawned.pid,
      exited,
      hasExited: () => spawned.exitCode !== null || spawned.signalCode !== null,
      kill: (signal) => void spawned.kill(signal),
      async stop(signal, msMax) {
        spawned.kill(signal);
        const impatience = setTimeout(() => spawned.kill("SIGKILL"), msMax);
        await exited;
        clearTimeout(impatience);
      },
      lastLines: () => (logFile === undefined ? Promise.resolve("") : tail(logFile, logStart)),
    };
    alive.add(child);
    void exited.then(() => alive.delete(child));
    return child;
  } finally {
    await log?.close();
  }
}

/** Sends a signal to every child that is still there, for when there is no time to wait. */
export function signalAllChildren(signal: NodeJS.Signals): void {
  for (const child of alive) child.kill(signal);
}
