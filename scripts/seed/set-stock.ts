import { setTimeout as sleep } from "node:timers/promises";
import { newRequestId } from "../../src/domain/ids.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { monotonicNow } from "../../src/now.ts";
import { CorruptKey, Overloaded, RedisFault } from "../../src/redis/outcome.ts";
import type { Stock } from "../../src/redis/stock.ts";
import type { CatalogueLine } from "./catalogue-line.ts";

const CALL_MS_MAX = 10_000;
const RETRY_MS = 250;
/** How long Redis may be away, or too busy, before the seeding ends. */
const PATIENCE_MS = 30_000;

export type Outcome = "SET" | "SET_BEFORE" | { problem: string };

/**
 * Returns what sets a stock to what a line says, once for its `key`, however often it is asked. While Redis
 * is away it waits. A stock that Redis refuses to touch is the line's problem.
 */
export function createStockSetter(stock: Stock) {
  const request_id = newRequestId();

  async function setStock(said: CatalogueLine, key: string): Promise<Outcome> {
    const { sku, store_id, units } = said;
    const give_up_at = monotonicNow() + PATIENCE_MS;
    for (;;) {
      try {
        const { replayed } = await stock.changeStock(
          { sku, store_id, operation: "COUNT", units, reason: "count", reference: key },
          { route: "seed", key, request: [sku, store_id, units] },
          { request_id, deadline: monotonicNow() + CALL_MS_MAX, actor: "seed" },
        );
        return replayed ? "SET_BEFORE" : "SET";
      } catch (error) {
        if (error instanceof Rejection) return { problem: error.detail };
        if (error instanceof CorruptKey) return { problem: error.message };
        const may_pass = error instanceof RedisFault || error instanceof Overloaded;
        if (!may_pass || monotonicNow() > give_up_at) throw error;
      }
      await sleep(RETRY_MS);
    }
  }

  return setStock;
}
