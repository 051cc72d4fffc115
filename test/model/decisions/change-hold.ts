import type { Line } from "../../../src/domain/hold.ts";
import { EVENT_ID, earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import {
  addFact,
  corruptAnswer,
  type Decision,
  type Fact,
  type Model,
  type ModelHold,
  refuse,
  stateOf,
  stockOf,
} from "../model.ts";
import type { ChangeHold } from "../requests.ts";
import {
  closedAnswer,
  countCustomer,
  forgetOwnHold,
  limitAnswer,
  limitPassed,
  rulesOf,
  setOwnHold,
} from "./customers.ts";
import {
  end,
  moveLine,
  NOT_ALIVE_WORDS,
  notAliveAnswer,
  openingAnswer,
  payloadOf,
} from "./hold-changes.ts";
import { TAKING_WORDS } from "./reserve.ts";
import { serve } from "./serving.ts";

export const changeHoldWords = [
  ...KEYED_WORDS,
  ...NOT_ALIVE_WORDS,
  ...TAKING_WORDS,
  ...["CHANGED", "CANCELLED", "VERSION_CONFLICT", "UNKNOWN_SKU", "SOLD_OUT", "ALL_HELD"],
  ...["INVALID_REQUEST", "changes nothing", "takes more", "takes no more"],
];

/** A line as the hold has it and as it is to have it. */
type Changing = Line & { before: number };

export function changeHold(model: Model, request: ChangeHold, now: number): Decision {
  const { hold_id, if_version } = request;
  const hold = model.holds.get(hold_id);
  const refused = openingAnswer(model, request);
  if (refused) return refused;
  const after = hold ? afterwards(hold, request) : [];
  const early =
    corruptAnswer(model, after) ?? earlierAnswer(model, request) ?? notAliveAnswer(hold, now);
  if (!hold || early) return early ?? refuse("HOLD_NOT_FOUND");
  if (if_version !== undefined && if_version !== hold.version) {
    return refuse("VERSION_CONFLICT", { hold_id, version: hold.version });
  }
  const more = after.filter(({ quantity, before }) => quantity > before);
  if (more.length > 0) for (const line of after) serve(model, stockOf(model, line));
  const no = refusedMore(model, hold, more);
  if (no) return no;

  const lines = after
    .filter(({ quantity }) => quantity > 0)
    .map(({ sku, store_id, quantity }) => ({ sku, store_id, quantity }));
  const { expires_at } = hold;
  if (after.every(({ quantity, before }) => quantity === before)) {
    const says = { status: "ACTIVE", version: hold.version, expires_at, lines };
    return { word: "CHANGED", says, seen: "changes nothing" };
  }
  const version = hold.version + 1;
  const word = lines.length > 0 ? "CHANGED" : "CANCELLED";
  const status = lines.length > 0 ? "ACTIVE" : "CANCELLED";
  const says = { status, version, expires_at, lines };
  const effect = () => {
    const fact = lines.length > 0 ? move(model, hold, after) : end(model, hold, "HOLD_CANCELLED");
    if (lines.length > 0) {
      hold.lines = lines;
      hold.version = version;
      fact.payload = payloadOf(hold);
    }
    const texts = lines.map((line) => `${line.sku}@${line.store_id}=${line.quantity}`);
    remember(model, request, fact, says, [word, EVENT_ID, version, expires_at, ...texts]);
  };
  return { word, says, effect, seen: more.length > 0 ? "takes more" : "takes no more" };
}

/** Its lines, those that are taken out with 0, and then those that are added: in the store it has. */
function afterwards({ lines }: ModelHold, { wanted }: ChangeHold): Changing[] {
  const store_id = lines[0]?.store_id ?? "";
  const had = lines.map((line) => {
    const named = wanted.find(({ sku }) => sku === line.sku);
    return { ...line, quantity: named?.quantity ?? line.quantity, before: line.quantity };
  });
  const added = wanted
    .filter(({ sku, quantity }) => quantity > 0 && !lines.some((line) => line.sku === sku))
    .map((line) => ({ ...line, store_id, before: 0 }));
  return [...had, ...added];
}

/** Why the hold may not have more of these. What it has does not count as taken by others. */
function refusedMore(model: Model, { user_id }: ModelHold, more: Changing[]): Decision | undefined {
  const unknown = more.find((line) => !stockOf(model, line).known);
  if (unknown) return refuse("UNKNOWN_SKU", { sku: unknown.sku });
  const closed = more.map(({ sku }) => closedAnswer(model, sku));
  const limits = more.map(({ sku, quantity, before }) => {
    const units = quantity - before;
    const { max_per_order } = rulesOf(model, sku);
    const in_order = limitPassed(sku, "maxPerOrder", max_per_order, before, units);
    const holds = before === 0 ? 1 : 0;
    return in_order ?? limitAnswer(model, { sku, user_id, units, holds });
  });
  const refused = [...closed, ...limits].find((refusal) => refusal !== undefined);
  if (refused) return refused;
  const short = more
    .map(({ sku, store_id, quantity, before }) => {
      const { available, held } = stockOf(model, { sku, store_id });
      return { sku, store_id, requested: quantity - before, available, held: held - before };
    })
    .filter(({ requested, available }) => requested > available);
  const [first] = short;
  if (!first) return undefined;
  const { sku, requested, available, held } = first;
  const word = short.every((line) => line.held > 0) ? "ALL_HELD" : "SOLD_OUT";
  return refuse(word, { sku, requested, available, held, lines: short });
}

function move(model: Model, { hold_id, user_id }: ModelHold, after: Changing[]): Fact {
  const fact = addFact(model, "HOLD_CHANGED");
  fact.lines = after.map(({ before, ...line }) => {
    const held_delta = line.quantity - before;
    const deltas = { available_delta: before - line.quantity, held_delta };
    if (held_delta === 0) {
      return { quantity: line.quantity, deltas, ...stateOf(stockOf(model, line)) };
    }
    const { sku } = line;
    const comes = before === 0;
    const goes = line.quantity === 0;
    countCustomer(model, sku, user_id, held_delta, Number(comes) - Number(goes));
    if (goes) forgetOwnHold(model, sku, user_id, hold_id);
    if (comes && model.rules.has(sku)) setOwnHold(model, sku, user_id, hold_id);
    return moveLine(model, fact, line, deltas);
  });
  return fact;
}
