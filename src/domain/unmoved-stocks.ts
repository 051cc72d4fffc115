import {
  type InventoryEvent,
  isHoldEvent,
  isPaymentEvent,
  isRulesEvent,
  isWaiterEvent,
} from "./event.ts";

/** `store_id` is empty when an event is about a sku in all stores. */
export type Stock = { sku: string; store_id: string };

/** The stocks that an event is about without moving any of their units, each once. See `changesOf`. */
export function unmovedStocks(event: InventoryEvent): Stock[] {
  if (isRulesEvent(event)) return [{ sku: event.payload.sku, store_id: "" }];
  if (isWaiterEvent(event)) return [stockOf(event.payload)];
  if (isPaymentEvent(event)) return event.payload.hold?.lines.map(stockOf) ?? [];
  if (isHoldEvent(event)) {
    if (event.type === "HOLD_EXTENDED") return event.payload.lines.map(stockOf);
    if (event.type !== "HOLD_CHANGED") return [];
    return event.payload.lines.filter(({ deltas }) => deltas && isStill(deltas)).map(stockOf);
  }
  if (event.type !== "ORDER_RETURNED") return [];
  return event.payload.lines.filter((line) => isStill({ ...line, held_delta: 0 })).map(stockOf);
}

const stockOf = ({ sku, store_id }: Stock): Stock => ({ sku, store_id });
const isStill = (of: { available_delta: number; held_delta: number }) =>
  of.available_delta === 0 && of.held_delta === 0;
