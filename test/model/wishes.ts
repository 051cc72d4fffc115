import fc from "fast-check";
import { POLICIES } from "../../src/domain/stock.ts";
import { type Model, newModel, setByHand, stockOf } from "./model.ts";
import type { Request } from "./requests.ts";

// What a command may ask for, before it is known in which state of the world: "the hold before last", and not
// its id. A small world, so that requests meet.

export const SKUS = ["a", "b", "c"];
export const STORES = ["main", "north", "south"];
/** How the world begins: set by redis-cli. */
export const STOCKED = [
  { sku: "a", store_id: "main", units: 12 },
  { sku: "a", store_id: "north", units: 6 },
  { sku: "b", store_id: "main", units: 9 },
  { sku: "b", store_id: "north", units: 12 },
  { sku: "c", store_id: "main", units: 20 },
  { sku: "c", store_id: "north", units: 3 },
];
/** The store that is registered then, and its rank. South is when its first stock comes. */
export const REGISTERED = { store_id: "north", rank: 1 };

/** The model of that. */
export function newWorld(generation: number): Model {
  const model = newModel(generation);
  for (const stock of STOCKED) setByHand(stockOf(model, stock), stock.units);
  model.stores.set(REGISTERED.store_id, REGISTERED.rank);
  return model;
}
const NOBODYS_HOLD = "H-00000000-0000-7000-8000-000000000000";

/** A new one, none, or the n-th last that this route was asked with. */
type KeyWish = "new" | "none" | number;
type Wished<R> = R extends Request
  ? Omit<R, "key" | "hold_id" | "if_version"> &
      ("key" extends keyof R ? { key: KeyWish } : unknown) &
      ("hold_id" extends keyof R ? { hold: number } : unknown) &
      ("if_version" extends keyof R ? { if_version: "any" | "right" | "wrong" } : unknown)
  : never;
export type Wish = Wished<Request>;

/** What is asked for when the wish comes true in this world. */
export function requestOf(model: Model, wish: Wish): Request {
  switch (wish.does) {
    case "reserve":
      return { ...wish, key: someKey(model, wish) };
    case "transfer":
      return { ...wish, key: someKey(model, wish) };
    case "purchase":
      return { ...wish, key: someKey(model, wish) };
    case "change": {
      const { version } = stockOf(model, wish);
      const versions = { any: undefined, right: version, wrong: version + 1 };
      return { ...wish, key: someKey(model, wish), if_version: versions[wish.if_version] };
    }
    case "confirm": {
      const { hold, ...rest } = wish;
      return { ...rest, key: keyOf(model, wish), hold_id: holdOf(model, hold) };
    }
    case "cancel": {
      const { hold, ...rest } = wish;
      return { ...rest, key: keyOf(model, wish), hold_id: holdOf(model, hold) };
    }
    case "expire":
      return { does: "expire", late: wish.late, hold_id: holdOf(model, wish.hold) };
    case "read hold":
      return { does: "read hold", hold_id: holdOf(model, wish.hold) };
    case "read stocks":
      return wish;
  }
}

const holdOf = ({ holds }: Model, n: number) => [...holds.keys()].at(-1 - n) ?? NOBODYS_HOLD;

function keyOf({ asked }: Model, { route, key }: { route: string; key: KeyWish }) {
  if (key === "none") return undefined;
  const keys = asked.flatMap((request) =>
    "route" in request && request.route === route && request.key !== undefined ? [request.key] : [],
  );
  return (key === "new" ? undefined : keys.at(-key)) ?? `k-${asked.length}`;
}

const someKey = (model: Model, wish: { route: string; key: KeyWish }) => keyOf(model, wish) ?? "";

const earlier = fc.integer({ min: 1, max: 4 });
const key = fc.oneof(
  { weight: 9, arbitrary: fc.constant<KeyWish>("new") },
  { weight: 1, arbitrary: earlier },
);
const optionalKey = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<KeyWish>("none", "new") },
  { weight: 1, arbitrary: earlier },
);
const late = fc.oneof(
  { weight: 30, arbitrary: fc.constant(false) },
  { weight: 1, arbitrary: fc.constant(true) },
);
const hold = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0) },
  { weight: 10, arbitrary: fc.nat({ max: 3 }) },
  { weight: 1, arbitrary: fc.constant(50) },
);
const sku = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...SKUS) },
  { weight: 1, arbitrary: fc.constant("ghost") },
);
const store_id = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom("main", "main", "north") },
  { weight: 1, arbitrary: fc.constant("south") },
);
const user_id = fc.constantFrom("ann", "");
const quantity = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom(600, 1_000) },
);
const line = fc.record({ sku, store_id, quantity });
const lines = fc.oneof(
  { weight: 3, arbitrary: fc.array(line, { minLength: 1, maxLength: 1 }) },
  { weight: 2, arbitrary: fc.array(line, { minLength: 2, maxLength: 4 }) },
);
const does = <T extends string>(word: T) => fc.constant(word);

export const reserve = fc.record({
  does: does("reserve"),
  route: fc.constantFrom("reserve", "v1_reserve"),
  key,
  late,
  lines,
  user_id,
  ttl_ms: fc.constantFrom(1, 16, 600_000, 600_000, 86_400_000),
});
export const confirm = fc.record({
  does: does("confirm"),
  route: fc.constantFrom("confirm", "v1_confirm"),
  key: optionalKey,
  late,
  hold,
  payment_ref: fc.constantFrom("p", "p", "", "q"),
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
const adjust = fc.record({
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
