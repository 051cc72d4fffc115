import { newRequestId } from "../src/domain/ids.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import type { Inventory } from "../src/redis/inventory.ts";
import { inSpan } from "../src/tracing.ts";
import type { Agent } from "./loop.ts";
import { sweeperHolds, sweeperLateSeconds } from "./metrics.ts";

/** How many due holds one sweep takes on. */
export const SWEEP_MAX = 1_000;
const IDLE_MS = 200;
const CALL_MS_MAX = 5_000;

/**
 * Ends holds whose deadline has passed. Any number of sweepers may run: the script looks again, so a hold
 * that another one ended, or that was confirmed meanwhile, is left alone.
 */
export function createSweeper({
  inventory,
  redisNow,
  dueHolds,
  log,
}: {
  inventory: Inventory;
  redisNow: () => Promise<number>;
  dueHolds: (now: number, count: number) => Promise<{ hold_id: string; due_at: number }[]>;
  log: Log;
}): Agent {
  async function runOnce(): Promise<number> {
    // Asked for, not estimated: as long as nothing is due no call corrects the estimate.
    const now = await redisNow();
    const due = await dueHolds(now, SWEEP_MAX);
    const context = { request_id: newRequestId(), deadline: monotonicNow() + CALL_MS_MAX };
    // Submitted together, they share calls. One that fails must not hide what became of the others.
    const expireAll = () =>
      Promise.allSettled(
        due.map(async ({ hold_id, due_at }) => {
          const outcome = await inventory.expireHold(hold_id, context);
          sweeperHolds.inc({ outcome });
          if (outcome === "EXPIRED") sweeperLateSeconds.observe(Math.max(0, now - due_at) / 1000);
          return { hold_id, outcome };
        }),
      );
    const attributes = { "holdfast.holds": due.length };
    const results = due.length > 0 ? await inSpan("expire holds", { attributes }, expireAll) : [];
    const failed = results.find((result) => result.status === "rejected");
    const done = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const idsOf = (word: string) =>
      done.filter(({ outcome }) => outcome === word).map(({ hold_id }) => hold_id);
    const missing = idsOf("HOLD_NOT_FOUND");
    const corrupt = idsOf("CORRUPT");
    if (missing.length > 0) {
      log.error({ hold_ids: missing }, "deadlines without a hold: their units may be missing");
    }
    if (corrupt.length > 0) {
      log.error({ hold_ids: corrupt }, "due holds or their stocks are corrupt; trying again later");
    }
    if (failed) throw failed.reason;
    return due.length - corrupt.length; // nothing but corrupt ones is a reason to pause
  }

  return { name: "sweeper", idle_ms: IDLE_MS, runOnce };
}
