import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { monotonicNow } from "../../src/now.ts";
import type { Stack } from "./stack.ts";

/** What happened after Redis had lost its data. Times are ms since 1970, as in the journal. */
export type Readmission = {
  lost_at: number;
  /** The last time at which Redis was seen shut: nothing may have been decided between the two. */
  shut_until: number;
  /** When it was first seen open again; null when it never was. */
  admitted_at: number | null;
  /** How many events are gone, by what the system says of it. Null when it says nothing. */
  reported_lost: number | null;
  /** It says that this is all, and not that it is so much at least. */
  reported_all: boolean;
};

// Set last by whoever lets Redis in again, so it is gone as long as Redis is shut.
const GENERATION = "inventory.generation";
const BETWEEN_LOOKS_MS = 10;
const ANSWER_MS_MAX = 2_000;

/** Takes everything from Redis, and watches until it is let in again, or `over`. */
export async function emptyRedis(stack: Stack, over: AbortSignal): Promise<Readmission> {
  await stack.withRedis((redis) => redis.flushall());
  const lost_at = monotonicNow();
  const readmission: Readmission = {
    lost_at,
    shut_until: lost_at,
    admitted_at: null,
    reported_lost: null,
    reported_all: false,
  };
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
      await readReport(stack.api_url, readmission, over);
      return;
    }
    if (open === 0) readmission.shut_until = looked_at;
    await sleep(BETWEEN_LOOKS_MS);
  }
}

// The API may be away just then, for what was done to it.
async function readReport(api_url: string, readmission: Readmission, over: AbortSignal) {
  while (!over.aborted && readmission.reported_lost === null) {
    const reported = await readLoss(api_url);
    readmission.reported_lost = reported?.events ?? null;
    readmission.reported_all = reported?.exact ?? false;
    await sleep(BETWEEN_LOOKS_MS);
  }
}

const recovery = z.object({
  report: z.object({ lost: z.object({ events: z.int(), exact: z.boolean() }) }),
});
type Loss = z.infer<typeof recovery>["report"]["lost"];

/** The events that the last recovery says are gone; null when it can't be asked, or says nothing. */
export async function readLoss(api_url: string): Promise<Loss | null> {
  try {
    const response = await fetch(`${api_url}/v1/recovery`, {
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    return recovery.parse(await response.json()).report.lost;
  } catch {
    return null;
  }
}
