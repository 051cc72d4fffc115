import { expect } from "@jest/globals";
import { WAITER_ID_PATTERN } from "../../../src/domain/ids.ts";
import { EVENT_ID, earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import {
  addFact,
  corruptAnswer,
  type Decision,
  learnTime,
  type Model,
  type ModelWaiter,
  refuse,
  stockOf,
} from "../model.ts";
import type { Answer, Join, Leave, Offer } from "../requests.ts";
import { closedAnswer, limitPassed, rulesOf } from "./customers.ts";
import { queueOf, serve, waiterPayload } from "./serving.ts";

export const joinWords = [
  ...KEYED_WORDS,
  ...["JOINED", "UNKNOWN_SKU", "STOCK_AVAILABLE", "ALREADY_WAITING"],
  ...["SALE_PAUSED", "SALE_NOT_OPEN", "SALE_CLOSED", "LIMIT_EXCEEDED", "behind others"],
];
export const leaveWords = [
  ...["LEFT", "REPLAYED", "REFUSED", "OFFERED", "WAITER_NOT_FOUND"],
  ...["IDEMPOTENCY_KEY_REUSED", "CORRUPT", "LATE"],
];
export const offerWords = ["SERVED", "CORRUPT", "LATE"];

export function join(model: Model, request: Join, said: Answer): Decision {
  const { sku, store_id, quantity, user_id, offer_ms } = request;
  if (request.late) return refuse("LATE");
  const refused = corruptAnswer(model, [request]) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const stock = stockOf(model, request);
  if (!stock.known) return refuse("UNKNOWN_SKU", { sku });
  const no =
    closedAnswer(model, sku) ??
    limitPassed(sku, "maxPerOrder", rulesOf(model, sku).max_per_order, 0, quantity);
  if (no) return no;
  serve(model, stock);
  const queue = queueOf(model, stock);
  if (queue.length === 0 && stock.available >= quantity) {
    return refuse("STOCK_AVAILABLE", { sku, available: stock.available });
  }
  const place = queue.find((waiter) => waiter.user_id === user_id);
  if (place) return refuse("ALREADY_WAITING", { sku, waiter_id: place.waiter_id });

  const { waiter_id, joined_at } = said;
  const says = { waiter_id, joined_at, position: queue.length + 1 };
  const effect = () => {
    expect(waiter_id).toMatch(WAITER_ID_PATTERN);
    expect(model.waiters.has(String(waiter_id))).toBe(false);
    const joined = addFact(model, "WAITER_JOINED");
    learnTime(joined, joined_at);
    const waiter: ModelWaiter = {
      ...{ sku, store_id, quantity, user_id, offer_ms, joined },
      waiter_id: String(waiter_id),
      status: "WAITING",
      joined_seq: model.events.length,
      ended: undefined,
    };
    model.waiters.set(waiter.waiter_id, waiter);
    joined.payload = waiterPayload(waiter);
    remember(model, request, joined, says);
    serve(model, stock); // those before it may want more than there is
  };
  return { word: "JOINED", says, effect, ...(queue.length > 0 ? { seen: "behind others" } : {}) };
}

export function leave(model: Model, request: Leave): Decision {
  if (request.late) return refuse("LATE");
  const waiter = model.waiters.get(request.waiter_id);
  const refused = corruptAnswer(model, waiter ? [waiter] : []) ?? earlierAnswer(model, request);
  if (refused) return refused;
  if (!waiter) return refuse("WAITER_NOT_FOUND");
  switch (waiter.status) {
    case "OFFERED":
      return refuse("OFFERED", { hold_id: `H-${request.waiter_id.slice(2)}` });
    case "REFUSED":
      return refuse("REFUSED");
    case "LEFT":
      return refuse("REPLAYED");
    case "WAITING": {
      const effect = () => {
        waiter.status = "LEFT";
        waiter.ended = addFact(model, "WAITER_LEFT");
        waiter.ended.payload = waiterPayload(waiter);
        remember(model, request, waiter.ended, {}, ["LEFT", EVENT_ID]);
        serve(model, stockOf(model, waiter)); // it may have wanted more than there is
      };
      return { word: "LEFT", says: {}, effect };
    }
  }
}

export function offer(model: Model, request: Offer): Decision {
  if (request.late) return refuse("LATE");
  const corrupt = corruptAnswer(model, [request]);
  if (corrupt) return corrupt;
  serve(model, stockOf(model, request));
  return refuse("SERVED", { more: false });
}
