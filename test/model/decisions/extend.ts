import { expect } from "@jest/globals";
import { EVENT_ID, earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import {
  addFact,
  DAY_MS,
  type Decision,
  learnTime,
  type Model,
  type ModelHold,
  stateOf,
  stockOf,
} from "../model.ts";
import type { Answer, Extend } from "../requests.ts";
import { limitPassed, rulesOf } from "./customers.ts";
import { NOT_ALIVE_WORDS, notAliveAnswer, openingAnswer, payloadOf } from "./hold-changes.ts";

export const extendWords = [
  ...KEYED_WORDS,
  ...NOT_ALIVE_WORDS,
  ...["EXTENDED", "LIMIT_EXCEEDED", "as long as asked", "as long as it may be", "not at all"],
];
const EXTENSIONS_USUAL = 10;

export function extend(model: Model, request: Extend, said: Answer, now: number): Decision {
  const hold = model.holds.get(request.hold_id);
  const refused =
    openingAnswer(model, request) ?? earlierAnswer(model, request) ?? notAliveAnswer(hold, now);
  if (!hold || refused) return refused ?? { word: "HOLD_NOT_FOUND", says: {} };

  const { limit, sku } = extensionsOf(model, hold);
  const max_expires_at = Math.max(
    hold.expires_at,
    Number(hold.created.at) + lastingMs(model, hold),
  );
  const expires_at = Math.min(now + request.ttl_ms, max_expires_at);
  const left = Math.max(0, limit - hold.extensions);
  if (expires_at <= hold.expires_at) {
    const says = { expires_at: hold.expires_at, max_expires_at, extensions_left: left };
    return { word: "EXTENDED", says, seen: "not at all" };
  }
  const passed = limitPassed(sku, "maxExtensions", limit, hold.extensions, 1);
  if (passed) return passed;
  const is_capped = said.expires_at === max_expires_at;
  // When exactly it was asked, between both moments, is for Redis to say.
  const says = { expires_at: said.expires_at, max_expires_at, extensions_left: left - 1 };
  const effect = () => {
    const fact = addFact(model, "HOLD_EXTENDED");
    if (is_capped) expect(max_expires_at).toBeLessThanOrEqual(model.span.to + request.ttl_ms);
    else learnTime(fact, Number(said.expires_at) - request.ttl_ms);
    hold.expires_at = Number(said.expires_at);
    hold.due = { from: hold.expires_at, to: hold.expires_at };
    hold.version += 1;
    hold.extensions += 1;
    fact.payload = payloadOf(hold);
    fact.lines = hold.lines.map((line) => {
      return { quantity: line.quantity, ...stateOf(stockOf(model, line)) };
    });
    const words = [said.expires_at, max_expires_at, left - 1];
    remember(model, request, fact, says, [EVENT_ID, ...words]);
  };
  return {
    word: "EXTENDED",
    says,
    effect,
    seen: is_capped ? "as long as it may be" : "as long as asked",
  };
}

/** The least of what its skus allow, and whose that is. */
function extensionsOf(model: Model, { lines }: ModelHold) {
  const allowed = lines.flatMap(({ sku }) => {
    const { max_extensions } = rulesOf(model, sku);
    return max_extensions === undefined ? [] : [{ sku, limit: max_extensions }];
  });
  const [least] = allowed.sort((a, b) => a.limit - b.limit);
  return least ?? { sku: lines[0]?.sku ?? "", limit: EXTENSIONS_USUAL };
}

function lastingMs(model: Model, { lines }: ModelHold): number {
  const seconds = lines.map(({ sku }) => rulesOf(model, sku).max_hold_seconds ?? Infinity);
  return Math.min(DAY_MS, ...seconds.map((max) => max * 1_000));
}
