import type { Pool } from "../postgres/client.ts";
import { readLedgerLag } from "../postgres/lag.ts";
import { within } from "../within.ts";
import { LedgerUnavailable } from "./problem.ts";

/** How far the ledger is behind what was decided, in ms. Rejects when nobody can say. */
export type LagReader = () => Promise<number>;

/** Redis tells in a ms, or is away. */
const REDIS_MS_MAX = 250;

/**
 * Asks Redis how far the ledger is behind. While Redis is away, the time since the recorder had last read all
 * there was: what was decided since then is not in the ledger, and nothing else is missing from it.
 * @param compare compares the two sides, as /ready does
 */
export function createLagReader(
  compare: () => Promise<{ seconds: number }>,
  pool: Pool,
): LagReader {
  return async () => {
    try {
      return (await within(REDIS_MS_MAX, compare())).seconds * 1000;
    } catch {
      // Not hidden: that Redis is away is told by /ready and by every other call.
      const lag_ms = await readLedgerLag(pool);
      if (lag_ms === null) throw new LedgerUnavailable("Nothing was recorded yet.");
      return lag_ms;
    }
  };
}
