import { type Decision, learnTime, type Model, refuse } from "../model.ts";
import type { Answer, ReadHold } from "../requests.ts";

export const readHoldWords = ["HOLD", "HOLD_NOT_FOUND"];

export function readHold(model: Model, { hold_id }: ReadHold, said: Answer): Decision {
  const hold = model.holds.get(hold_id);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  const { status, user_id, lines, expires_at, version, order_id, payment_ref, created } = hold;
  return refuse("HOLD", {
    hold_id,
    status,
    user_id,
    lines,
    expires_at,
    version,
    order_id,
    payment_ref: payment_ref || undefined,
    late: hold.late || undefined,
    partial: hold.partial || undefined,
    created_at: created.at,
    ended_at: hold.ended && learnTime(hold.ended, said.ended_at),
  });
}
