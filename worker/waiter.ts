import { newRequestId } from "../src/domain/ids.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import { CorruptKey } from "../src/redis/outcome.ts";
import type { Waiting } from "../src/redis/waiting.ts";
import type { Agent } from "./loop.ts";

const IDLE_MS = 500;
const CALL_MS_MAX = 5_000;

/**
 * Serves those who wait where no script has: units came by redis-cli, or more of them than one script serves.
 * Any number may run: the script looks again.
 */
export function createWaiter({ waiting, log }: { waiting: Waiting; log: Log }): Agent {
  let cursor = "0";

  // Returns how much there is to go on with, at once.
  async function runOnce(): Promise<number> {
    const found = await waiting.findOffers(cursor);
    cursor = found.cursor;
    const context = { request_id: newRequestId(), deadline: monotonicNow() + CALL_MS_MAX };
    // One after the other: each call takes as long as Redis may be kept from others.
    let left = 0;
    for (const stock of found.stocks) left += (await offer(stock, context)) ? 1 : 0;
    return left + (cursor === "0" ? 0 : 1);
  }

  async function offer(stock: string, context: { request_id: string; deadline: number }) {
    try {
      return await waiting.offerStock(stock, context);
    } catch (error) {
      if (!(error instanceof CorruptKey)) throw error;
      log.error({ stock, key: error.key }, "nobody who waits can be served: a key is corrupt");
      return false;
    }
  }

  return { name: "waiter", idle_ms: IDLE_MS, runOnce };
}
