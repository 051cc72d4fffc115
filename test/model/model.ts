import { expect } from "@jest/globals";
import type { EventType } from "../../src/domain/event.ts";
import type { HoldStatus, Line } from "../../src/domain/hold.ts";
import type { SaleRules } from "../../src/domain/rules.ts";
import type { WaiterStatus } from "../../src/domain/waiter.ts";
import type { Answer, Request, Span } from "./requests.ts";

// What Redis should hold, in plain objects. Nothing here is taken from src/ or lua/ but the words.

export const DEFAULT_STORE = "main";
export const FIRST_GENERATION = 1;
export const STOCK_MAX = 999_999_999_999;
export const DAY_MS = 24 * 60 * 60 * 1000;

/** An event that must be in the stream. Its id and, unless an answer told it, its time are learnt there. */
export type Fact = {
  type: EventType;
  span: Span;
  generation: number;
  /** The idempotency key that did it, by `<route>:<key>`. */
  record: string | undefined;
  at: number | undefined;
  event_id: string | undefined;
  payload: Record<string, unknown>;
  lines: Record<string, unknown>[];
};
/** `available` is NaN while somebody's SET has put letters there. */
export type ModelStock = {
  sku: string;
  store_id: string;
  known: boolean;
  available: number;
  held: number;
  version: number;
  /** What SET and INCRBY have added to it, so far as they left a number. */
  by_hand: number;
  changed: Fact | undefined;
};
export type ModelHold = {
  hold_id: string;
  status: HoldStatus;
  lines: Line[];
  user_id: string;
  created: Fact;
  expires_at: number;
  version: number;
  ended: Fact | undefined;
  extensions: number;
  order_id: string | undefined;
  payment_ref: string;
  /** How it was sold, unless all of it in time. */
  late: boolean;
  partial: boolean;
  /** When the sweeper looks at it: at its deadline, or at some later moment when it could not be ended. */
  due: Span;
};
/** A sku's rules; null when they were taken away and its customers are still counted. */
export type ModelRules = { rules: SaleRules | null; version: number; counts: boolean };
export type ModelWaiter = {
  waiter_id: string;
  status: WaiterStatus;
  sku: string;
  store_id: string;
  quantity: number;
  user_id: string;
  offer_ms: number;
  joined: Fact;
  joined_seq: number;
  ended: Fact | undefined;
};
/** `words`: what Redis keeps of it behind the request's fingerprint. */
export type ModelRecord = {
  identity: string;
  fact: Fact;
  says: Decision["says"];
  words: unknown[];
};

export type Model = {
  stocks: Map<string, ModelStock>;
  holds: Map<string, ModelHold>;
  /** What idempotency keys did, by `<route>:<key>`. */
  records: Map<string, ModelRecord>;
  /** The registry: ranks of the stores. */
  stores: Map<string, number>;
  /** Which of them this process knows of; undefined when it will look before it asks. */
  stores_seen: string[] | undefined;
  /** The same, once all that is asked now is answered. */
  stores_noticed: string[] | undefined;
  turns: Map<string, number>;
  /** By sku. */
  rules: Map<string, ModelRules>;
  /** By `<sku> <user_id>`: units live or sold since the sku is counted, and lines of active holds. */
  customers: Map<string, { units: number; active: number }>;
  /** By `<sku> <user_id>`: the active hold that a reserve with `replace` takes the place of. */
  own_holds: Map<string, string>;
  /** All that ever waited, in the order in which they joined. */
  waiters: Map<string, ModelWaiter>;
  /** Offers of which it is not known yet when they were made. */
  offers: { hold: ModelHold; ms: number }[];
  /** What the call that is followed now has changed so far, and when it was asked and answered. */
  touched: Set<ModelStock>;
  span: Span;
  /** The admission of Redis under which everything is decided now. */
  generation: number;
  events: Fact[];
  /** Everything that was asked, so that it can be asked again. */
  asked: Request[];
};

export const newModel = (generation: number): Model => ({
  stocks: new Map(),
  holds: new Map(),
  records: new Map(),
  stores: new Map(),
  stores_seen: undefined,
  stores_noticed: undefined,
  turns: new Map(),
  rules: new Map(),
  customers: new Map(),
  own_holds: new Map(),
  waiters: new Map(),
  offers: [],
  touched: new Set(),
  span: { from: 0, to: 0 },
  generation,
  events: [],
  asked: [],
});

/** A name as the keys have it: the default store's stocks have no suffix. */
export const stockName = (sku: string, store_id: string) =>
  store_id === DEFAULT_STORE ? sku : `${sku}@${store_id}`;

export function stockOf(model: Model, { sku, store_id }: { sku: string; store_id: string }) {
  const name = stockName(sku, store_id);
  const stock: ModelStock = model.stocks.get(name) ?? {
    sku,
    store_id,
    known: false,
    available: 0,
    held: 0,
    version: 0,
    by_hand: 0,
    changed: undefined,
  };
  model.stocks.set(name, stock);
  return stock;
}

/** Somebody writes a stock without any script. NaN: what is there is no number. */
export function setByHand(stock: ModelStock, available: number) {
  stock.by_hand += (available || 0) - (stock.available || 0);
  stock.available = available;
  stock.known = true;
}

const isCorrupt = ({ available }: ModelStock) => !(available >= 0);

/** What a request on these stocks is told when one of them is no count. */
export function corruptAnswer(model: Model, stocks: { sku: string; store_id: string }[]) {
  const corrupt = stocks.find((stock) => isCorrupt(stockOf(model, stock)));
  return corrupt && refuse("CORRUPT", { key: `stock:${stockName(corrupt.sku, corrupt.store_id)}` });
}

/** What must be answered, and what must have happened then. Without an effect nothing may have changed. */
export type Decision = {
  word: string;
  says: Omit<Answer, "word">;
  effect?: () => void;
  /** What this outcome is called, when its word does not tell it from another one. */
  seen?: string;
};

export const refuse = (word: string, says: Decision["says"] = {}): Decision => ({ word, says });

/** The first line of each stock, with all that its lines ask for together. */
export function sumLines<T extends { sku: string; store_id?: string; quantity: number }>(
  lines: T[],
): T[] {
  const sums: T[] = [];
  for (const line of lines) {
    const first = sums.find(({ sku, store_id }) => sku === line.sku && store_id === line.store_id);
    if (first) first.quantity += line.quantity;
    else sums.push({ ...line });
  }
  return sums;
}

/** Units come or go: the stock is changed once more, and known from then on. */
export function changeStock(
  model: Model,
  stock: ModelStock,
  fact: Fact,
  available: number,
  held: number,
) {
  model.touched.add(stock);
  stock.known = true;
  stock.available += available;
  stock.held += held;
  stock.version += 1;
  stock.changed = fact;
  return stateOf(stock);
}

/** A stock as an event shows it. */
export const stateOf = ({ sku, store_id, available, held, version }: ModelStock) => {
  return { sku, store_id, available, held, version };
};

export function addFact(model: Model, type: EventType): Fact {
  const { generation, span } = model;
  const unknown = { at: undefined, event_id: undefined, record: undefined };
  const fact = { type, span, generation, ...unknown, payload: {}, lines: [] };
  model.events.push(fact);
  return fact;
}

/** The time of a fact, which somebody now says: it lies where it was asked for, and never changes. */
export function learnTime(fact: Fact, at: unknown): number {
  if (fact.at === undefined) {
    expect(at).toBeGreaterThanOrEqual(fact.span.from);
    expect(at).toBeLessThanOrEqual(fact.span.to);
    fact.at = Number(at);
  }
  expect(at).toBe(fact.at);
  return fact.at;
}
