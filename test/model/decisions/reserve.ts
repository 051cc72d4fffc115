import { expect } from "@jest/globals";
import type { Line } from "../../../src/domain/hold.ts";
import { HOLD_ID_PATTERN } from "../../../src/domain/ids.ts";
import { earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import {
  addFact,
  changeStock,
  corruptAnswer,
  type Decision,
  learnTime,
  type Model,
  type ModelHold,
  refuse,
  stockOf,
  sumLines,
} from "../model.ts";
import type { Answer, Reserve } from "../requests.ts";
import {
  closedAnswer,
  countCustomer,
  countOf,
  limitAnswer,
  type Room,
  rulesOf,
  setOwnHold,
} from "./customers.ts";
import { end, newHold, newId } from "./hold-changes.ts";
import { serve } from "./serving.ts";

export const TAKING_WORDS = ["SALE_PAUSED", "SALE_NOT_OPEN", "SALE_CLOSED", "LIMIT_EXCEEDED"];
export const reserveWords = [
  ...KEYED_WORDS,
  ...TAKING_WORDS,
  ...["CREATED", "SOLD_OUT", "ALL_HELD", "UNKNOWN_SKU", "INVALID_REQUEST"],
  ...["gets a part", "takes a hold's place", "takes the place of one that is due"],
  ...["passes maxPerOrder", "passes maxActiveHolds", "passes maxPerCustomer"],
];
const QUANTITY_MAX = 1_000;

export function reserve(model: Model, request: Reserve, said: Answer): Decision {
  const asked = sumLines(request.lines);
  if (asked.some(({ quantity }) => quantity > QUANTITY_MAX)) return refuse("INVALID_REQUEST");
  if (request.late) return refuse("LATE");
  const refused = corruptAnswer(model, asked) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const unknown = asked.find((line) => !stockOf(model, line).known);
  if (unknown) return refuse("UNKNOWN_SKU", { sku: unknown.sku });
  for (const line of asked) serve(model, stockOf(model, line));

  const replaced = replacedHold(model, request);
  const corrupt = corruptAnswer(model, replaced?.lines ?? []);
  if (corrupt) return corrupt;
  const granted = grantedOf(model, request, asked, replaced);
  const lines = asked
    .map((line, i) => ({ ...line, quantity: granted[i] ?? 0 }))
    .filter(({ quantity }) => quantity > 0);
  const no =
    refusedByRules(model, request, lines, replaced) ?? short(model, request, lines, replaced);
  if (no) return no;

  const { hold_id, expires_at, created_at } = said;
  const says = { hold_id, expires_at, created_at, granted };
  const words = [hold_id, expires_at, created_at, ...(request.partial ? granted : [])];
  const is_due = replaced && Number(created_at) >= replaced.expires_at;
  const effect = () => {
    if (replaced) {
      const ended = end(model, replaced, is_due ? "HOLD_EXPIRED" : "HOLD_CANCELLED");
      if (!is_due) ended.payload.reason = "replaced";
    }
    const fact = addFact(model, "HOLD_CREATED");
    const id = newId(hold_id, HOLD_ID_PATTERN, model);
    learnTime(fact, created_at);
    expect(Number(expires_at) - lastingMs(model, request, lines)).toBe(fact.at);
    const given = { hold_id: id, lines, user_id: request.user_id, created: fact };
    newHold(model, { ...given, expires_at: Number(expires_at) });
    fact.lines = lines.map((line) => take(model, request, id, line, fact));
    remember(model, request, fact, says, words);
  };
  const is_part = granted.some((units, i) => units !== asked[i]?.quantity);
  const place = is_due ? "takes the place of one that is due" : "takes a hold's place";
  const seen = is_part ? "gets a part" : replaced ? place : undefined;
  return { word: "CREATED", says, effect, ...(seen === undefined ? {} : { seen }) };
}

function take(
  model: Model,
  { user_id, replace }: Reserve,
  hold_id: string,
  line: Line,
  fact: ModelHold["created"],
) {
  const { sku, quantity } = line;
  countCustomer(model, sku, user_id, quantity, 1);
  if (replace || model.rules.has(sku)) setOwnHold(model, sku, user_id, hold_id);
  const stock = stockOf(model, line);
  return { quantity, ...changeStock(model, stock, fact, -quantity, quantity) };
}

/** The customer's own hold of the first of these skus that has one. */
function replacedHold(model: Model, { replace, lines, user_id }: Reserve): ModelHold | undefined {
  if (!replace) return undefined;
  const ids = lines.map(({ sku }) => model.own_holds.get(`${sku} ${user_id}`));
  return model.holds.get(ids.find((id) => id !== undefined) ?? "");
}

/** What the hold that is replaced gives back of one stock, or of one sku. */
function roomOf(replaced: ModelHold | undefined, sku: string, store_id?: string): Room {
  const lines = (replaced?.lines ?? []).filter((line) => {
    return line.sku === sku && (store_id === undefined || line.store_id === store_id);
  });
  const units = lines.reduce((sum, { quantity }) => sum + quantity, 0);
  return { units, holds: lines.length };
}

/** What there is of a line's stock for this request. */
const unitsFor = (model: Model, { sku, store_id }: Line, replaced: ModelHold | undefined) =>
  stockOf(model, { sku, store_id }).available + roomOf(replaced, sku, store_id).units;

/** Units of each line. A partial request is only refused when it can have none at all. */
function grantedOf(
  model: Model,
  { partial, user_id }: Reserve,
  asked: Line[],
  replaced: ModelHold | undefined,
): number[] {
  const all = asked.map(({ quantity }) => quantity);
  if (!partial) return all;
  const by_sku = new Map<string, number>();
  const some = asked.map((line) => {
    const { sku, quantity } = line;
    const { max_per_order = Infinity, max_per_customer = Infinity } = rulesOf(model, sku);
    const taken = by_sku.get(sku) ?? 0;
    const had = countOf(model, sku, user_id).units - roomOf(replaced, sku).units + taken;
    const allowed = Math.max(0, Math.min(max_per_order - taken, max_per_customer - had));
    const units = Math.min(quantity, allowed, unitsFor(model, line, replaced));
    by_sku.set(sku, taken + units);
    return units;
  });
  return some.some((units) => units > 0) ? some : all;
}

function refusedByRules(
  model: Model,
  { user_id }: Reserve,
  lines: Line[],
  replaced: ModelHold | undefined,
): Decision | undefined {
  const skus = [...new Set(lines.map(({ sku }) => sku))];
  const closed = skus.map((sku) => closedAnswer(model, sku));
  const limits = skus.map((sku) => {
    const of_sku = lines.filter((line) => line.sku === sku);
    const units = of_sku.reduce((sum, { quantity }) => sum + quantity, 0);
    return limitAnswer(model, { sku, user_id, units, holds: 1 }, roomOf(replaced, sku));
  });
  return [...closed, ...limits].find((refusal) => refusal !== undefined);
}

function short(
  model: Model,
  { route }: Reserve,
  lines: Line[],
  replaced: ModelHold | undefined,
): Decision | undefined {
  const all = lines
    .filter((line) => line.quantity > unitsFor(model, line, replaced))
    .map(({ sku, store_id, quantity: requested }) => {
      const { available, held } = stockOf(model, { sku, store_id });
      return { sku, store_id, requested, available, held };
    });
  const [first] = all;
  if (!first) return undefined;
  const { sku, requested, available, held } = first;
  const word = all.every((line) => line.held > 0) ? "ALL_HELD" : "SOLD_OUT";
  const members = route === "v1_reserve" || lines.length > 1 ? { lines: all } : {};
  return refuse(word, { sku, requested, available, held, ...members });
}

/** As long as asked; when nobody asked as long as the first to end by its rules, else as usual. */
function lastingMs(model: Model, { ttl_ms, ttl_is_usual }: Reserve, lines: Line[]): number {
  const rules = lines.map(({ sku }) => rulesOf(model, sku));
  const least = (name: "hold_seconds" | "max_hold_seconds") =>
    Math.min(...rules.map((one) => one[name] ?? Infinity)) * 1_000;
  const usual = least("hold_seconds") === Infinity ? ttl_ms : least("hold_seconds");
  return Math.min(ttl_is_usual ? usual : ttl_ms, least("max_hold_seconds"));
}
