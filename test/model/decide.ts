import { POLICIES } from "../../src/domain/stock.ts";
import { cancel, cancelWords } from "./decisions/cancel.ts";
import { change, changeWords } from "./decisions/change.ts";
import { changeHold, changeHoldWords } from "./decisions/change-hold.ts";
import { changeRules, changeRulesWords } from "./decisions/change-rules.ts";
import { confirm, confirmWords } from "./decisions/confirm.ts";
import { expire, expireWords } from "./decisions/expire.ts";
import { extend, extendWords } from "./decisions/extend.ts";
import { purchase, purchaseWords, ruledPurchaseWords } from "./decisions/purchase.ts";
import { readHold, readHoldWords } from "./decisions/read-hold.ts";
import { readStocks, readStocksWords } from "./decisions/read-stocks.ts";
import { reserve, reserveWords } from "./decisions/reserve.ts";
import { returnUnits, returnWords } from "./decisions/return.ts";
import { settle, settleWords } from "./decisions/settle.ts";
import { transfer, transferWords } from "./decisions/transfer.ts";
import { join, joinWords, leave, leaveWords, offer, offerWords } from "./decisions/waiting.ts";
import type { Decision, Model } from "./model.ts";
import type { Answer, Request } from "./requests.ts";

/**
 * What must be answered at the moment `now`: each operation has a file in decisions/ that says it. What only
 * Redis can know, ids and times, is taken from `said`; the effect looks whether it can be right.
 */
export function decide(model: Model, request: Request, said: Answer, now: number): Decision {
  switch (request.does) {
    case "reserve":
      return reserve(model, request, said);
    case "confirm":
      return confirm(model, request, said, now);
    case "cancel":
      return cancel(model, request, now);
    case "expire":
      return expire(model, request, now);
    case "change":
      return change(model, request, said);
    case "transfer":
      return transfer(model, request, said);
    case "purchase":
      return purchase(model, request, said);
    case "read stocks":
      return readStocks(model, request, said);
    case "read hold":
      return readHold(model, request, said);
    case "settle":
      return settle(model, request, said, now);
    case "extend":
      return extend(model, request, said, now);
    case "change hold":
      return changeHold(model, request, now);
    case "change rules":
      return changeRules(model, request, said);
    case "return":
      return returnUnits(model, request, said);
    case "join":
      return join(model, request, said);
    case "leave":
      return leave(model, request);
    case "offer":
      return offer(model, request);
  }
}

/** Everything that each of them can be told. A test that has not seen all of it has tried too little. */
const WORDS: Record<Request["does"], string[]> = {
  reserve: reserveWords,
  confirm: confirmWords,
  cancel: cancelWords,
  expire: expireWords,
  change: changeWords,
  transfer: transferWords,
  purchase: purchaseWords,
  "read stocks": readStocksWords,
  "read hold": readHoldWords,
  settle: settleWords,
  extend: extendWords,
  "change hold": changeHoldWords,
  "change rules": changeRulesWords,
  return: returnWords,
  join: joinWords,
  leave: leaveWords,
  offer: offerWords,
};

/** What of it is seen apart: each policy of purchases is told everything. */
export const OUTCOMES: string[] = [
  ...Object.entries(WORDS).flatMap(([does, words]) => {
    const kinds = does === "purchase" ? POLICIES.map((policy) => `purchase ${policy}`) : [does];
    return kinds.flatMap((kind) => words.map((word) => `${kind} ${word}`));
  }),
  ...ruledPurchaseWords.map((word) => `purchase ${word}`),
];
