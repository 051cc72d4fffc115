import { addFact, changeStock, type Model, type ModelStock, type ModelWaiter } from "../model.ts";
import { saw } from "../seen.ts";
import { closedAnswer, countCustomer, passedLimit, rulesOf, setOwnHold } from "./customers.ts";
import { newHold } from "./hold-changes.ts";

// Who waits for a stock is served what there is before anybody else. A small world: nowhere do so many wait
// that a script would leave some of them to the next one.

const LOOKED_AT_MAX = 10;

/** Those who wait for a stock, in the order in which they joined. */
export const queueOf = ({ waiters }: Model, { sku, store_id }: { sku: string; store_id: string }) =>
  [...waiters.values()].filter((waiter) => {
    return waiter.status === "WAITING" && waiter.sku === sku && waiter.store_id === store_id;
  });

/**
 * Serves the stock's queue. Unlike what a decision says this happens at once, whatever is decided then; to do
 * it twice is to do it once.
 */
export function serve(model: Model, stock: ModelStock) {
  for (;;) {
    const next = queueOf(model, stock)
      .slice(0, LOOKED_AT_MAX)
      .find(({ quantity }) => quantity <= stock.available);
    if (!next || closedAnswer(model, stock.sku)) return;
    const { sku, user_id, quantity } = next;
    const limit = passedLimit(model, { sku, user_id, units: quantity, holds: 1 });
    if (limit) refuseWaiter(model, next, String(limit.says.rule));
    else offer(model, next, stock);
  }
}

/** What a call does in the end with all the stocks that it has changed. */
export function serveTouched(model: Model) {
  for (const stock of [...model.touched]) serve(model, stock);
  model.touched.clear();
}

function offer(model: Model, waiter: ModelWaiter, stock: ModelStock) {
  const { waiter_id, sku, store_id, quantity, user_id } = waiter;
  const { max_hold_seconds = Infinity } = rulesOf(model, sku);
  const fact = addFact(model, "HOLD_CREATED");
  fact.event_id = idOf(waiter);
  const hold = newHold(model, {
    hold_id: `H-${idOf(waiter)}`,
    lines: [{ sku, store_id, quantity }],
    user_id,
    created: fact,
    expires_at: NaN, // until it is known when this was
  });
  model.offers.push({ hold, ms: Math.min(waiter.offer_ms, max_hold_seconds * 1_000) });
  fact.lines = [{ quantity, ...changeStock(model, stock, fact, -quantity, quantity) }];
  fact.payload = { ...fact.payload, request_id: waiter_id, waiter: placeOf(waiter) };
  countCustomer(model, sku, user_id, quantity, 1);
  setOwnHold(model, sku, user_id, hold.hold_id);
  waiter.status = "OFFERED";
  waiter.ended = fact;
  saw("offer made");
}

const EVENT_NAMES: Record<string, string> = {
  maxPerOrder: "max_per_order",
  maxActiveHolds: "max_active_holds",
  maxPerCustomer: "max_per_customer",
};

function refuseWaiter(model: Model, waiter: ModelWaiter, rule: string) {
  waiter.status = "REFUSED";
  waiter.ended = addFact(model, "WAITER_LEFT");
  waiter.ended.event_id = idOf(waiter);
  waiter.ended.payload = { ...waiterPayload(waiter), request_id: waiter.waiter_id };
  waiter.ended.payload.reason = EVENT_NAMES[rule];
  saw(`waiter refused by ${rule}`);
}

const idOf = ({ waiter_id }: ModelWaiter) => waiter_id.slice("W-".length);

/** A waiter as its events show it. */
export function waiterPayload(waiter: ModelWaiter) {
  const { status, sku, store_id, quantity, user_id } = waiter;
  return { status, sku, store_id, quantity, user_id, ...placeOf(waiter) };
}

function placeOf({ waiter_id, joined, joined_seq, offer_ms }: ModelWaiter) {
  return { waiter_id, joined_at: joined.at, joined_seq, offer_ms };
}
