import type { ScriptName } from "../../src/redis/scripts.ts";
import { changeLinesRequest, extendRequest } from "./changing-requests.ts";
import { settleRequest } from "./payment-requests.ts";
import { returnRequest } from "./return-requests.ts";
import { basesRequest, rulesRequest } from "./rules-requests.ts";
import {
  cancelRequest,
  confirmRequest,
  createRequest,
  expireRequest,
  type HoldSpec,
  type Request,
  type ScriptSide,
} from "./script-side.ts";
import { changeRequest, purchaseRequest, transferRequest } from "./stock-requests.ts";
import { joinRequest, leaveRequest, newWaiter, offerRequest } from "./waiting-requests.ts";

let hold: HoldSpec;
let waiter_id = "";

/** What `script` needs to grant its request, of an empty Redis: stock, and a hold, which is returned. */
export async function stockFor(script: ScriptName, side: ScriptSide): Promise<HoldSpec> {
  await side.redis.set("stock:phone", "5");
  hold = await (script === "expire_holds" ? side.dueHold() : side.hold());
  waiter_id = newWaiter();
  // Somebody has to wait, and for units that have come since.
  if (script === "leave_waiting" || script === "offer_stock") {
    await side.call("join_waiting", joinRequest({ waiter_id, quantity: 9 }));
  }
  if (script === "offer_stock") await side.redis.set("stock:phone", "20");
  return hold;
}

/** A request of each script that decides, which it grants, and its answer. */
export const GRANTED: [ScriptName, string, () => Request][] = [
  ["create_holds", "CREATED", () => createRequest()],
  ["confirm_holds", "CONFIRMED", () => confirmRequest({ ...hold, idem: "k" })],
  ["cancel_holds", "CANCELLED", () => cancelRequest({ ...hold, idem: "k" })],
  ["expire_holds", "EXPIRED", () => expireRequest(hold)],
  ["change_stocks", "CHANGED", () => changeRequest({ units: 2 })],
  [
    "transfer_stock",
    "TRANSFERRED",
    () => transferRequest({ lines: [{ sku: "phone", quantity: 1 }] }),
  ],
  ["settle_payments", "CONFIRMED", () => settleRequest({ ...hold, idem: "k" })],
  ["create_purchases", "PURCHASED", () => purchaseRequest({})],
  ["extend_holds", "EXTENDED", () => extendRequest(hold)],
  [
    "change_holds",
    "CHANGED",
    () => changeLinesRequest({ ...hold, wanted: [{ sku: "phone", quantity: 2 }] }),
  ],
  [
    "reduce_holds",
    "CANCELLED",
    () => changeLinesRequest({ ...hold, wanted: [{ sku: "phone", quantity: 0 }] }),
  ],
  ["join_waiting", "JOINED", () => joinRequest({ quantity: 9 })],
  ["leave_waiting", "LEFT", () => leaveRequest({ waiter_id })],
  ["offer_stock", "SERVED", () => offerRequest()],
  ["add_counts", "ADDED", () => basesRequest({})],
  ["change_rules", "CHANGED", () => rulesRequest({ rules: "max_per_order=2" })],
  ["return_units", "RETURNED", () => returnRequest()],
];
