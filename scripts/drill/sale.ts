import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../src/now.ts";
import type { Asker } from "./ask.ts";
import type { Journal } from "./journal.ts";
import { shop } from "./shopper.ts";
import { type Offer, planShopper } from "./shopper-plan.ts";

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

/** Lets the shoppers come until the sale's time is over, and returns when the last one has left. */
export async function holdSale(deps: {
  seed: number;
  seconds: number;
  shoppers: number;
  offer: Offer;
  opened_at: number;
  asker: Asker;
  journal: Journal;
}): Promise<Sale> {
  const { seconds, shoppers, opened_at } = deps;
  const closes_at = opened_at + seconds * 1000;
  const inside = new Set<Promise<void>>();
  let came = 0;
  for (; came < shoppers; came += 1) {
    const plan = planShopper(came, deps);
    const early_ms = opened_at + plan.comes_at_ms - monotonicNow();
    if (early_ms > 0) await sleep(early_ms);
    while (inside.size >= INSIDE_MAX) await Promise.race(inside);
    if (monotonicNow() > closes_at) break;
    const shopping = shop(plan, deps).finally(() => inside.delete(shopping));
    inside.add(shopping);
  }
  const last_came_at = monotonicNow();
  await Promise.all(inside);
  return { opened_at, last_came_at, closed_at: monotonicNow(), came };
}
