import type { Log } from "../src/log.ts";
import type { Chunk, Difference } from "../src/postgres/rebuilding.ts";
import type { Agent } from "./loop.ts";
import { rebuilderStocks } from "./metrics.ts";

const IDLE_MS = 1_000;
/** Differences that are named in a line of the log; they are all counted. */
const NAMED_MAX = 20;

/**
 * Rebuilds stock_levels from the movements when it was asked for, a chunk a run. Several may run: each chunk
 * counts once.
 * @param rebuildChunk does the next chunk; null when there is none to do
 */
export function createRebuilder({
  rebuildChunk,
  log,
}: {
  rebuildChunk: () => Promise<Chunk | null>;
  log: Log;
}): Agent {
  async function runOnce(): Promise<number> {
    const chunk = await rebuildChunk();
    if (!chunk) return 0;
    const { rebuild_id, stocks, differences, finished } = chunk;
    const corrected = differences.filter(({ outcome }) => outcome === "CORRECTED");
    const impossible = differences.filter(({ outcome }) => outcome === "IMPOSSIBLE");
    rebuilderStocks.inc({ outcome: "RIGHT" }, stocks - differences.length);
    rebuilderStocks.inc({ outcome: "CORRECTED" }, corrected.length);
    rebuilderStocks.inc({ outcome: "IMPOSSIBLE" }, impossible.length);
    if (corrected.length > 0) {
      log.warn({ rebuild_id, ...named(corrected) }, "levels differed from their movements");
    }
    if (impossible.length > 0) {
      log.error(
        { rebuild_id, ...named(impossible) },
        "movements add up to less than nothing: the levels were left as they are",
      );
    }
    if (finished) log.info({ rebuild_id }, "rebuilt stock_levels from the movements");
    return 1; // there may be another chunk, or another rebuild
  }

  return { name: "rebuilder", idle_ms: IDLE_MS, runOnce };
}

const named = (differences: Difference[]) => ({
  count: differences.length,
  stocks: differences.slice(0, NAMED_MAX),
});
