import fc from "fast-check";
import type { ScriptName } from "../../src/redis/scripts.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { FOREVER, keys, type Request, registerStores, type ScriptSide } from "./script-side.ts";

// A small world, so that requests meet: few stocks, few holds, few keys.
export const SKUS = ["a", "b", "c"];
/**
 * Registered from the beginning are the first two. Of the others one is, when its first stock comes: then
 * there is room for no more.
 */
export const STORES = ["main", "north", "south", "west"];
/** What the registry has in the beginning. */
export const REGISTERED = 998;
export const HOLDS = Array.from({ length: 6 }, (_, i) => `H-${i}`);
const IDEMS = ["k0", "k1", "k2"];
/** Somebody has to look at it before any of it is sold. */
const STOPPED_SKU = "stopped";
/** A sku of which a store has nearly as many as it can have. */
export const FULL_SKU = "full";
/** A sku of which there is none at first, so that whoever wants it has to wait. */
export const OUT_SKU = "out";
const FULL = 999_999_999_995;

/** What the world begins with: units by stock. */
export const STOCKED = new Map([
  ...SKUS.map((sku): [string, number] => [`${sku}@main`, 8]),
  ["a@north", 4],
  [`${FULL_SKU}@main`, FULL],
  [`${FULL_SKU}@north`, 20],
  [`${STOPPED_SKU}@main`, 8],
  [`${OUT_SKU}@main`, 0],
]);

export type Step = { script: ScriptName; requests: Request[] };

export async function startAnew({ redis }: ScriptSide) {
  await emptyRedis(redis);
  const stocks = [...STOCKED].flatMap(([stock, units]) => {
    const [sku = "", store_id = ""] = stock.split("@");
    return [keys.stock(sku, store_id), String(units)];
  });
  await redis.mset(stocks);
  await registerStores(redis, REGISTERED - 1);
  await redis.hset(keys.stores, "north", "1");
  await redis.hset(keys.stopped, STOPPED_SKU, "{}");
}

/** Two skus that nobody may take, and one of which few: rules seldom come to be so by themselves. */
export const limitSales = ({ redis }: ScriptSide) =>
  redis.hset(keys.rules, {
    a: "version=1 opens_at=4000000000000",
    b: "version=1 closes_at=1",
    [OUT_SKU]: "version=1 max_per_order=1",
  });

export const hold_id = fc.constantFrom(...HOLDS);
export const sku = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...SKUS) },
  { weight: 2, arbitrary: fc.constant(FULL_SKU) },
  { weight: 1, arbitrary: fc.constant("ghost") },
  { weight: 1, arbitrary: fc.constant(STOPPED_SKU) },
);
/** Nobody in particular, now and then. */
export const user_id = fc.constantFrom("ada", "ada", "bob", "");
export const idem = fc.constantFrom(...IDEMS);
/** Nearly each request with a key of its own, or all but the first would be replays. */
export const mostlyNewIdem = fc.oneof(
  { weight: 6, arbitrary: fc.uuid() },
  { weight: 2, arbitrary: idem },
);
export const fingerprint = fc.constantFrom("f", "f", "g");
export const deadline = fc.oneof(
  { weight: 12, arbitrary: fc.constant<number | string>(FOREVER) },
  { weight: 1, arbitrary: fc.constantFrom<number | string>(1, 1, 1, "", "-1", "1e9") },
);
export const quantity = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 1, max: 6 }).map((n): number | string => n) },
  { weight: 1, arbitrary: fc.constantFrom<number | string>(0, 1001, "01", "1.5", "nan", "-3") },
);

export const batchOf = (request: fc.Arbitrary<Request>, maxLength: number) =>
  fc.array(request, { minLength: 1, maxLength });
export const step = (script: ScriptName, requests: fc.Arbitrary<Request[]>) =>
  requests.map((list): Step => ({ script, requests: list }));
