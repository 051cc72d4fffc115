import type { Disagreement, Drift } from "./audit.ts";
import { UNITS_MAX } from "./limits.ts";

export type Repair = {
  /** Units that an adjustment would have to add, so that Redis has on hand what the ledger says. */
  delta: number | null;
  /** What somebody who looks at it can do. */
  advice: string;
};

const ADVICE: Record<Drift, string> = {
  CORRUPT:
    "No adjustment can read it. Set the keys right with redis-cli: SET stock:..., and HSET item:... held and version, as the ledger has them.",
  LEDGER_SUM:
    "Redis is not what is wrong, so no adjustment helps. POST /v1/projections/rebuild writes the level anew from the movements. If it stays, a movement is gone that was there.",
  CONSERVATION:
    "Redis is not what is wrong, so no adjustment helps. A movement has units come from nowhere or go nowhere: look at the movements.",
  REDIS_AHEAD:
    "Replay the dead letters first, if there are some (POST /v1/dlt/replay). When the events are lost for good, count what is there. The adjustment is right if that is what the ledger says; else POST /v1/items:set-absolute with what was counted. Either brings both sides together.",
  REDIS_BEHIND:
    "An adjustment would come under a version that the ledger has already. Stop selling it, and set the keys with redis-cli as the ledger has them: SET stock:..., and HSET item:... held and version.",
  HELD: "No adjustment changes what is held. Set the field with redis-cli to what the ledger says: HSET item:... held.",
  CHANGED_OUTSIDE:
    "If it was meant, nothing is to be done: the stock's next event explains it as EXTERNAL. The adjustment takes it back.",
};

/** Never made by itself: an operator decides. */
export function proposeRepair({ kind, ledger, redis }: Disagreement): Repair {
  const advice = ADVICE[kind];
  if (!redis || (kind !== "CHANGED_OUTSIDE" && kind !== "REDIS_AHEAD")) {
    return { delta: null, advice };
  }
  const delta = ledger.available + ledger.held - redis.available - redis.held;
  if (delta === 0) {
    return {
      delta: null,
      advice: `${advice} On hand is the same on both sides, so none is proposed.`,
    };
  }
  if (redis.available + delta < 0 || Math.abs(delta) > UNITS_MAX) {
    return {
      delta: null,
      advice: `${advice} Here an adjustment would be refused, so none is proposed.`,
    };
  }
  return { delta, advice };
}
