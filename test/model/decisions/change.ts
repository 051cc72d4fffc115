import { earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import {
  addFact,
  changeStock,
  corruptAnswer,
  type Decision,
  type Model,
  refuse,
  STOCK_MAX,
  stockOf,
} from "../model.ts";
import type { Answer, Change } from "../requests.ts";
import { learnEvent, register } from "./stock-changes.ts";

export const changeWords = [
  ...KEYED_WORDS,
  "CHANGED",
  "VERSION_CONFLICT",
  "WOULD_GO_NEGATIVE",
  "INVALID_REQUEST",
];

export function change(model: Model, request: Change, said: Answer): Decision {
  const { sku, store_id, operation, units, if_version, reason } = request;
  if (request.late) return refuse("LATE");
  const refused = corruptAnswer(model, [request]) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const stock = stockOf(model, request);
  const { available, held, version } = stock;
  if (if_version !== undefined && if_version !== version) {
    return refuse("VERSION_CONFLICT", { sku, store_id, version });
  }
  const counted = operation === "COUNT";
  const delta = counted ? Math.max(0, units - held) - available : units;
  if (available + delta < 0) {
    const short = { sku, store_id, requested: -units, available };
    return refuse("WOULD_GO_NEGATIVE", short);
  }
  if (delta > 0 && available + held + delta > STOCK_MAX) return refuse("INVALID_REQUEST");
  const says = {
    event_id: said.event_id,
    occurred_at: said.occurred_at,
    available: available + delta,
    held,
    version: version + 1,
    available_delta: delta,
  };
  const effect = () => {
    const fact = addFact(model, counted ? "STOCK_COUNTED" : "STOCK_ADJUSTED");
    learnEvent(fact, said, model);
    fact.payload = { actor: "api", reason, ...(counted ? { on_hand: units } : {}) };
    fact.lines = [{ available_delta: delta, ...changeStock(model, stock, fact, delta, 0) }];
    register(model, store_id);
    remember(model, request, fact, says);
  };
  return { word: "CHANGED", says, effect };
}
