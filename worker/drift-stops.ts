import type { Log } from "../src/log.ts";
import type { Stopped } from "../src/redis/stopped.ts";

/** Skus that are named in a line of the log; they are all counted. */
const NAMED_MAX = 20;

export type DriftStops = ReturnType<typeof createDriftStops>;

/**
 * Stops the sale of skus whose stock drifts, and lets it go on when it no longer does.
 * @param pauses the setting AUDIT_PAUSES_SALES: false takes back every such stop
 */
export function createDriftStops({
  stopped,
  pauses,
  redisNow,
  log,
}: {
  stopped: Stopped;
  pauses: boolean;
  redisNow: () => Promise<number>;
  log: Log;
}) {
  /** @param drifting every sku of which a drift is told. Redis may have lost some, so all are looked up. */
  async function keep(drifting: string[]): Promise<void> {
    const before = new Set(await stopped.list("DRIFT"));
    const wanted = new Set(pauses ? drifting : []);
    const added = [...wanted.difference(before)];
    const over = [...before.difference(wanted)];
    await stopped.resume(over);
    if (added.length > 0) await stopped.stop(added, "DRIFT", await redisNow());
    if (added.length > 0) log.error(named(added), "sales are stopped, since the stock drifts");
    if (over.length > 0) log.info(named(over), "sales go on: the stock drifts no more");
  }

  return keep;
}

const named = (skus: string[]) => ({ count: skus.length, skus: skus.slice(0, NAMED_MAX) });
