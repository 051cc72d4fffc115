import type { Line } from "../../src/domain/hold.ts";
import type { SaleRules } from "../../src/domain/rules.ts";
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
  /** Nobody asked for it. */
  ttl_is_usual: boolean;
  partial: boolean;
  replace: boolean;
};
/** So many units of what is held; of a hold that changes, how many it is to have. */
export type Part = { sku: string; quantity: number };
export type Confirm = Asked & {
  does: "confirm";
  route: "confirm" | "v1_confirm";
  key: string | undefined;
  hold_id: string;
  payment_ref: string;
  /** None: all that is held. */
  parts: Part[];
};
/** Of money that has moved. `ledger`: what Postgres says of a hold that Redis does not know. */
export type Settle = Omit<Confirm, "does"> & {
  does: "settle";
  ledger: "was not asked" | "has none";
};
export type Extend = Asked & {
  does: "extend";
  route: "extend" | "v1_extend";
  key: string;
  hold_id: string;
  ttl_ms: number;
};
export type ChangeHold = Asked & {
  does: "change hold";
  route: "change";
  key: string;
  hold_id: string;
  wanted: Part[];
  if_version: number | undefined;
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

export type ChangeRules = Asked & {
  does: "change rules";
  route: "rules";
  key: string;
  sku: string;
  rules: SaleRules | null;
  if_version: number | undefined;
};
/** Its key is the id of its event. */
export type ReturnUnits = Asked & {
  does: "return";
  route: "return";
  key: string;
  order_id: string;
  hold_id: string;
  user_id: string;
  restock: boolean;
  lines: Line[];
};
export type Join = Asked & {
  does: "join";
  route: "waitlist_join";
  key: string;
  sku: string;
  store_id: string;
  quantity: number;
  user_id: string;
  offer_ms: number;
};
export type Leave = Asked & {
  does: "leave";
  route: "waitlist_leave";
  key: string;
  waiter_id: string;
};
export type Offer = Asked & { does: "offer"; sku: string; store_id: string };

export type Request =
  | Reserve
  | Confirm
  | Settle
  | Extend
  | ChangeHold
  | Cancel
  | Expire
  | Change
  | Transfer
  | Purchase
  | ReadStocks
  | ReadHold
  | ChangeRules
  | ReturnUnits
  | Join
  | Leave
  | Offer;

/** An outcome word and what was said with it, as the inventory's functions name it. */
export type Answer = { word: string; [fact: string]: unknown };

/** When it was asked and when answered, in ms of the clock that this machine and its Redis share. */
export type Span = { from: number; to: number };
