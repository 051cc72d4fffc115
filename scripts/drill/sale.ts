import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../src/now.ts";

/** Shoppers who are there at the same time; others wait outside. After an outage all of them ask at once. */
const INSIDE_MAX = 200;

/** Times are ms since 1970, as in the journal. */
export type Sale = {
  opened_at: number;
  /** When the last shopper came, and when the last one had left. */
  last_came_at: number;
  closed_at: number;
  came: number;
};

/**
 * Lets them come until the sale's time is over, and returns when the last one has left.
 * @param count how many are to come, one after the other
 * @param next when one comes, after the opening, and what happens then
 */
export async function holdSale(
  { opened_at, seconds }: { opened_at: number; seconds: number },
  count: number,
  next: (number: number) => { comes_at_ms: number; shop: () => Promise<void> },
): Promise<Sale> {
  const closes_at = opened_at + seconds * 1000;
  const inside = new Set<Promise<void>>();
  let came = 0;
  for (; came < count; came += 1) {
    const { comes_at_ms, shop } = next(came);
    const early_ms = opened_at + comes_at_ms - monotonicNow();
    if (early_ms > 0) await sleep(early_ms);
    while (inside.size >= INSIDE_MAX) await Promise.race(inside);
    if (monotonicNow() > closes_at) break;
    const shopping = shop().finally(() => inside.delete(shopping));
    inside.add(shopping);
  }
  const last_came_at = monotonicNow();
  await Promise.all(inside);
  return { opened_at, last_came_at, closed_at: monotonicNow(), came };
}

/** Two sales at the same time, taken together. */
export const together = (one: Sale, other: Sale): Sale => ({
  opened_at: Math.min(one.opened_at, other.opened_at),
  last_came_at: Math.max(one.last_came_at, other.last_came_at),
  closed_at: Math.max(one.closed_at, other.closed_at),
  came: one.came + other.came,
});
