import { earlierEntry } from "../src/domain/entry-id.ts";
import type { Log } from "../src/log.ts";
import type { Ledger } from "../src/postgres/ledger.ts";
import type { Stream } from "../src/redis/stream.ts";
import type { Agent } from "./loop.ts";
import { trimmedEntries } from "./metrics.ts";

const BATCH_MAX = 10_000;
const IDLE_MS = 10_000;

/**
 * Cuts the stream behind what is recorded, and keeps a replay window: should Postgres come back from a
 * backup, the events since then are still there to be applied again.
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
    const [{ applied_entry_id }, pending, now] = await Promise.all([
      ledger.readProgress(),
      stream.oldestPending(),
      stream.now(),
    ]);
    // XTRIM looks at no group: it would cut what was never delivered. All three bounds are needed.
    const bounds = [applied_entry_id, `${now - replay_window_ms}-0`];
    if (pending) bounds.push(pending);
    const min_id = bounds.reduce(earlierEntry);
    const trimmed = await stream.trim(min_id, BATCH_MAX);
    trimmedEntries.inc(trimmed);
    if (trimmed > 0) log.debug({ trimmed, min_id }, "trimmed the stream");
    return trimmed;
  }

  return { name: "trimmer", idle_ms: IDLE_MS, runOnce };
}
