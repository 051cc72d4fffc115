import {
  type HoldEventType,
  type InventoryEvent,
  isHoldEvent,
  isPaymentEvent,
  isRulesEvent,
  isWaiterEvent,
  type StockState,
} from "./event.ts";

/** A stock as an event left it, and what the event itself did to it. */
export type LineChange = StockState & { available_delta: number; held_delta: number };

/** How an event changed each of its stocks. */
export function changesOf(event: InventoryEvent): LineChange[] {
  if (isRulesEvent(event) || isPaymentEvent(event) || isWaiterEvent(event)) return [];
  if (!isHoldEvent(event)) {
    const { type, payload } = event;
    const moved = type === "ORDER_RETURNED" ? payload.lines.filter(wasMoved) : payload.lines;
    return moved.map(({ freed: _, ...line }) => ({ ...line, held_delta: 0 }));
  }
  const { type, payload } = event;
  if (type === "HOLD_EXTENDED") return [];
  return payload.lines.flatMap(({ sku, store_id, quantity, available, held, version, deltas }) => {
    const { available_delta, held_delta } = deltas ?? holdDeltas(type, quantity);
    // A line that stayed as it was has no version of its stock to itself.
    if (deltas && available_delta === 0 && held_delta === 0) return [];
    return [{ sku, store_id, available, held, version, available_delta, held_delta }];
  });
}

// What came back and can't be sold again leaves its stock as it was.
const wasMoved = ({ available_delta }: { available_delta: number }) => available_delta !== 0;

/** What a hold's event does to each stock of which the hold has so many units. */
export function holdDeltas(type: HoldEventType, quantity: number) {
  switch (type) {
    case "HOLD_CREATED":
      return { available_delta: -quantity, held_delta: quantity };
    case "HOLD_CONFIRMED":
      return { available_delta: 0, held_delta: -quantity };
    case "HOLD_CANCELLED":
    case "HOLD_EXPIRED":
      return { available_delta: quantity, held_delta: -quantity };
    case "HOLD_PURCHASED":
      return { available_delta: -quantity, held_delta: 0 };
    case "HOLD_CHANGED":
    case "HOLD_EXTENDED":
      return { available_delta: 0, held_delta: 0 };
  }
}
