import { setTimeout as sleep } from "node:timers/promises";
import { type Child, signalAllChildren } from "./child.ts";
import type { PartName } from "./stack-files.ts";

/** A part of the stack that runs now. */
export type Running = Pick<Child, "pid" | "exited"> & {
  stop(): Promise<void>;
  lastLines(): Promise<string>;
};

export type Supervisor = ReturnType<typeof createSupervisor>;
type Part = { name: PartName; start: () => Promise<Running>; current: Promise<Running> };

const RESTART_AFTER_MS = 1_000;
const DEATHS_MAX = 5;
const DEATHS_WITHIN_MS = 30_000;

/**
 * Keeps the parts of the stack running. One that dies is started again a second later, until it has
 * died five times within 30 s: then `failed` rejects. `onStarted` hears every new pid.
 */
export function createSupervisor(deps: {
  say: (line: string) => void;
  onStarted: (name: PartName, pid: number) => void | Promise<void>;
}) {
  const parts: Part[] = [];
  const failure = Promise.withResolvers<never>();
  // Whoever stops before anything failed never looks at this promise, which is no failure by itself.
  failure.promise.catch(() => undefined);
  let stopping = false;

  // The parts live in sessions of their own: without this a crash of ours would leave them behind.
  process.on("exit", () => signalAllChildren("SIGTERM"));

  return {
    failed: failure.promise,

    /**
     * Starts a part and watches over it from then on. Throws when it does not come up at all.
     * Returns how to read the end of its log.
     */
    async start(name: PartName, start: Part["start"]): Promise<() => Promise<string>> {
      if (stopping) throw new Error(`${name} is not started any more`);
      const part = { name, start, current: begin(name, start) };
      parts.push(part);
      await part.current;
      watch(part).catch(failure.reject);
      return async () => (await part.current).lastLines();
    },

    /** Stops every part, the last one started first. */
    async stop(): Promise<void> {
      stopping = true;
      for (const part of parts.toReversed()) {
        // A part that is just starting is waited for, or it would be left behind.
        const running = await part.current.catch(() => undefined);
        await running?.stop();
      }
    },
  };

  async function watch(part: Part): Promise<void> {
    const deaths: number[] = [];
    for (;;) {
      const cause = await endOf(part);
      if (stopping) return;
      deaths.push(performance.now());
      const first = deaths.at(-DEATHS_MAX);
      if (first !== undefined && performance.now() - first < DEATHS_WITHIN_MS) {
        throw new Error(`${part.name} died ${DEATHS_MAX} times within 30 s, last: ${cause}`);
      }
      deps.say(`${part.name} died and is started again (${cause.split("\n")[0]})`);
      await sleep(RESTART_AFTER_MS);
      if (stopping) return;
      part.current = begin(part.name, part.start);
    }
  }

  async function begin(name: PartName, start: Part["start"]): Promise<Running> {
    const running = await start();
    try {
      await deps.onStarted(name, running.pid);
    } catch (error) {
      // The process runs, so this must not count as its death.
      failure.reject(error);
    }
    return running;
  }

  // Not coming up again is a death like any other.
  async function endOf(part: Part): Promise<string> {
    try {
      const running = await part.current;
      const cause = await running.exited;
      return `${cause}\n${await running.lastLines()}`.trimEnd();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
