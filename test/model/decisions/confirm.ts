import { ORDER_ID_PATTERN } from "../../../src/domain/ids.ts";
import {
  type Decision,
  earlierAnswer,
  KEYED_WORDS,
  learnTime,
  type Model,
  refuse,
  remember,
} from "../model.ts";
import type { Answer, Confirm, Span } from "../requests.ts";
import { end, endingAnswer, newId } from "./hold-changes.ts";

export const confirmWords = [
  ...KEYED_WORDS,
  "CONFIRMED",
  "HOLD_NOT_FOUND",
  "HOLD_ALREADY_CONFIRMED",
  "HOLD_CANCELLED",
  "HOLD_EXPIRED",
];

export function confirm(model: Model, request: Confirm, said: Answer, now: number): Decision {
  const { hold_id, payment_ref } = request;
  const refused = endingAnswer(model, request) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const hold = model.holds.get(hold_id);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  if (hold.status === "CONFIRMED") {
    if (hold.payment_ref !== payment_ref) return refuse("HOLD_ALREADY_CONFIRMED", { hold_id });
    return refuse("REPLAYED", { order_id: hold.order_id, confirmed_at: hold.ended?.at });
  }
  if (hold.status === "CANCELLED") return refuse("HOLD_CANCELLED", { hold_id });
  if (hold.status === "EXPIRED" || now >= hold.expires_at) {
    const expires_at = new Date(hold.expires_at).toISOString();
    return refuse("HOLD_EXPIRED", { hold_id, expires_at });
  }
  const says = { order_id: said.order_id, confirmed_at: said.confirmed_at };
  const effect = (span: Span) => {
    hold.order_id = newId(said.order_id, ORDER_ID_PATTERN, model);
    hold.payment_ref = payment_ref;
    const fact = end(model, hold, "HOLD_CONFIRMED", span);
    fact.payload.order_id = hold.order_id;
    if (payment_ref !== "") fact.payload.payment_ref = payment_ref;
    learnTime(fact, said.confirmed_at);
    remember(model, request, fact, says);
  };
  return { word: "CONFIRMED", says, effect };
}
