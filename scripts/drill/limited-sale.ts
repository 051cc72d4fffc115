import { createClient } from "../../src/client/client.ts";
import type { Stack } from "./stack.ts";

/** The rules of a thing that is sold by rules. Times are ms since 1970. */
export type Limits = {
  units: number;
  opens_at: number;
  max_per_customer: number;
  max_active_holds: number;
  hold_seconds: number;
  max_hold_seconds: number;
  max_extensions: number;
  /** What a customer returns may be bought again. */
  returns_free: boolean;
};

/** The things that are sold by rules, in the order in which their sales open. */
export type LimitedSale = Map<string, Limits>;

const UNITS_EACH = 10;
/** Of the time until the next one opens: so long its customers come in vain. */
const EARLY = 0.2;
// Short, so that many deadlines pass while something is away.
const TIMES = { hold_seconds: 2, max_hold_seconds: 6, max_extensions: 2 };
const COUNTS = { max_per_customer: 2, max_active_holds: 1 };

/** A part of the units is sold by rules, to a part of those who come. */
const UNITS_SHARE = 1 / 5;
const CUSTOMERS_SHARE = 1 / 10;
/** Who waits, or pays late, is there for so long after the last one came. */
const LEAVING_MS = 6_000;
const LEAVING_SHARE_MAX = 0.4;

/** How the units, the shoppers and the time of a drill are shared. */
export function shareLimited({
  units,
  shoppers,
  seconds,
}: {
  units: number;
  shoppers: number;
  seconds: number;
}) {
  const ms = seconds * 1000;
  const by_rules = Math.floor(units * UNITS_SHARE);
  return {
    units: by_rules,
    customers: by_rules > 0 ? Math.floor(shoppers * CUSTOMERS_SHARE) : 0,
    /** Customers come for so long. */
    ms: ms - Math.min(LEAVING_MS, ms * LEAVING_SHARE_MAX),
  };
}

/**
 * So many units, of things that open one after the other while customers come. Of some, whoever returns one
 * may buy another.
 */
export function planLimitedSale(units: number, ms: number, opened_at: number): LimitedSale {
  const things = Math.ceil(units / UNITS_EACH);
  const each = Math.floor(units / things);
  return new Map(
    Array.from({ length: things }, (_, i) => [
      `limited-${String(i + 1).padStart(2, "0")}`,
      {
        units: each + (i < units % things ? 1 : 0),
        opens_at: Math.round(opened_at + ((i + EARLY) * ms) / things),
        ...{ ...TIMES, ...COUNTS, returns_free: i % 2 === 0 },
      },
    ]),
  );
}

/** How many units there are of each. */
export const unitsOf = (sale: LimitedSale) =>
  new Map([...sale].map(([sku, { units }]) => [sku, units]));

/** Tells the system of the rules. */
export async function setRules(
  { api_url }: Pick<Stack, "api_url">,
  sale: LimitedSale,
): Promise<void> {
  const { rules } = createClient({ url: api_url });
  const put = [...sale].map(([sku, limits]) =>
    rules.set(
      sku,
      {
        opensAt: new Date(limits.opens_at).toISOString(),
        maxPerCustomer: limits.max_per_customer,
        maxActiveHolds: limits.max_active_holds,
        holdSeconds: limits.hold_seconds,
        maxHoldSeconds: limits.max_hold_seconds,
        maxExtensions: limits.max_extensions,
        returnsFree: limits.returns_free,
      },
      { idempotencyKey: `drill-rules-${sku}` },
    ),
  );
  await Promise.all(put);
}
