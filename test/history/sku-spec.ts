import { isDeepStrictEqual } from "node:util";
import { end, extend, readHold, reserve, resize } from "./hold-ways.ts";
import type { Spec } from "./linearize.ts";
import type { Change, Limit, Output, Purchase, SkuOperation, Transfer } from "./operations.ts";
import {
  countsOf,
  limitWays,
  moved,
  NOT_DUE,
  once,
  replay,
  type Sku,
  type Way,
  withHold,
} from "./sku-state.ts";

/** Whoever is told one of these has changed nothing, wherever it was. One that is missing costs time only. */
const IDLE_WORDS = new Set([
  ...["STOCKS", "HOLD", "REPLAYED", "SOLD_OUT", "ALL_HELD", "WOULD_GO_NEGATIVE", "NOT_DUE"],
  ...["HOLD_EXPIRED", "HOLD_CANCELLED", "HOLD_ALREADY_CONFIRMED", "LIMIT_EXCEEDED"],
]);
const staysIdle = ({ output }: SkuOperation) => IDLE_WORDS.has(output?.word ?? "");

/**
 * What one sku does when nothing happens at the same time: `stores` in the order in which a purchase looks at
 * them, with the rank and what is available at first.
 */
export function createSkuSpec(
  stores: { store_id: string; rank: number; available: number }[],
  limit: number,
): Spec<Sku, SkuOperation> {
  const ranks = new Map(stores.map(({ store_id, rank }) => [store_id, rank]));
  const counts = (available: number) => ({ available, held: 0, version: 0 });
  const first: Sku = {
    stocks: new Map(stores.map(({ store_id, available }) => [store_id, counts(available)])),
    holds: new Map(),
    changes: new Map(),
    ids: new Map(),
    turn: 0,
    limit,
  };

  function waysOf(sku: Sku, operation: SkuOperation): Way[] {
    const { input } = operation;
    switch (input.does) {
      case "reserve":
        return reserve(sku, input, operation);
      case "extend":
        return extend(sku, input, operation);
      case "resize":
        return resize(sku, input, operation);
      case "limit":
        return setLimit(sku, input);
      case "confirm":
      case "cancel":
      case "expire":
        return end(sku, input, operation);
      case "adjust":
      case "count":
        return change(sku, input);
      case "transfer":
        return transfer(sku, input);
      case "purchase":
        return purchase(sku, input, ranks);
      case "read hold":
        return readHold(sku, input);
      case "read stocks":
        return [{ says: { word: "STOCKS", stocks: Object.fromEntries(sku.stocks) } }];
    }
  }

  function next(sku: Sku, operation: SkuOperation): Sku[] {
    const ways = waysOf(sku, operation);
    const { output } = operation;
    if (!output) return ways.flatMap(({ after }) => after ?? []);
    return ways.flatMap((way) => agreed(sku, way, operation, output) ?? []);
  }

  return { first, next, staysIdle, textOf };
}

function change(sku: Sku, { does, key, store_id, units }: Change): Way[] {
  const { available, held } = countsOf(sku, store_id);
  const delta = does === "count" ? Math.max(0, units - held) - available : units;
  const again = replay(sku, key);
  if (again) return again;
  if (available + delta < 0) return [{ says: { word: "WOULD_GO_NEGATIVE", available } }];
  const after = moved(sku, store_id, delta, 0);
  return [once(sku, key, { word: "CHANGED", counts: countsOf(after, store_id) }, after)];
}

function transfer(sku: Sku, { key, from_store, to_store, quantity }: Transfer): Way[] {
  const { available } = countsOf(sku, from_store);
  const again = replay(sku, key);
  if (again) return again;
  if (available < quantity) return [{ says: { word: "WOULD_GO_NEGATIVE", available } }];
  const after = moved(moved(sku, from_store, -quantity, 0), to_store, quantity, 0);
  return [once(sku, key, { word: "TRANSFERRED" }, after)];
}

function setLimit(sku: Sku, { key, max }: Limit): Way[] {
  const named = `change ${key}`;
  if (sku.changes.has(key)) return [{ says: { word: "REPLAYED" }, named }];
  return [once(sku, key, { word: "CHANGED" }, { ...sku, limit: max })];
}

function purchase(
  sku: Sku,
  { key, quantity, policy, user }: Purchase,
  ranks: Map<string, number>,
): Way[] {
  const named = `hold ${key}`;
  const bought = sku.holds.get(key);
  if (bought) return [{ says: { word: "REPLAYED", store_id: bought.store_id }, named }];
  const limited = limitWays(sku, user, quantity);
  if (limited) return limited;
  const offers = [...sku.stocks].map(([store_id, { available }]) => {
    return { store_id, available, rank: ranks.get(store_id) ?? 0 };
  });
  const enough = offers.filter(({ available }) => available >= quantity);
  if (enough.length === 0) {
    const all = offers.map(({ available }) => available);
    const total_available = all.reduce((sum, units) => sum + units, 0);
    const word = [...sku.stocks.values()].some(({ held }) => held > 0) ? "ALL_HELD" : "SOLD_OUT";
    return [{ says: { word, available: Math.max(...all), total_available } }];
  }
  const in_turn = enough[sku.turn % enough.length];
  const most = enough.toSorted((a, b) => b.available - a.available || a.rank - b.rank)[0];
  const nearest = enough.toSorted((a, b) => a.rank - b.rank || b.available - a.available)[0];
  const picks = { "highest-available": most, "lowest-latency": nearest, "round-robin": in_turn };
  const store_id = picks[policy]?.store_id ?? "";
  const turn = sku.turn + (policy === "round-robin" ? 1 : 0);
  const sold = {
    store_id,
    user,
    quantity,
    status: "CONFIRMED",
    due: NOT_DUE,
    extensions: 0,
  } as const;
  const after = moved(withHold({ ...sku, turn }, key, sold), store_id, -quantity, 0);
  return [{ says: { word: "PURCHASED", store_id }, named, after }];
}

/** The state after going this way, if what was answered agrees with it; ids and deadlines never change. */
function agreed(sku: Sku, way: Way, { input }: SkuOperation, output: Output): Sku | undefined {
  const { id, ...told } = output;
  const { expires_at, ...rest } = told;
  // When a new hold ends is looked at below.
  const said = input.does === "reserve" ? rest : told;
  if (!isDeepStrictEqual(said, way.says)) return undefined;
  let after = way.after ?? sku;
  if (way.named !== undefined && id !== undefined) {
    if ((after.ids.get(way.named) ?? id) !== id) return undefined;
    if (!after.ids.has(way.named)) after = { ...after, ids: new Map(after.ids).set(way.named, id) };
  }
  if (input.does !== "reserve" || expires_at === undefined) return after;
  const hold = after.holds.get(input.key);
  if (!hold || expires_at < hold.due.from || expires_at > hold.due.to) return undefined;
  return withHold(after, input.key, { ...hold, due: { from: expires_at, to: expires_at } });
}

/** A map is never changed, only replaced: most of them are the same from state to state. */
const texts = new WeakMap<ReadonlyMap<string, unknown>, string>();

function textOfMap(map: ReadonlyMap<string, unknown>): string {
  const known = texts.get(map);
  if (known !== undefined) return known;
  const text = [...map]
    .map((entry) => JSON.stringify(entry))
    .sort()
    .join();
  texts.set(map, text);
  return text;
}

const textOf = ({ stocks, holds, changes, ids, turn, limit }: Sku) =>
  [...[stocks, holds, changes, ids].map(textOfMap), turn, limit].join();
