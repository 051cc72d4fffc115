import { newRequestId } from "../src/domain/ids.ts";
import type { Log } from "../src/log.ts";
import type { Inventory } from "../src/redis/inventory.ts";
import type { Agent } from "./loop.ts";
import { sweeperHolds, sweeperLateSeconds } from "./metrics.ts";

/** Bounds one script call: reserves wait for at most so many expiries. */
const BATCH_MAX = 100;
const IDLE_MS = 200;
const CALL_MS_MAX = 5_000;

/**
 * Ends holds whose deadline has passed. Any number of sweepers may run: the script looks again, so a hold
 * that another one ended, or that was confirmed meanwhile, is left alone.
 */
export function createSweeper({
  inventory,
  dueHolds,
  log,
}: {
  inventory: Inventory;
  dueHolds: (now: number, count: number) => Promise<{ hold_id: string; due_at: number }[]>;
  log: Log;
}): Agent {
  async function runOnce(): Promise<number> {
    const now = inventory.now();
    const due = await dueHolds(now, BATCH_MAX);
    const context = { request_id: newRequestId(), deadline: Date.now() + CALL_MS_MAX };
    // Submitted together, they go in one call.
    const outcomes = await Promise.all(
      due.map(({ hold_id }) => inventory.expireHold(hold_id, context)),
    );
    for (const [i, outcome] of outcomes.entries()) {
      const { hold_id = "", due_at = now } = due[i] ?? {};
      sweeperHolds.inc({ outcome });
      if (outcome === "EXPIRED") sweeperLateSeconds.observe(Math.max(0, now - due_at) / 1000);
      if (outcome === "HOLD_NOT_FOUND") {
        log.error({ hold_id }, "a deadline without a hold: its units may be missing");
      }
      if (outcome === "CORRUPT") {
        log.error({ hold_id }, "a due hold or its stock is corrupt; it is tried again in a minute");
      }
    }
    return due.length;
  }

  return { name: "sweeper", idle_ms: IDLE_MS, runOnce };
}
