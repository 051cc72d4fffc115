import { earlierEntry } from "../src/domain/entry-id.ts";
import type { Log } from "../src/log.ts";
import type { Ledger } from "../src/postgres/ledger.ts";
import type { Stream } from "../src/redis/stream.ts";
import type { Agent } from "./loop.ts";
import { trimmedEntries } from "./metrics.ts";

const BATCH_MAX = 10_000;
const IDLE_MS = 2_000;
/** Of Redis's maxmemory. Below the part from which on nothing new is sold (src/redis/backlog.ts). */
const SCARCE_PART = 0.75;

/**
 * Cuts the stream behind what is recorded, and keeps a replay window: should Postgres come back from a
 * backup, the events since then are still there to be applied again. When memory is scarce the window is
 * given up: a sale needs it more.
 */
export function createTrimmer({
  stream,
  ledger,
  replay_window_ms,
  log,
}: {
  stream: Stream;
  ledger: Ledger;
  replay_window_ms: number;
  log: Log;
}): Agent {
  async function runOnce(): Promise<number> {
    const [{ applied_entry_id }, pending, now, memory] = await Promise.all([
      ledger.readProgress(),
      stream.oldestPending(),
      stream.now(),
      stream.memoryPart(),
    ]);
    // XTRIM looks at no group: it would cut what was never delivered. All three bounds are needed.
    const bounds = [applied_entry_id];
    if (memory < SCARCE_PART) bounds.push(`${now - replay_window_ms}-0`);
    if (pending) bounds.push(pending);
    const min_id = bounds.reduce(earlierEntry);
    const trimmed = await stream.trim(min_id, BATCH_MAX);
    trimmedEntries.inc(trimmed);
    if (trimmed > 0) log.debug({ trimmed, min_id }, "trimmed the stream");
    return trimmed;
  }

  return { name: "trimmer", idle_ms: IDLE_MS, runOnce };
}
