import fc from "fast-check";
import type { SaleRules } from "../../src/domain/rules.ts";
import { POLICIES } from "../../src/domain/stock.ts";
import type { KeyWish } from "./come-true.ts";
import type { Part } from "./requests.ts";
import { SKUS, STORES } from "./world.ts";

// What a command may ask for, before it is known in which state of the world: "the hold before last", and not
// its id.

const earlier = fc.integer({ min: 1, max: 4 });
const key = fc.oneof(
  { weight: 6, arbitrary: fc.constant<KeyWish>("new") },
  { weight: 1, arbitrary: earlier },
);
const optionalKey = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<KeyWish>("none", "new") },
  { weight: 1, arbitrary: earlier },
);
const late = fc.oneof(
  { weight: 22, arbitrary: fc.constant(false) },
  { weight: 1, arbitrary: fc.constant(true) },
);
const hold = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0) },
  { weight: 10, arbitrary: fc.nat({ max: 3 }) },
  { weight: 1, arbitrary: fc.constant(50) },
);
const sku = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom("a", ...SKUS) },
  { weight: 1, arbitrary: fc.constant("ghost") },
);
const store_id = fc.oneof(
  { weight: 15, arbitrary: fc.constantFrom("main", "main", "north") },
  { weight: 1, arbitrary: fc.constant("south") },
);
const user_id = fc.constantFrom("ann", "ann", "bob", "");
const quantity = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom(600, 1_000) },
);
const line = fc.record({ sku, store_id, quantity });
const lines = fc.oneof(
  { weight: 3, arbitrary: fc.array(line, { minLength: 1, maxLength: 1 }) },
  { weight: 2, arbitrary: fc.array(line, { minLength: 2, maxLength: 4 }) },
);
const oneIn = (n: number) => fc.nat({ max: n - 1 }).map((i) => i === 0);
const parts = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Part[]>([]) },
  { weight: 1, arbitrary: partsOf(fc.integer({ min: 1, max: 4 })) },
);
const does = <T extends string>(word: T) => fc.constant(word);

/** Each sku once. */
function partsOf(quantity: fc.Arbitrary<number>) {
  const named = fc.constantFrom(...SKUS, ...SKUS, ...SKUS, "ghost");
  const part = fc.record({ sku: named, quantity });
  return fc.uniqueArray(part, { minLength: 1, maxLength: 2, selector: (one) => one.sku });
}

export const reserve = fc.record({
  does: does("reserve"),
  route: fc.constantFrom("reserve", "v1_reserve"),
  key,
  late,
  lines,
  user_id,
  ttl_ms: fc.constantFrom(1, 16, 600_000, 600_000, 86_400_000),
  ttl_is_usual: oneIn(4),
  partial: oneIn(4),
  replace: oneIn(4),
});
export const confirm = fc.record({
  does: does("confirm"),
  route: fc.constantFrom("confirm", "v1_confirm"),
  key: optionalKey,
  late,
  hold,
  payment_ref: fc.constantFrom("p", "p", "", "q"),
  parts,
});
export const settle = fc.record({
  does: does("settle"),
  route: fc.constantFrom("confirm", "v1_confirm"),
  key: optionalKey,
  late,
  hold,
  payment_ref: fc.constantFrom("p", "p", "q"),
  parts,
  ledger: fc.constantFrom("was not asked", "has none"),
});
export const extend = fc.record({
  does: does("extend"),
  route: fc.constantFrom("extend", "v1_extend"),
  key,
  late,
  hold,
  ttl_ms: fc.constantFrom(16, 300_000, 900_000, 900_000, 86_400_000),
});
export const changeHold = fc.record({
  does: does("change hold"),
  route: does("change"),
  key,
  late,
  hold,
  wanted: partsOf(fc.oneof(quantity, fc.nat({ max: 2 }))),
  if_version: fc.constantFrom("any", "any", "any", "right", "wrong"),
});
export const cancel = fc.record({
  does: does("cancel"),
  route: fc.constantFrom("cancel", "v1_cancel"),
  key: optionalKey,
  late,
  hold,
  reason: fc.constantFrom("", "changed my mind"),
});
export const expire = fc.record({ does: does("expire"), late, hold });

const changed = { does: does("change"), key, late, sku, store_id };
const if_version = fc.constantFrom("any", "any", "any", "right", "wrong");
export const adjust = fc.record({
  ...changed,
  route: does("adjust"),
  operation: does("ADJUST"),
  units: fc.integer({ min: -5, max: 8 }).filter((units) => units !== 0),
  if_version,
  reason: fc.constantFrom("sale", "damage"),
});
const count = fc.record({
  ...changed,
  route: does("count"),
  operation: does("COUNT"),
  units: fc.nat({ max: 12 }),
  if_version,
  reason: does("count"),
});
export const change = fc.oneof(adjust, count);
export const transfer = fc.record({
  does: does("transfer"),
  route: does("transfer"),
  key,
  late,
  from_store: store_id,
  to_store: fc.constantFrom(...STORES),
  lines: fc.array(fc.record({ sku, quantity }), { minLength: 1, maxLength: 3 }),
});
export const purchase = fc.record({
  does: does("purchase"),
  route: does("purchase"),
  key,
  late,
  sku,
  quantity,
  user_id,
  policy: fc.constantFrom(...POLICIES),
});
export const readStocks = fc.record({ does: does("read stocks"), sku });
export const readHold = fc.record({ does: does("read hold"), hold });

const maybe = (arbitrary: fc.Arbitrary<number>) =>
  fc.option(arbitrary, { freq: 1, nil: undefined });
/** When a sale opens and closes is long ago, or far ahead: what is decided just then has tests of its own. */
const LONG_AGO = 1;
const FAR_AHEAD = 4_000_000_000_000;
/** HTTP refuses rules that say nothing. */
const mild = fc
  .record({
    max_per_order: maybe(fc.integer({ min: 1, max: 4 })),
    max_per_customer: maybe(fc.integer({ min: 1, max: 6 })),
    max_active_holds: maybe(fc.integer({ min: 1, max: 2 })),
    hold_seconds: maybe(fc.constant(60)),
    max_hold_seconds: maybe(fc.constantFrom(30, 1_200)),
    max_extensions: maybe(fc.nat({ max: 2 })),
    returns_free: fc.option(fc.boolean(), { freq: 2, nil: undefined }),
  })
  .filter((rules) => Object.values(rules).some((value) => value !== undefined && value !== false));
const closed = fc.constantFrom(
  { paused: true },
  { opens_at: FAR_AHEAD },
  { opens_at: LONG_AGO, closes_at: FAR_AHEAD },
  { closes_at: LONG_AGO },
);
export const ofRules = (rules: fc.Arbitrary<SaleRules | null>) =>
  fc.record({
    does: does("change rules"),
    route: does("rules"),
    key,
    late,
    sku: fc.constantFrom("a", ...SKUS),
    rules,
    if_version,
  });
export const closeSale = ofRules(closed);
export const changeRules = ofRules(
  fc.oneof(
    { weight: 5, arbitrary: mild },
    { weight: 2, arbitrary: closed },
    { weight: 2, arbitrary: fc.constant(null) },
  ),
);
export const returnUnits = fc.record({
  does: does("return"),
  key,
  late,
  sold: fc.nat({ max: 2 }),
  restock: fc.boolean(),
});

const waiter = fc.oneof(
  { weight: 9, arbitrary: fc.nat({ max: 2 }) },
  { weight: 1, arbitrary: fc.constant(50) },
);
export const join = fc.record({
  does: does("join"),
  route: does("waitlist_join"),
  key,
  late,
  sku,
  store_id,
  quantity: fc.constantFrom(1, 2, 3, 5, 9, 15),
  user_id: fc.constantFrom("ann", "bob", "cyd", "dan"),
  offer_ms: fc.constantFrom(16, 600_000, 600_000),
});
export const leave = fc.record({
  does: does("leave"),
  route: does("waitlist_leave"),
  key,
  late,
  waiter,
});
export const offer = fc.record({ does: does("offer"), late, sku, store_id });
