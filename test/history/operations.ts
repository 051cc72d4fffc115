import type { HoldStatus } from "../../src/domain/hold.ts";
import type { Policy } from "../../src/domain/stock.ts";
import type { Operation } from "./linearize.ts";

// What clients ask about one sku, and what they are told. A hold is named by the idempotency key it was
// reserved or bought with: of one whose answer was lost, nobody knows the id.

export type Reserve = {
  does: "reserve";
  key: string;
  store_id: string;
  quantity: number;
  ttl_ms: number;
  user: string;
};
export type Extend = { does: "extend"; key: string; hold: string; ttl_ms: number };
/** Sets how many units a hold has. */
export type Resize = { does: "resize"; key: string; hold: string; quantity: number };
/** Sets how many units each customer may have, live or sold. */
export type Limit = { does: "limit"; key: string; max: number };
export type Ending = { does: "confirm" | "cancel" | "expire"; hold: string };
export type Change = {
  does: "adjust" | "count";
  key: string;
  store_id: string;
  units: number;
};
export type Transfer = {
  does: "transfer";
  key: string;
  from_store: string;
  to_store: string;
  quantity: number;
};
export type Purchase = {
  does: "purchase";
  key: string;
  quantity: number;
  policy: Policy;
  user: string;
};
export type ReadHold = { does: "read hold"; hold: string };
export type ReadStocks = { does: "read stocks" };
export type Input =
  | Reserve
  | Extend
  | Resize
  | Limit
  | Ending
  | Change
  | Transfer
  | Purchase
  | ReadHold
  | ReadStocks;

export type Counts = { available: number; held: number; version: number };
/** The outcome word, and what was said with it: of the members those that this kind of answer has. */
export type Output = {
  word: string;
  /** The id of the hold, the order or the event that it made. */
  id?: string | undefined;
  expires_at?: number | undefined;
  status?: HoldStatus | undefined;
  store_id?: string | undefined;
  counts?: Counts | undefined;
  /** What a refusal says is left. */
  available?: number | undefined;
  total_available?: number | undefined;
  /** How much of a limit is left, or how many extensions. */
  left?: number | undefined;
  /** Units that the hold has. */
  quantity?: number | undefined;
  /** Of all stores that know the sku. */
  stocks?: Record<string, Counts> | undefined;
};

export type SkuOperation = Operation<Input, Output>;
