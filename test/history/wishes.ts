import fc from "fast-check";
import { POLICIES } from "../../src/domain/stock.ts";
import type { Input } from "./operations.ts";

export const SKUS = ["tea", "milk", "jam"];
/** In the order in which a purchase looks at them. */
export const STORES = [
  { store_id: "main", rank: 0, available: 8 },
  { store_id: "north", rank: 1, available: 4 },
];
const TTL_SOON_MS = 150;
const TTL_MS = 600_000;
/** Who there is, and how many units of a sku each of them may have at first. */
const USERS = ["ann", "bob", "cyd"];
export const LIMIT = 60;

/**
 * What a client will do next, how long it waits for an answer, and how long it thinks before. When it is
 * `unlucky`, the replies of its connection are lost meanwhile; when it is `impatient`, it asks twice at once.
 */
export type Wish = {
  sku: string;
  does: Input["does"];
  store_id: string;
  quantity: number;
  units: number;
  ttl_ms: number;
  user: string;
  max: number;
  policy: (typeof POLICIES)[number];
  hold: number;
  wait_ms: number;
  think_ms: number;
  unlucky: boolean;
  impatient: boolean;
};

const wait_ms = fc.constantFrom(25, 40, 40, 3_000);
const oneInTen = fc.nat({ max: 9 }).map((n) => n === 0);
const does = fc.constantFrom<Input["does"][]>(
  ...(["reserve", "reserve", "reserve", "confirm", "confirm", "cancel", "adjust"] as const),
  ...(["count", "transfer", "purchase", "read stocks", "read stocks", "read hold"] as const),
  ...(["extend", "extend", "resize", "resize", "limit"] as const),
);
const wish: fc.Arbitrary<Wish> = fc.record({
  sku: fc.constantFrom(...SKUS),
  does,
  store_id: fc.constantFrom(...STORES.map(({ store_id }) => store_id)),
  quantity: fc.integer({ min: 1, max: 4 }),
  units: fc.integer({ min: -3, max: 3 }).filter((units) => units !== 0),
  ttl_ms: fc.constantFrom(TTL_SOON_MS, TTL_MS, TTL_MS),
  user: fc.constantFrom(...USERS),
  max: fc.constantFrom(8, LIMIT, LIMIT),
  policy: fc.constantFrom(...POLICIES),
  hold: fc.nat({ max: 5 }),
  wait_ms,
  think_ms: fc.nat({ max: 20 }),
  unlucky: oneInTen,
  impatient: oneInTen,
});

/**
 * What is done next to the connections of one process, and for how long, after a while of calm. Or to Redis:
 * shut, it decides nothing for anybody.
 */
export type Disturbance = {
  process: number;
  how: "cut" | "refuse" | "shut";
  calm_ms: number;
  ms: number;
};

const disturbance: fc.Arbitrary<Disturbance> = fc.record({
  process: fc.nat(),
  how: fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom<Disturbance["how"]>("cut", "refuse") },
    { weight: 1, arbitrary: fc.constant<Disturbance["how"]>("shut") },
  ),
  calm_ms: fc.integer({ min: 20, max: 80 }),
  ms: fc.integer({ min: 5, max: 40 }),
});

/** The same for the same seed. */
export const wishesOf = (seed: number, count: number): Wish[] =>
  fc.sample(fc.noBias(wish), { seed, numRuns: count });
export const disturbancesOf = (seed: number, count: number): Disturbance[] =>
  fc.sample(fc.noBias(disturbance), { seed, numRuns: count });

/** What the wish comes down to, given the holds that are known of its sku. */
export function inputOf(wish: Wish, key: string, hold_ids: string[]): Input {
  const { does, store_id, quantity, units, ttl_ms, policy, user, max } = wish;
  const hold = hold_ids.at(-1 - wish.hold) ?? hold_ids.at(-1);
  switch (does) {
    case "confirm":
    case "cancel":
    case "expire":
    case "read hold":
      return hold === undefined ? { does: "read stocks" } : { does, hold };
    case "extend":
      return hold === undefined ? { does: "read stocks" } : { does, key, hold, ttl_ms: 2 * ttl_ms };
    case "resize":
      return hold === undefined
        ? { does: "read stocks" }
        : { does, key, hold, quantity: 2 * quantity - 2 };
    case "limit":
      return { does, key, max };
    case "reserve":
      return { does, key, store_id, quantity, ttl_ms, user };
    case "adjust":
      return { does, key, store_id, units };
    case "count":
      return { does, key, store_id, units: 2 * quantity };
    case "transfer": {
      const to_store = STORES.find((other) => other.store_id !== store_id)?.store_id ?? "";
      return { does, key, from_store: store_id, to_store, quantity };
    }
    case "purchase":
      return { does, key, quantity, policy, user };
    case "read stocks":
      return { does };
  }
}
