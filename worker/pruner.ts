import { IDEMPOTENCY_MS } from "../src/domain/limits.ts";
import type { Log } from "../src/log.ts";
import type { Stream } from "../src/redis/stream.ts";
import type { Agent } from "./loop.ts";
import { prunedEvents, prunedRecords } from "./metrics.ts";

const BATCH_MAX = 5_000;
const EVERY_MS = 60_000;
/** By how much the clock that dates an entry or a record may differ from those that date its event. */
const CLOCKS_APART_MS_MAX = 3_600_000;

/** Deletes at most `count` rows from before `before_ms`, oldest first. Returns how many. */
type Forget = (before_ms: number, count: number) => Promise<number>;

/**
 * Deletes what Postgres has of long ago. Of processed_events nothing whose entry the stream may still hold:
 * as long as it does, the entry may come again. Of idempotency_records nothing that still counts.
 */
export function createPruner({
  stream,
  forgetEvents,
  forgetRecords,
  forgetDeeds,
  kept_ms,
  deeds_kept_ms,
  log,
}: {
  stream: Stream;
  forgetEvents: Forget;
  forgetRecords: Forget;
  forgetDeeds: Forget;
  /** How long events are kept. */
  kept_ms: number;
  /** How long it is kept who did what. */
  deeds_kept_ms: number;
  log: Log;
}): Agent {
  async function runOnce(): Promise<number> {
    const [now, oldest] = await Promise.all([stream.now(), stream.oldestAfter("0-0")]);
    const events_before = Math.min(now - kept_ms, (oldest ?? now) - CLOCKS_APART_MS_MAX);
    const events = await forgetEvents(events_before, BATCH_MAX);
    prunedEvents.inc(events);
    const records = await forgetRecords(now - IDEMPOTENCY_MS - CLOCKS_APART_MS_MAX, BATCH_MAX);
    prunedRecords.inc(records);
    const deeds = await forgetDeeds(now - deeds_kept_ms, BATCH_MAX);
    const count = events + records + deeds;
    if (count > 0) log.debug({ events, records, deeds }, "pruned");
    return count;
  }

  return { name: "pruner", idle_ms: EVERY_MS, runOnce };
}
