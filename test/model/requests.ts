import type { Line } from "../../src/domain/hold.ts";
import type { Policy, StockOperation } from "../../src/domain/stock.ts";

// What the model and the real inventory are both asked.

/** `late`: its deadline had passed before it was sent. */
type Asked = { late?: boolean | undefined };
export type Reserve = Asked & {
  does: "reserve";
  route: "reserve" | "v1_reserve";
  key: string;
  lines: Line[];
  user_id: string;
  ttl_ms: number;
};
export type Confirm = Asked & {
  does: "confirm";
  route: "confirm" | "v1_confirm";
  key: string | undefined;
  hold_id: string;
  payment_ref: string;
};
export type Cancel = Asked & {
  does: "cancel";
  route: "cancel" | "v1_cancel";
  key: string | undefined;
  hold_id: string;
  reason: string;
};
export type Expire = Asked & { does: "expire"; hold_id: string };
export type Change = Asked & {
  does: "change";
  route: "adjust" | "count";
  key: string;
  sku: string;
  store_id: string;
  operation: StockOperation;
  units: number;
  if_version: number | undefined;
  reason: string;
};
export type Transfer = Asked & {
  does: "transfer";
  route: "transfer";
  key: string;
  from_store: string;
  to_store: string;
  lines: { sku: string; quantity: number }[];
};
export type Purchase = Asked & {
  does: "purchase";
  route: "purchase";
  key: string;
  sku: string;
  quantity: number;
  user_id: string;
  policy: Policy;
};
export type ReadStocks = Asked & { does: "read stocks"; sku: string };
export type ReadHold = Asked & { does: "read hold"; hold_id: string };

export type Request =
  | Reserve
  | Confirm
  | Cancel
  | Expire
  | Change
  | Transfer
  | Purchase
  | ReadStocks
  | ReadHold;

/** An outcome word and what was said with it, as the inventory's functions name it. */
export type Answer = { word: string; [fact: string]: unknown };

/** When it was asked and when answered, in ms of the clock that this machine and its Redis share. */
export type Span = { from: number; to: number };
