import { newRequestId } from "../src/domain/ids.ts";
import { monotonicNow } from "../src/now.ts";
import type { Pool } from "../src/postgres/client.ts";
import { forgetBases, readBases } from "../src/postgres/customer-bases.ts";
import type { Counts } from "../src/redis/counts.ts";
import type { Agent } from "./loop.ts";

const EVERY_MS = 250;
const CALL_MS_MAX = 5_000;
/** As many as lua/add_counts.lua takes. */
const BASES_MAX = 500;
const FORGET_EVERY_MS = 600_000;

/**
 * Tells Redis what customers had of a sku before they were counted, as the recorder has kept it. Redis counts
 * what comes and goes meanwhile, so the sum is exact whenever this comes. Any number of them may run.
 */
export function createCounter({ pool, counts }: { pool: Pool; counts: Counts }): Agent {
  let next_forgetting_at = 0;

  async function runOnce(): Promise<number> {
    const place = await counts.readPlace();
    const bases = await readBases(pool, place, BASES_MAX);
    if (bases.length > 0) {
      const context = { request_id: newRequestId(), deadline: monotonicNow() + CALL_MS_MAX };
      await counts.addBases(bases, context);
    } else if (monotonicNow() >= next_forgetting_at) {
      await forgetBases(pool, place);
      next_forgetting_at = monotonicNow() + FORGET_EVERY_MS;
    }
    return bases.length;
  }

  return { name: "counter", idle_ms: EVERY_MS, runOnce };
}
