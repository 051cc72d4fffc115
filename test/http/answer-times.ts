import type { Server, ServerResponse } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

const RESOLUTION_MS = 10;

/**
 * Begins to look how long this process does not come to its timers. A busy machine may stop it for a second,
 * in which it can answer nobody. Returns what tells the longest such time.
 */
export function longestTurn(): () => Promise<number> {
  const turns = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  turns.enable();
  return async () => {
    await sleep(2 * RESOLUTION_MS); // so that the last one is counted
    turns.disable();
    return turns.max / 1e6;
  };
}

/**
 * Begins to measure how long a server keeps its requests, from when each has come until its answer has left.
 * Hundreds at once are seconds of work for a client in the same process, and its time is not the API's.
 * Returns what tells the longest.
 */
export function longestAnswer(server: Server): () => number {
  let longest_ms = 0;
  const watch = (_: unknown, res: ServerResponse) => {
    const came = performance.now();
    res.once("finish", () => {
      longest_ms = Math.max(longest_ms, performance.now() - came);
    });
  };
  server.prependListener("request", watch);
  return () => {
    server.off("request", watch);
    return longest_ms;
  };
}
