import { PAYMENT_ID_PATTERN } from "../../../src/domain/ids.ts";
import { earlierAnswer, KEYED_WORDS } from "../keyed.ts";
import {
  addFact,
  type Decision,
  learnTime,
  type Model,
  type ModelHold,
  refuse,
  stockOf,
} from "../model.ts";
import type { Answer, Settle } from "../requests.ts";
import { countOf, rulesOf } from "./customers.ts";
import { newId, openingAnswer } from "./hold-changes.ts";
import { chooseSold, saleOf, sell } from "./selling.ts";
import { serve } from "./serving.ts";

export const settleWords = [
  ...KEYED_WORDS,
  ...["CONFIRMED", "UNFULFILLED", "UNFULFILLED_BEFORE", "LEDGER_NEEDED", "INVALID_REQUEST"],
  ...["in time, all", "in time, a part", "late, all", "late, a part", "late, taken again"],
  ...["SOLD_OUT", "LIMIT_EXCEEDED"].map((why) => `could not: ${why}`),
  ...["HOLD_CANCELLED", "HOLD_ALREADY_CONFIRMED", "HOLD_NOT_FOUND"].map(
    (why) => `could not: ${why}`,
  ),
];

/** The money has moved: the hold is sold if its units are there, or it is written down that they are not. */
export function settle(model: Model, request: Settle, said: Answer, now: number): Decision {
  const { hold_id, payment_ref, parts } = request;
  const refused = openingAnswer(model, request) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const before = model.records.get(paymentOf(request));
  if (before) return refuse("UNFULFILLED_BEFORE", before.says);
  const hold = model.holds.get(hold_id);
  if (hold?.status === "CONFIRMED" && hold.payment_ref === payment_ref) {
    return refuse("REPLAYED", saleOf(hold));
  }
  if (!hold && request.ledger === "was not asked") return refuse("LEDGER_NEEDED");
  if (!hold) return unfulfilled(model, request, said, undefined, "HOLD_NOT_FOUND");
  if (hold.status === "CONFIRMED") {
    return unfulfilled(model, request, said, hold, "HOLD_ALREADY_CONFIRMED");
  }
  if (hold.status === "CANCELLED") return unfulfilled(model, request, said, hold, "HOLD_CANCELLED");
  if (hold.status === "EXPIRED") for (const line of hold.lines) serve(model, stockOf(model, line));

  const sold = chooseSold(hold.lines, parts);
  if (!Array.isArray(sold)) return sold;
  const why = hold.status === "EXPIRED" ? obstacle(model, hold, sold) : undefined;
  if (why) return unfulfilled(model, request, said, hold, why);
  const decision = sell(model, request, hold, sold, { said, now });
  return hold.status === "EXPIRED" ? { ...decision, seen: "late, taken again" } : decision;
}

const paymentOf = ({ hold_id, payment_ref }: Settle) => `payment:${hold_id} ${payment_ref}`;

/** Why units that went back can't be taken again. */
function obstacle(model: Model, { lines, user_id }: ModelHold, sold: number[]) {
  const taken = lines.map((line, i) => ({ ...line, quantity: sold[i] ?? 0 }));
  if (taken.some((line) => line.quantity > stockOf(model, line).available)) return "SOLD_OUT";
  const is_beyond = ({ sku }: { sku: string }) => {
    const { max_per_order = Infinity, max_per_customer } = rulesOf(model, sku);
    const of_sku = taken.filter((line) => line.sku === sku);
    const units = of_sku.reduce((sum, { quantity }) => sum + quantity, 0);
    if (units === 0) return false;
    if (units > max_per_order) return true;
    if (max_per_customer === undefined) return false;
    return user_id === "" || countOf(model, sku, user_id).units + units > max_per_customer;
  };
  return taken.some(is_beyond) ? "LIMIT_EXCEEDED" : undefined;
}

function unfulfilled(
  model: Model,
  request: Settle,
  said: Answer,
  hold: ModelHold | undefined,
  why: string,
): Decision {
  const { hold_id, payment_ref } = request;
  const { payment_id, occurred_at } = said;
  const says = { hold_id, payment_ref, payment_id, why, occurred_at };
  const effect = () => {
    const fact = addFact(model, "PAYMENT_UNFULFILLED");
    newId(payment_id, PAYMENT_ID_PATTERN, model);
    learnTime(fact, occurred_at);
    const then = hold && { status: hold.status, user_id: hold.user_id, lines: hold.lines };
    fact.payload = { hold_id, payment_id, payment_ref, why, hold: then ?? null };
    fact.record = paymentOf(request);
    const words = [payment_id, why, occurred_at];
    model.records.set(fact.record, { identity: "payment", fact, says, words });
  };
  return { word: "UNFULFILLED", says, effect, seen: `could not: ${why}` };
}
