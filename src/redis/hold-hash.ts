import { HOLD_STATUSES, type Hold, type HoldStatus, parseLines } from "../domain/hold.ts";
import type { Tuple } from "./batcher.ts";

// read_holds replies a hold as it stands in its hash: HOLD, and then fields and values one after the other.

function fieldsOf(tuple: Tuple): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = 1; i + 1 < tuple.length; i += 2) fields.set(String(tuple[i]), String(tuple[i + 1]));
  return fields;
}

/** The hold; null when its hash is not one. */
export function parseHold(hold_id: string, tuple: Tuple): Hold | null {
  const fields = fieldsOf(tuple);
  const status = fields.get("status");
  const lines = parseLines(fields.get("lines") ?? "");
  const created_at = Number(fields.get("created_at"));
  const expires_at = Number(fields.get("expires_at"));
  const ended_at = fields.get("ended_at");
  if (!isStatus(status) || !lines || !(created_at > 0) || !(expires_at > 0)) return null;
  return {
    hold_id,
    status,
    user_id: fields.get("user_id") ?? "",
    lines,
    created_at,
    expires_at,
    version: Number(fields.get("version")),
    ended_at: ended_at === undefined ? undefined : Number(ended_at),
    order_id: fields.get("order_id"),
    payment_ref: fields.get("payment_ref"),
    late: fields.get("late") === "1" || undefined,
    partial: fields.get("partial") === "1" || undefined,
  };
}

function isStatus(text: string | undefined): text is HoldStatus {
  return HOLD_STATUSES.some((status) => status === text);
}
