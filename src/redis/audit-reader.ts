import type { Redis } from "ioredis";
import type { Counts } from "../domain/audit.ts";
import { inSteps, readAtSeq, wholeIn } from "./audit-steps.ts";
import type { Keys } from "./keys.ts";
import { isReply } from "./outcome.ts";

export type StockName = { sku: string; store_id: string };
/** What Redis had of stocks before it was at `seq`, in their order; null for corrupt keys. */
export type SeenStocks = { seq: number; redis_generation: number; counts: (Counts | null)[] };

/**
 * Reads stocks for the audit, without scripts: those are an admission's. Each stock is read in one step, so
 * its counts belong together; the seq is read behind all of them, so no event they come from has a higher
 * one.
 */
export function createAuditReader(redis: Redis, keys: Keys) {
  /** Null while Redis is not admitted, or when it was admitted anew meanwhile. */
  async function readStocks(stocks: StockName[]): Promise<SeenStocks | null> {
    const seen = await readAtSeq(redis, keys, () => inSteps(stocks, readStep));
    if (!seen) return null;
    const { found: counts, ...at } = seen;
    return { ...at, counts };
  }

  async function readStep(stocks: StockName[]): Promise<(Counts | null)[]> {
    const step = redis.multi();
    for (const { sku, store_id } of stocks) {
      step.get(keys.stock(sku, store_id)).hmget(keys.item(sku, store_id), "held", "version");
    }
    const replies = (await step.exec()) ?? [];
    return stocks.map((_, i) => {
      const [available] = textsOf(replies[2 * i]) ?? [];
      const [held, version] = textsOf(replies[2 * i + 1]) ?? [];
      const counts = {
        available: wholeIn(available),
        held: wholeIn(held),
        version: wholeIn(version),
      };
      return isWhole(counts) ? counts : null;
    });
  }

  return readStocks;
}

// Null for a key of another type.
function textsOf(
  reply: [error: Error | null, result: unknown] | undefined,
): (string | null)[] | null {
  if (!reply) throw new Error("Redis left out a reply.");
  const [error, result] = reply;
  if (error && isReply(error, "WRONGTYPE")) return null;
  if (error) throw error;
  return [result].flat().map((text) => (typeof text === "string" ? text : null));
}

const isWhole = (counts: Record<keyof Counts, number | null>): counts is Counts =>
  counts.available !== null && counts.held !== null && counts.version !== null;
