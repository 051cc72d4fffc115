import type { Log } from "../src/log.ts";
import type { Stream } from "../src/redis/stream.ts";
import type { Agent } from "./loop.ts";
import { prunedEvents } from "./metrics.ts";

const BATCH_MAX = 5_000;
const EVERY_MS = 60_000;
/** By how much the clock that dates an entry may differ from those that date its event. */
const CLOCKS_APART_MS_MAX = 3_600_000;

/**
 * Deletes what processed_events has of long ago, and nothing whose entry the stream may still hold: as long
 * as it does, the entry may come again.
 */
export function createPruner({
  stream,
  forget,
  kept_ms,
  log,
}: {
  stream: Stream;
  /** Deletes at most `count` events from before `before_ms`, oldest first. Returns how many. */
  forget: (before_ms: number, count: number) => Promise<number>;
  kept_ms: number;
  log: Log;
}): Agent {
  async function runOnce(): Promise<number> {
    const [now, oldest] = await Promise.all([stream.now(), stream.oldestAfter("0-0")]);
    const before_ms = Math.min(now - kept_ms, (oldest ?? now) - CLOCKS_APART_MS_MAX);
    const pruned = await forget(before_ms, BATCH_MAX);
    prunedEvents.inc(pruned);
    if (pruned > 0) log.debug({ pruned, before_ms }, "pruned processed_events");
    return pruned;
  }

  return { name: "pruner", idle_ms: EVERY_MS, runOnce };
}
