import { HOLD_ID_PATTERN, ORDER_ID_PATTERN } from "../../../src/domain/ids.ts";
import { earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import {
  addFact,
  changeStock,
  corruptAnswer,
  type Decision,
  learnTime,
  type Model,
  type ModelStock,
  refuse,
  stockOf,
} from "../model.ts";
import type { Answer, Purchase } from "../requests.ts";
import { closedAnswer, countCustomer, limitAnswer } from "./customers.ts";
import { newHold, newId, payloadOf } from "./hold-changes.ts";
import { serve } from "./serving.ts";
import { candidates } from "./stock-changes.ts";

export const purchaseWords = [...KEYED_WORDS, "PURCHASED", "UNKNOWN_SKU", "SOLD_OUT", "ALL_HELD"];
/** These are seen of all policies together: the rules come before them. */
export const ruledPurchaseWords = [
  ...["SALE_PAUSED", "SALE_NOT_OPEN", "SALE_CLOSED", "INVALID_REQUEST"],
  ...["passes maxPerOrder", "passes maxPerCustomer"],
];

export function purchase(model: Model, request: Purchase, said: Answer): Decision {
  const { sku, quantity, user_id, policy } = request;
  const stocksIn = (ids: string[]) => ids.map((store_id) => stockOf(model, { sku, store_id }));
  model.stores_seen ??= candidates(model);
  if (request.late) return refuse("LATE");
  const seen = stocksIn(model.stores_seen);
  const refused = corruptAnswer(model, seen) ?? earlierAnswer(model, request);
  if (refused) return refused;
  // Only one that is not answered by its key notices that there are more stores by now.
  model.stores_noticed = candidates(model);
  const offers = stocksIn(model.stores_noticed);
  const corrupt = corruptAnswer(model, offers);
  if (corrupt) return corrupt;
  if (!offers.some(({ known }) => known)) return refuse("UNKNOWN_SKU", { sku });
  for (const offer of offers) serve(model, offer);
  const ruled =
    closedAnswer(model, sku) ?? limitAnswer(model, { sku, user_id, units: quantity, holds: 0 });
  if (ruled) return { ...ruled, seen: ruled.seen ?? ruled.word };
  const enough = offers.filter(({ available }) => available >= quantity);
  const picked = pick(model, request, enough);
  if (!picked) {
    const counts = offers.map(({ available }) => available);
    const total_available = counts.reduce((sum, units) => sum + units, 0);
    const available = Math.max(...counts);
    const held = offers.reduce((sum, offer) => sum + offer.held, 0);
    const word = held > 0 ? "ALL_HELD" : "SOLD_OUT";
    return refuse(word, { sku, requested: quantity, available, total_available, held });
  }
  const { store_id } = picked;
  const says = {
    hold_id: said.hold_id,
    order_id: said.order_id,
    store_id,
    confirmed_at: said.confirmed_at,
  };
  const effect = () => {
    const hold_id = newId(said.hold_id, HOLD_ID_PATTERN, model);
    const order_id = newId(said.order_id, ORDER_ID_PATTERN, model);
    const fact = addFact(model, "HOLD_PURCHASED");
    const expires_at = learnTime(fact, said.confirmed_at);
    fact.lines = [{ quantity, ...changeStock(model, picked, fact, -quantity, 0) }];
    const lines = [{ sku, store_id, quantity }];
    const hold = newHold(model, { hold_id, lines, user_id, created: fact, expires_at });
    Object.assign(hold, { status: "CONFIRMED", ended: fact, order_id });
    fact.payload = { ...payloadOf(hold), order_id };
    countCustomer(model, sku, user_id, quantity, 0);
    if (policy === "round-robin") model.turns.set(sku, turnOf(model, sku) + 1);
    remember(model, request, fact, says);
  };
  return { word: "PURCHASED", says, effect };
}

const turnOf = ({ turns }: Model, sku: string) => turns.get(sku) ?? 0;

/** Of those that have enough, in their order; the first of several that are as good. */
function pick(model: Model, { policy, sku }: Purchase, enough: ModelStock[]) {
  const rank = ({ store_id }: ModelStock) => model.stores.get(store_id) ?? 0;
  switch (policy) {
    case "highest-available":
      return enough.toSorted((a, b) => b.available - a.available || rank(a) - rank(b))[0];
    case "lowest-latency":
      return enough.toSorted((a, b) => rank(a) - rank(b) || b.available - a.available)[0];
    case "round-robin":
      return enough[turnOf(model, sku) % enough.length];
  }
}
