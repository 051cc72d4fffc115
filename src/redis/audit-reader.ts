import type { Redis } from "ioredis";
import type { Counts } from "../domain/audit.ts";
import type { Keys } from "./keys.ts";
import { isReply } from "./outcome.ts";

/** Stocks that are read in one step: Redis serves nobody else meanwhile. */
const STEP_MAX = 50;
const WHOLE_PATTERN = /^(0|[1-9]\d{0,14})$/; // as the scripts read a number

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
    const before = await readShared();
    const steps: Promise<(Counts | null)[]>[] = [];
    for (let first = 0; first < stocks.length; first += STEP_MAX) {
      steps.push(readStep(stocks.slice(first, first + STEP_MAX)));
    }
    const counts = (await Promise.all(steps)).flat();
    const { seq, generation } = await readShared();
    if (!generation || generation !== before.generation || seq === null) return null;
    return { seq, redis_generation: generation, counts };
  }

  async function readShared() {
    const [seq = null, generation = null] = await redis.mget(keys.seq, keys.generation);
    return { seq: whole(seq), generation: whole(generation) };
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
      const counts = { available: whole(available), held: whole(held), version: whole(version) };
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

// What is not there counts as 0, as in the scripts; what could not be read is undefined.
function whole(text: string | null | undefined): number | null {
  if (text === undefined) return null;
  if (text === null) return 0;
  return WHOLE_PATTERN.test(text) ? Number(text) : null;
}

const isWhole = (counts: Record<keyof Counts, number | null>): counts is Counts =>
  counts.available !== null && counts.held !== null && counts.version !== null;
