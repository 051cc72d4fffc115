import { randomUUID } from "node:crypto";
import { FOREVER, keys, type LineSpec, type Request } from "./script-side.ts";

export type ReturnSpec = {
  /** The return's, which is its idempotency key too. */
  event_id?: string;
  fingerprint?: string;
  order_id?: string;
  user_id?: string;
  restock?: boolean | string;
  reason?: string;
  lines?: LineSpec[];
  deadline?: number | string;
};

export function returnRequest(spec: ReturnSpec = {}): Request {
  const { event_id = randomUUID(), fingerprint = "return-1", deadline = FOREVER } = spec;
  const { order_id = "O-1", user_id = "user-1", restock = true, reason = "" } = spec;
  const lines = (spec.lines ?? [{ sku: "phone", quantity: 1 }]).map((line) => ({
    store_id: "main",
    ...line,
  }));
  const sent = typeof restock === "string" ? restock : restock ? "1" : "0";
  const args = [deadline, event_id, "request-6", fingerprint, "api", order_id, "H-1", user_id];
  return {
    keys: [keys.idem("return", event_id), ...lines.flatMap(keys.ofStock)],
    args: [
      ...[...args, sent, reason, lines.length].map(String),
      ...lines.flatMap(({ sku, store_id, quantity }) => [sku, store_id, String(quantity)]),
    ],
  };
}
