import { REASON } from "../ask.ts";
import { earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import {
  addFact,
  changeStock,
  corruptAnswer,
  type Decision,
  learnTime,
  type Model,
  refuse,
  stateOf,
  stockOf,
} from "../model.ts";
import type { Answer, ReturnUnits } from "../requests.ts";
import { countCustomer, rulesOf } from "./customers.ts";

export const returnWords = [
  ...KEYED_WORDS.filter((word) => word !== "REPLAYED"),
  ...["RETURNED", "once more", "into stock", "not into stock", "and may be bought again"],
];

/** That no more comes back than was sold is decided before, in Postgres. */
export function returnUnits(model: Model, request: ReturnUnits, said: Answer): Decision {
  const { key, order_id, user_id, restock, lines } = request;
  if (request.late) return refuse("LATE");
  const refused = corruptAnswer(model, lines) ?? earlierAnswer(model, request);
  // Whether it was the first time is not told.
  if (refused?.word === "REPLAYED") return { ...refused, word: "RETURNED", seen: "once more" };
  if (refused) return refused;
  const says = { returned_at: said.returned_at };
  const is_free = ({ sku }: { sku: string }) =>
    user_id !== "" && rulesOf(model, sku).returns_free === true;
  const effect = () => {
    const fact = addFact(model, "ORDER_RETURNED");
    fact.event_id = key;
    learnTime(fact, said.returned_at);
    fact.payload = { actor: "api", reference: order_id, reason: REASON };
    fact.lines = lines.map((line) => {
      const freed = is_free(line);
      if (freed) countCustomer(model, line.sku, user_id, -line.quantity, 0);
      const stock = stockOf(model, line);
      const available_delta = restock ? line.quantity : 0;
      const after = restock ? changeStock(model, stock, fact, line.quantity, 0) : stateOf(stock);
      return { freed: freed || undefined, available_delta, ...after };
    });
    remember(model, request, fact, says, [key, said.returned_at]);
  };
  const free = lines.some(is_free);
  const seen = free ? "and may be bought again" : restock ? "into stock" : "not into stock";
  return { word: "RETURNED", says, effect, seen };
}
