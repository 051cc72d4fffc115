import { isDeepStrictEqual } from "node:util";
import type { HoldStatus } from "../../src/domain/hold.ts";
import type { Spec } from "./linearize.ts";
import type {
  Change,
  Counts,
  Ending,
  Output,
  Purchase,
  ReadHold,
  Reserve,
  SkuOperation,
  Transfer,
} from "./operations.ts";

/** The clock that deadlines are kept by is Redis's; this far it may be from that of the history. */
const SLACK_MS = 5;

type Span = { from: number; to: number };
type Hold = { store_id: string; quantity: number; status: HoldStatus; due: Span };
/** One sku, in all stores. */
export type Sku = {
  stocks: ReadonlyMap<string, Counts>;
  /** By the key they were made with. */
  holds: ReadonlyMap<string, Hold>;
  /** What the keys of changes and transfers did. */
  changes: ReadonlyMap<string, Output>;
  /** The ids that were told, of what makes them. */
  ids: ReadonlyMap<string, string>;
  turn: number;
};

/** Whoever is told one of these has changed nothing, wherever it was. One that is missing costs time only. */
const IDLE_WORDS = new Set([
  ...["STOCKS", "HOLD", "REPLAYED", "SOLD_OUT", "ALL_HELD", "WOULD_GO_NEGATIVE", "NOT_DUE"],
  ...["HOLD_EXPIRED", "HOLD_CANCELLED", "HOLD_ALREADY_CONFIRMED"],
]);
const staysIdle = ({ output }: SkuOperation) => IDLE_WORDS.has(output?.word ?? "");

/** One way in which an operation may go. `after` is missing when it changes nothing. */
type Way = { says: Output; after?: Sku; named?: string };

/**
 * What one sku does when nothing happens at the same time: `stores` in the order in which a purchase looks at
 * them, with the rank and what is available at first.
 */
export function createSkuSpec(
  stores: { store_id: string; rank: number; available: number }[],
): Spec<Sku, SkuOperation> {
  const ranks = new Map(stores.map(({ store_id, rank }) => [store_id, rank]));
  const counts = (available: number) => ({ available, held: 0, version: 0 });
  const first: Sku = {
    stocks: new Map(stores.map(({ store_id, available }) => [store_id, counts(available)])),
    holds: new Map(),
    changes: new Map(),
    ids: new Map(),
    turn: 0,
  };

  function waysOf(sku: Sku, operation: SkuOperation): Way[] {
    const { input } = operation;
    switch (input.does) {
      case "reserve":
        return reserve(sku, input, operation);
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

const countsOf = ({ stocks }: Sku, store_id: string): Counts =>
  stocks.get(store_id) ?? { available: 0, held: 0, version: 0 };

function moved(sku: Sku, store_id: string, available: number, held: number): Sku {
  const old = countsOf(sku, store_id);
  const counts = {
    available: old.available + available,
    held: old.held + held,
    version: old.version + 1,
  };
  return { ...sku, stocks: new Map(sku.stocks).set(store_id, counts) };
}

const withHold = (sku: Sku, key: string, hold: Hold): Sku => ({
  ...sku,
  holds: new Map(sku.holds).set(key, hold),
});

function reserve(sku: Sku, input: Reserve, { called, returned }: SkuOperation): Way[] {
  const { key, store_id, quantity, ttl_ms } = input;
  const named = `hold ${key}`;
  if (sku.holds.has(key)) return [{ says: { word: "REPLAYED" }, named }];
  const { available, held } = countsOf(sku, store_id);
  const short = held > 0 ? "ALL_HELD" : "SOLD_OUT";
  if (available < quantity) return [{ says: { word: short, available } }];
  const due = { from: called + ttl_ms - SLACK_MS, to: returned + ttl_ms + SLACK_MS };
  const made = withHold(sku, key, { store_id, quantity, status: "ACTIVE", due });
  return [{ says: { word: "CREATED" }, named, after: moved(made, store_id, -quantity, quantity) }];
}

function end(sku: Sku, { does, hold: key }: Ending, { called, returned }: SkuOperation): Way[] {
  const hold = sku.holds.get(key);
  if (!hold) return [];
  const { store_id, quantity, status, due } = hold;
  const named = `order ${key}`;
  if (status === "ACTIVE") {
    const ended = (as: HoldStatus) =>
      moved(
        withHold(sku, key, { ...hold, status: as }),
        store_id,
        as === "CONFIRMED" ? 0 : quantity,
        -quantity,
      );
    const alive: Record<typeof does, Way> = {
      confirm: { says: { word: "CONFIRMED" }, named, after: ended("CONFIRMED") },
      cancel: { says: { word: "CANCELLED" }, after: ended("CANCELLED") },
      expire: { says: { word: "NOT_DUE" } },
    };
    const expired = { says: { word: "EXPIRED" }, after: ended("EXPIRED") };
    const over: Record<typeof does, Way[]> = {
      confirm: [{ says: { word: "HOLD_EXPIRED" } }],
      cancel: [expired],
      // When the reply to a call's first try is lost, its second finds the hold ended.
      expire: [expired, { ...expired, says: { word: "ENDED" } }],
    };
    return [
      ...(called - SLACK_MS < due.to ? [alive[does]] : []),
      ...(returned + SLACK_MS >= due.from ? over[does] : []),
    ];
  }
  if (does === "expire") return [{ says: { word: "ENDED" } }];
  if (does === "confirm") {
    if (status === "CONFIRMED") return [{ says: { word: "REPLAYED" }, named }];
    return [{ says: { word: `HOLD_${status}` } }];
  }
  if (status === "CONFIRMED") return [{ says: { word: "HOLD_ALREADY_CONFIRMED" } }];
  return [{ says: { word: "REPLAYED", status } }];
}

/** The first time, what it does; from then on, the same answer. */
function once(sku: Sku, key: string, says: Output, after: Sku): Way {
  const changes = new Map(sku.changes).set(key, says);
  return { says, after: { ...after, changes }, named: `change ${key}` };
}

function replay({ changes }: Sku, key: string): Way[] | undefined {
  const said = changes.get(key);
  return said && [{ says: { ...said, word: "REPLAYED" }, named: `change ${key}` }];
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

function purchase(
  sku: Sku,
  { key, quantity, policy }: Purchase,
  ranks: Map<string, number>,
): Way[] {
  const named = `hold ${key}`;
  const bought = sku.holds.get(key);
  if (bought) return [{ says: { word: "REPLAYED", store_id: bought.store_id }, named }];
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
  const sold = { store_id, quantity, status: "CONFIRMED", due: { from: 0, to: 0 } } as const;
  const after = moved(withHold({ ...sku, turn }, key, sold), store_id, -quantity, 0);
  return [{ says: { word: "PURCHASED", store_id }, named, after }];
}

function readHold({ holds }: Sku, { hold: key }: ReadHold): Way[] {
  const hold = holds.get(key);
  return hold ? [{ says: { word: "HOLD", status: hold.status }, named: `hold ${key}` }] : [];
}

/** The state after going this way, if what was answered agrees with it; ids and deadlines never change. */
function agreed(sku: Sku, way: Way, { input }: SkuOperation, output: Output): Sku | undefined {
  const { id, expires_at, ...said } = output;
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

const textOf = ({ stocks, holds, changes, ids, turn }: Sku) =>
  [...[stocks, holds, changes, ids].map(textOfMap), turn].join();
