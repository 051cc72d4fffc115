import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../src/now.ts";
import type { Stack } from "./stack.ts";

/** What happened after Redis had lost its data. Times are ms since 1970, as in the journal. */
export type Readmission = {
  lost_at: number;
  /** The last time at which Redis was seen shut: nothing may have been decided between the two. */
  shut_until: number;
  /** When it was first seen open again; null when it never was. */
  admitted_at: number | null;
};

// Set last by whoever lets Redis in again, so it is gone as long as Redis is shut.
const GENERATION = "inventory.generation";
const BETWEEN_LOOKS_MS = 10;

/** Takes everything from Redis, and watches until it is let in again, or `over`. */
export async function emptyRedis(stack: Stack, over: AbortSignal): Promise<Readmission> {
  await stack.withRedis((redis) => redis.flushall());
  const lost_at = monotonicNow();
  const readmission: Readmission = { lost_at, shut_until: lost_at, admitted_at: null };
  void watch(stack, readmission, over);
  return readmission;
}

async function watch(stack: Stack, readmission: Readmission, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const looked_at = monotonicNow();
    // While Redis is away nobody knows, which is no proof of anything.
    const open = await stack.withRedis((redis) => redis.exists(GENERATION)).catch(() => undefined);
    if (open === 1) {
      readmission.admitted_at = monotonicNow();
      return;
    }
    if (open === 0) readmission.shut_until = looked_at;
    await sleep(BETWEEN_LOOKS_MS);
  }
}
