/**
 * WAITING until it is served: OFFERED a hold, or REFUSED since a rule of the sale lets the customer have no
 * more. Or until it has LEFT. What became of an offer is its hold's to say.
 */
export const WAITER_STATUSES = ["WAITING", "OFFERED", "LEFT", "REFUSED"] as const;
export type WaiterStatus = (typeof WAITER_STATUSES)[number];

/** A customer who waits for units of a stock. Times are ms since 1970 on Redis's clock. */
export type Waiter = {
  waiter_id: string;
  status: WaiterStatus;
  sku: string;
  store_id: string;
  quantity: number;
  user_id: string;
  /** How long the offer is to last. */
  offer_ms: number;
  joined_at: number;
  /** The seq of the event that told of it: its place in the queue is behind all lower ones. */
  joined_seq: number;
};

/** The hold that a waiter is offered, or will be: both have one id. */
export const offerOf = (waiter_id: string) => `H-${waiter_id.slice(2)}`;
