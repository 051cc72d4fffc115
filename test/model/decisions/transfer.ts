import { earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import {
  addFact,
  changeStock,
  corruptAnswer,
  type Decision,
  type Model,
  type ModelStock,
  refuse,
  STOCK_MAX,
  stockOf,
  sumLines,
} from "../model.ts";
import type { Answer, Transfer } from "../requests.ts";
import { learnEvent, register } from "./stock-changes.ts";

export const transferWords = [
  ...KEYED_WORDS,
  "TRANSFERRED",
  "UNKNOWN_SKU",
  "WOULD_GO_NEGATIVE",
  "INVALID_REQUEST",
];

export function transfer(model: Model, request: Transfer, said: Answer): Decision {
  const { from_store, to_store, late } = request;
  if (from_store === to_store) return refuse("INVALID_REQUEST");
  if (late) return refuse("LATE");
  const moved = sumLines(request.lines).map(({ sku, quantity }) => ({
    quantity,
    from: stockOf(model, { sku, store_id: from_store }),
    to: stockOf(model, { sku, store_id: to_store }),
  }));
  const both = moved.flatMap(({ from, to }) => [from, to]);
  const refused = corruptAnswer(model, both) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const unknown = moved.find(({ from }) => !from.known);
  if (unknown) return refuse("UNKNOWN_SKU", { sku: unknown.from.sku });
  const short = moved
    .filter(({ from, quantity }) => quantity > from.available)
    .map(({ from: { sku, store_id, available }, quantity }) => {
      return { sku, store_id, requested: quantity, available };
    });
  if (short.length > 0) return refuse("WOULD_GO_NEGATIVE", { ...short[0], lines: short });
  if (moved.some(({ to, quantity }) => to.available + to.held + quantity > STOCK_MAX)) {
    return refuse("INVALID_REQUEST");
  }
  const says = { event_id: said.event_id, occurred_at: said.occurred_at };
  const effect = () => {
    const fact = addFact(model, "STOCK_TRANSFERRED");
    learnEvent(fact, said, model);
    fact.payload = { actor: "api", from_store, to_store };
    const move = (stock: ModelStock, available_delta: number) => {
      return { available_delta, ...changeStock(model, stock, fact, available_delta, 0) };
    };
    const left = moved.map(({ from, quantity }) => move(from, -quantity));
    const come = moved.map(({ to, quantity }) => move(to, quantity));
    fact.lines = [...left, ...come];
    register(model, to_store);
    remember(model, request, fact, says);
  };
  return { word: "TRANSFERRED", says, effect };
}
