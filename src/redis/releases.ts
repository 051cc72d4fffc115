import type { Redis } from "ioredis";
import { stockOf } from "../domain/batch-plan.ts";
import { parseLines } from "../domain/hold.ts";
import { monotonicNow } from "../now.ts";
import { within } from "../within.ts";
import type { Keys } from "./keys.ts";

/** How many deadlines are looked at, beginning with the next one. */
const HOLDS_MAX = 1_000;
/** How long what was seen is good enough. */
const KEPT_MS = 500;
/** A refusal is not held up for what it may do without. */
const WAIT_MS_MAX = 500;

export type Releases = ReturnType<typeof createReleases>;
type Seen = { at: number; by_stock: Map<string, number>; others: number | null };

/**
 * When units that are held may come back. All callers share one look at the next deadlines: twice a second
 * or, when a hold is younger than that, one at a time; and that only while somebody asks.
 */
export function createReleases(redis: Redis, keys: Keys) {
  let seen: Seen | undefined;
  let looking: Promise<Seen> | undefined;

  /**
   * The earliest time, in ms, at which a hold of one of these stocks ends if nobody ends it before; when
   * none is among the next thousand, the time before which none does. Null when nothing is known.
   */
  async function earliest(stocks: { sku: string; store_id: string }[]): Promise<number | null> {
    const known = timesOf(stocks, await look(KEPT_MS));
    // A hold that is younger than what was seen is not in it.
    const times = known.length > 0 ? known : timesOf(stocks, await look(0));
    return times.length > 0 ? Math.min(...times) : null;
  }

  async function look(age_ms_max: number): Promise<Seen | undefined> {
    if (seen && monotonicNow() - seen.at < age_ms_max) return seen;
    looking ??= read().finally(() => {
      looking = undefined;
    });
    return within(WAIT_MS_MAX, looking).catch(() => undefined);
  }

  async function read(): Promise<Seen> {
    const flat = await redis.zrange(keys.deadlines, "0", String(HOLDS_MAX - 1), "WITHSCORES");
    const pipeline = redis.pipeline();
    for (let i = 0; i < flat.length; i += 2) pipeline.hget(keys.hold(String(flat[i])), "lines");
    const replies = (await pipeline.exec()) ?? [];
    const by_stock = new Map<string, number>();
    let last = 0;
    for (const [i, [, lines]] of replies.entries()) {
      last = Number(flat[2 * i + 1]);
      for (const line of parseLines(String(lines ?? "")) ?? []) {
        const stock = stockOf(line);
        if (!by_stock.has(stock)) by_stock.set(stock, last);
      }
    }
    seen = { at: monotonicNow(), by_stock, others: replies.length === HOLDS_MAX ? last : null };
    return seen;
  }

  return { earliest };
}

function timesOf(stocks: { sku: string; store_id: string }[], seen: Seen | undefined): number[] {
  if (!seen) return [];
  return stocks.flatMap((stock) => seen.by_stock.get(stockOf(stock)) ?? seen.others ?? []);
}
