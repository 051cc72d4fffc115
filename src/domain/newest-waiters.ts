import { type InventoryEvent, isHoldEvent, isWaiterEvent } from "./event.ts";
import type { Waiter } from "./waiter.ts";

/** Each waiter that some events speak of, as they leave it: what ends a wait is newer. */
export function newestWaiters(events: InventoryEvent[]): Waiter[] {
  const waiters = new Map<string, Waiter>();
  for (const waiter of events.flatMap(waiterIn)) {
    if (waiter.status === "WAITING" && waiters.has(waiter.waiter_id)) continue;
    waiters.set(waiter.waiter_id, waiter);
  }
  return [...waiters.values()];
}

function waiterIn(event: InventoryEvent): Waiter[] {
  if (isWaiterEvent(event)) return [event.payload];
  if (!isHoldEvent(event)) return [];
  const {
    waiter,
    user_id,
    lines: [line],
  } = event.payload;
  if (!waiter || !line) return [];
  const { sku, store_id, quantity } = line;
  return [{ ...waiter, status: "OFFERED", sku, store_id, quantity, user_id }];
}
