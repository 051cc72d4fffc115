import type { HoldStatus } from "../../src/domain/hold.ts";
import type { Counts, Output } from "./operations.ts";

// One sku as a history may leave it, and the steps that all of its operations are made of.

/** The clock that deadlines are kept by is Redis's; this far it may be from that of the history. */
export const SLACK_MS = 5;

export const NOT_DUE = { from: 0, to: 0 };
export type Span = { from: number; to: number };
export type Hold = {
  store_id: string;
  user: string;
  quantity: number;
  status: HoldStatus;
  due: Span;
  extensions: number;
};
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
  /** How many units each customer may have, live or sold. */
  limit: number;
};

/** One way in which an operation may go. `after` is missing when it changes nothing. */
export type Way = { says: Output; after?: Sku; named?: string };

export const countsOf = ({ stocks }: Sku, store_id: string): Counts =>
  stocks.get(store_id) ?? { available: 0, held: 0, version: 0 };

export function moved(sku: Sku, store_id: string, available: number, held: number): Sku {
  const old = countsOf(sku, store_id);
  const counts = {
    available: old.available + available,
    held: old.held + held,
    version: old.version + 1,
  };
  return { ...sku, stocks: new Map(sku.stocks).set(store_id, counts) };
}

export const withHold = (sku: Sku, key: string, hold: Hold): Sku => ({
  ...sku,
  holds: new Map(sku.holds).set(key, hold),
});

/** What a customer has, live or sold: from its deadline on until it is swept, a hold counts as live. */
export function unitsOf({ holds }: Sku, user: string): number {
  const counted = [...holds.values()].filter((hold) => {
    return hold.user === user && (hold.status === "ACTIVE" || hold.status === "CONFIRMED");
  });
  return counted.reduce((sum, { quantity }) => sum + quantity, 0);
}

/** Why a customer may not have so many units more. */
export function limitWays(sku: Sku, user: string, more: number): Way[] | undefined {
  const left = Math.max(0, sku.limit - unitsOf(sku, user));
  return more > left ? [{ says: { word: "LIMIT_EXCEEDED", left } }] : undefined;
}

/** The first time, what it does; from then on, the same answer. */
export function once(sku: Sku, key: string, says: Output, after: Sku): Way {
  const changes = new Map(sku.changes).set(key, says);
  return { says, after: { ...after, changes }, named: `change ${key}` };
}

export function replay({ changes }: Sku, key: string): Way[] | undefined {
  const said = changes.get(key);
  return said && [{ says: { ...said, word: "REPLAYED" }, named: `change ${key}` }];
}
