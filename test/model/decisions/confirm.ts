import { earlierAnswer, KEYED_WORDS } from "../keyed.ts";
import { type Decision, type Model, refuse } from "../model.ts";
import type { Answer, Confirm } from "../requests.ts";
import { NOT_ALIVE_WORDS, notAliveAnswer, openingAnswer } from "./hold-changes.ts";
import { chooseSold, saleOf, sell } from "./selling.ts";

export const confirmWords = [
  ...KEYED_WORDS,
  ...NOT_ALIVE_WORDS,
  ...["CONFIRMED", "INVALID_REQUEST", "in time, all", "in time, a part"],
];

export function confirm(model: Model, request: Confirm, said: Answer, now: number): Decision {
  const refused = openingAnswer(model, request) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const hold = model.holds.get(request.hold_id);
  if (hold?.status === "CONFIRMED" && hold.payment_ref === request.payment_ref) {
    return refuse("REPLAYED", saleOf(hold));
  }
  const not_alive = notAliveAnswer(hold, now);
  if (!hold || not_alive) return not_alive ?? refuse("HOLD_NOT_FOUND");
  const sold = chooseSold(hold.lines, request.parts);
  return Array.isArray(sold) ? sell(model, request, hold, sold, { said, now }) : sold;
}
