import { expect } from "@jest/globals";
import { HOLD_ID_PATTERN, ORDER_ID_PATTERN } from "../../src/domain/ids.ts";
import { newId } from "./decide-holds.ts";
import {
  addFact,
  changeStock,
  corruptAnswer,
  DEFAULT_STORE,
  type Decision,
  earlierAnswer,
  type Fact,
  learnTime,
  type Model,
  type ModelStock,
  refuse,
  remember,
  STOCK_MAX,
  stockOf,
  sumLines,
} from "./model.ts";
import type { Answer, Change, Purchase, ReadStocks, Span, Transfer } from "./requests.ts";

// As in decide-holds.ts.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function change(model: Model, request: Change, said: Answer): Decision {
  const { sku, store_id, operation, units, if_version, reason } = request;
  if (request.late) return refuse("LATE");
  const refused = corruptAnswer(model, [request]) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const stock = stockOf(model, request);
  const { available, held, version } = stock;
  if (if_version !== undefined && if_version !== version) {
    return refuse("VERSION_CONFLICT", { sku, store_id, version });
  }
  const counted = operation === "COUNT";
  const delta = counted ? Math.max(0, units - held) - available : units;
  if (available + delta < 0) {
    const short = { sku, store_id, requested: -units, available };
    return refuse("WOULD_GO_NEGATIVE", short);
  }
  if (delta > 0 && available + held + delta > STOCK_MAX) return refuse("INVALID_REQUEST");
  const says = {
    event_id: said.event_id,
    occurred_at: said.occurred_at,
    available: available + delta,
    held,
    version: version + 1,
    available_delta: delta,
  };
  const effect = (span: Span) => {
    const fact = addFact(model, counted ? "STOCK_COUNTED" : "STOCK_ADJUSTED", span);
    learnEvent(fact, said, model);
    fact.payload = { actor: "api", reason, ...(counted ? { on_hand: units } : {}) };
    fact.lines = [{ available_delta: delta, ...changeStock(stock, fact, delta, 0) }];
    register(model, store_id);
    remember(model, request, fact, says);
  };
  return { word: "CHANGED", says, effect };
}

export function transfer(model: Model, request: Transfer, said: Answer): Decision {
  const { from_store, to_store, late } = request;
  if (from_store === to_store) return refuse("INVALID_REQUEST");
  if (late) return refuse("LATE");
  const moved = sumLines(request.lines).map(({ sku, quantity }) => ({
    quantity,
    from: stockOf(model, { sku, store_id: from_store }),
    to: stockOf(model, { sku, store_id: to_store }),
  }));
  const both = moved.flatMap(({ from, to }) => [from, to]);
  const refused = corruptAnswer(model, both) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const unknown = moved.find(({ from }) => !from.known);
  if (unknown) return refuse("UNKNOWN_SKU", { sku: unknown.from.sku });
  const short = moved
    .filter(({ from, quantity }) => quantity > from.available)
    .map(({ from: { sku, store_id, available }, quantity }) => {
      return { sku, store_id, requested: quantity, available };
    });
  if (short.length > 0) return refuse("WOULD_GO_NEGATIVE", { ...short[0], lines: short });
  if (moved.some(({ to, quantity }) => to.available + to.held + quantity > STOCK_MAX)) {
    return refuse("INVALID_REQUEST");
  }
  const says = { event_id: said.event_id, occurred_at: said.occurred_at };
  const effect = (span: Span) => {
    const fact = addFact(model, "STOCK_TRANSFERRED", span);
    learnEvent(fact, said, model);
    fact.payload = { actor: "api", from_store, to_store };
    const move = (stock: ModelStock, available_delta: number) => {
      return { available_delta, ...changeStock(stock, fact, available_delta, 0) };
    };
    const left = moved.map(({ from, quantity }) => move(from, -quantity));
    const come = moved.map(({ to, quantity }) => move(to, quantity));
    fact.lines = [...left, ...come];
    register(model, to_store);
    remember(model, request, fact, says);
  };
  return { word: "TRANSFERRED", says, effect };
}

export function purchase(model: Model, request: Purchase, said: Answer): Decision {
  const { sku, quantity, user_id, policy } = request;
  const stocksIn = (ids: string[]) => ids.map((store_id) => stockOf(model, { sku, store_id }));
  model.stores_seen ??= candidates(model);
  if (request.late) return refuse("LATE");
  const seen = stocksIn(model.stores_seen);
  const refused = corruptAnswer(model, seen) ?? earlierAnswer(model, request);
  if (refused) return refused;
  // Only one that is not answered by its key notices that there are more stores by now.
  model.stores_noticed = candidates(model);
  const offers = stocksIn(model.stores_noticed);
  const corrupt = corruptAnswer(model, offers);
  if (corrupt) return corrupt;
  if (!offers.some(({ known }) => known)) return refuse("UNKNOWN_SKU", { sku });
  const enough = offers.filter(({ available }) => available >= quantity);
  const picked = pick(model, request, enough);
  if (!picked) {
    const counts = offers.map(({ available }) => available);
    const total_available = counts.reduce((sum, units) => sum + units, 0);
    const available = Math.max(...counts);
    return refuse("SOLD_OUT", { sku, requested: quantity, available, total_available });
  }
  const { store_id } = picked;
  const says = {
    hold_id: said.hold_id,
    order_id: said.order_id,
    store_id,
    confirmed_at: said.confirmed_at,
  };
  const effect = (span: Span) => {
    const hold_id = newId(said.hold_id, HOLD_ID_PATTERN, model);
    const order_id = newId(said.order_id, ORDER_ID_PATTERN, model);
    const fact = addFact(model, "HOLD_PURCHASED", span);
    const expires_at = learnTime(fact, said.confirmed_at);
    fact.payload = { hold_id, order_id, status: "CONFIRMED", user_id, expires_at, version: 1 };
    fact.lines = [{ quantity, ...changeStock(picked, fact, -quantity, 0) }];
    model.holds.set(hold_id, {
      hold_id,
      status: "CONFIRMED",
      lines: [{ sku, store_id, quantity }],
      user_id,
      created: fact,
      expires_at,
      version: 1,
      ended: fact,
      order_id,
      payment_ref: "",
      due: { from: expires_at, to: expires_at },
    });
    if (policy === "round-robin") model.turns.set(sku, turnOf(model, sku) + 1);
    remember(model, request, fact, says);
  };
  return { word: "PURCHASED", says, effect };
}

export function readStocks(model: Model, { sku }: ReadStocks, said: Answer): Decision {
  model.stores_noticed = candidates(model);
  const stocks = model.stores_noticed.map((store_id) => stockOf(model, { sku, store_id }));
  const corrupt = corruptAnswer(model, stocks);
  if (corrupt) return corrupt;
  const found = stocks.filter(({ known }) => known);
  const counts = found.map(({ store_id, available, held, version, changed }) => ({
    store_id,
    available,
    held,
    version,
    changed_at: changed ? learnTime(changed, changedAt(said, store_id)) : null,
  }));
  return refuse("STOCKS", { counts });
}

/** The stores that a purchase looks at: the default one, then those registered, by name. */
const candidates = ({ stores }: Model) => [
  DEFAULT_STORE,
  ...[...stores.keys()].filter((store_id) => store_id !== DEFAULT_STORE).sort(),
];

const turnOf = ({ turns }: Model, sku: string) => turns.get(sku) ?? 0;

/** Of those that have enough, in their order; the first of several that are as good. */
function pick(model: Model, { policy, sku }: Purchase, enough: ModelStock[]) {
  const rank = ({ store_id }: ModelStock) => model.stores.get(store_id) ?? 0;
  switch (policy) {
    case "highest-available":
      return enough.toSorted((a, b) => b.available - a.available || rank(a) - rank(b))[0];
    case "lowest-latency":
      return enough.toSorted((a, b) => rank(a) - rank(b) || b.available - a.available)[0];
    case "round-robin":
      return enough[turnOf(model, sku) % enough.length];
  }
}

/** Whoever brings stock to a store makes it known, as the nearest one. */
function register({ stores }: Model, store_id: string) {
  if (store_id !== DEFAULT_STORE && !stores.has(store_id)) stores.set(store_id, 0);
}

function learnEvent(fact: Fact, said: Answer, model: Model) {
  learnTime(fact, said.occurred_at);
  expect(said.event_id).toMatch(UUID);
  expect(model.events.some(({ event_id }) => event_id === said.event_id)).toBe(false);
  fact.event_id = String(said.event_id);
}

function changedAt({ counts }: Answer, store_id: string): unknown {
  if (!Array.isArray(counts)) return undefined;
  return counts.find((stock) => stock.store_id === store_id)?.changed_at;
}
