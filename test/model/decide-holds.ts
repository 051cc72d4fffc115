import { expect } from "@jest/globals";
import { HOLD_ID_PATTERN, ORDER_ID_PATTERN } from "../../src/domain/ids.ts";
import {
  addFact,
  changeStock,
  corruptAnswer,
  type Decision,
  earlierAnswer,
  type Fact,
  learnTime,
  type Model,
  type ModelHold,
  refuse,
  remember,
  stockOf,
  sumLines,
} from "./model.ts";
import type { Answer, Cancel, Confirm, Expire, ReadHold, Reserve, Span } from "./requests.ts";

// What must be answered at the moment `now`. What only Redis can know, ids and times, is taken from `said`;
// the effect looks whether it can be right.

const QUANTITY_MAX = 1_000;
const CORRUPT_RETRY_MS = 60_000;
const ENDING_STATUSES = {
  HOLD_CONFIRMED: "CONFIRMED",
  HOLD_CANCELLED: "CANCELLED",
  HOLD_EXPIRED: "EXPIRED",
} as const;

export function reserve(model: Model, request: Reserve, said: Answer): Decision {
  const lines = sumLines(request.lines);
  if (lines.some(({ quantity }) => quantity > QUANTITY_MAX)) return refuse("INVALID_REQUEST");
  if (request.late) return refuse("LATE");
  const refused = corruptAnswer(model, lines) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const unknown = lines.find((line) => !stockOf(model, line).known);
  if (unknown) return refuse("UNKNOWN_SKU", { sku: unknown.sku });
  const short = lines
    .map((line) => ({ ...line, requested: line.quantity, ...stockOf(model, line) }))
    .filter(({ requested, available }) => requested > available)
    .map(({ sku, store_id, requested, available }) => ({ sku, store_id, requested, available }));
  const [first] = short;
  if (first) {
    const { sku, requested, available } = first;
    const all = request.route === "v1_reserve" || lines.length > 1 ? { lines: short } : {};
    return refuse("SOLD_OUT", { sku, requested, available, ...all });
  }
  const says = { hold_id: said.hold_id, expires_at: said.expires_at };
  const effect = (span: Span) => {
    const hold_id = newId(said.hold_id, HOLD_ID_PATTERN, model);
    const expires_at = Number(said.expires_at);
    const created = addFact(model, "HOLD_CREATED", span);
    learnTime(created, expires_at - request.ttl_ms);
    const hold: ModelHold = {
      hold_id,
      status: "ACTIVE",
      lines,
      user_id: request.user_id,
      created,
      expires_at,
      version: 1,
      ended: undefined,
      order_id: undefined,
      payment_ref: "",
      due: { from: expires_at, to: expires_at },
    };
    model.holds.set(hold_id, hold);
    moveUnits(model, hold, created, -1, 1);
    remember(model, request, created, says);
  };
  return { word: "CREATED", says, effect };
}

export function confirm(model: Model, request: Confirm, said: Answer, now: number): Decision {
  const { hold_id, payment_ref } = request;
  const refused = endingAnswer(model, request) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const hold = model.holds.get(hold_id);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  if (hold.status === "CONFIRMED") {
    if (hold.payment_ref !== payment_ref) return refuse("HOLD_ALREADY_CONFIRMED", { hold_id });
    return refuse("REPLAYED", { order_id: hold.order_id, confirmed_at: hold.ended?.at });
  }
  if (hold.status === "CANCELLED") return refuse("HOLD_CANCELLED", { hold_id });
  if (hold.status === "EXPIRED" || now >= hold.expires_at) {
    const expires_at = new Date(hold.expires_at).toISOString();
    return refuse("HOLD_EXPIRED", { hold_id, expires_at });
  }
  const says = { order_id: said.order_id, confirmed_at: said.confirmed_at };
  const effect = (span: Span) => {
    hold.order_id = newId(said.order_id, ORDER_ID_PATTERN, model);
    hold.payment_ref = payment_ref;
    const fact = end(model, hold, "HOLD_CONFIRMED", span);
    fact.payload.order_id = hold.order_id;
    if (payment_ref !== "") fact.payload.payment_ref = payment_ref;
    learnTime(fact, said.confirmed_at);
    remember(model, request, fact, says);
  };
  return { word: "CONFIRMED", says, effect };
}

export function cancel(model: Model, request: Cancel, now: number): Decision {
  const { hold_id, reason } = request;
  const refused = endingAnswer(model, request) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const hold = model.holds.get(hold_id);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  if (hold.status === "CONFIRMED") return refuse("HOLD_ALREADY_CONFIRMED", { hold_id });
  if (hold.status !== "ACTIVE") return refuse("REPLAYED", { status: hold.status });
  const status = now >= hold.expires_at ? "EXPIRED" : "CANCELLED";
  const effect = (span: Span) => {
    const fact = end(model, hold, `HOLD_${status}`, span);
    if (reason !== "") fact.payload.reason = reason;
    remember(model, request, fact, { status });
  };
  return { word: status, says: { status }, effect };
}

export function expire(model: Model, request: Expire, now: number): Decision {
  const hold = model.holds.get(request.hold_id);
  const refused = endingAnswer(model, request);
  if (refused?.word === "CORRUPT" && hold?.status === "ACTIVE") {
    // Out of the sweeper's way for a minute, and nothing else.
    const effect = ({ from, to }: Span) => {
      hold.due = { from: from + CORRUPT_RETRY_MS, to: to + CORRUPT_RETRY_MS };
    };
    return { word: "CORRUPT", says: {}, effect };
  }
  if (refused) return refuse(refused.word);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  if (hold.status !== "ACTIVE") return refuse("ENDED");
  if (now < hold.expires_at) {
    const effect = () => {
      hold.due = { from: hold.expires_at, to: hold.expires_at };
    };
    return { word: "NOT_DUE", says: {}, effect };
  }
  return { word: "EXPIRED", says: {}, effect: (span) => end(model, hold, "HOLD_EXPIRED", span) };
}

export function readHold(model: Model, { hold_id }: ReadHold, said: Answer): Decision {
  const hold = model.holds.get(hold_id);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  const { status, user_id, lines, expires_at, version, order_id, payment_ref, created } = hold;
  return refuse("HOLD", {
    hold_id,
    status,
    user_id,
    lines,
    expires_at,
    version,
    order_id,
    payment_ref: payment_ref || undefined,
    created_at: created.at,
    ended_at: hold.ended && learnTime(hold.ended, said.ended_at),
  });
}

function endingAnswer(model: Model, { late, hold_id }: Confirm | Cancel | Expire) {
  if (late) return refuse("LATE");
  return corruptAnswer(model, model.holds.get(hold_id)?.lines ?? []);
}

function end(model: Model, hold: ModelHold, type: keyof typeof ENDING_STATUSES, span: Span): Fact {
  hold.status = ENDING_STATUSES[type];
  hold.version += 1;
  hold.ended = addFact(model, type, span);
  moveUnits(model, hold, hold.ended, hold.status === "CONFIRMED" ? 0 : 1, -1);
  return hold.ended;
}

/** Its units come (1), go (-1) or stay (0) among those available, and among those held. */
function moveUnits(model: Model, hold: ModelHold, fact: Fact, available: number, held: number) {
  fact.lines = hold.lines.map((line) => {
    const { quantity } = line;
    const stock = stockOf(model, line);
    return { quantity, ...changeStock(stock, fact, available * quantity, held * quantity) };
  });
  const { hold_id, status, user_id, created, expires_at, version } = hold;
  fact.payload = { hold_id, status, user_id, created_at: created.at, expires_at, version };
}

/** An id that nobody has had before. */
export function newId(said: unknown, pattern: RegExp, model: Model): string {
  expect(said).toMatch(pattern);
  const holds = [...model.holds.values()];
  expect(holds.some(({ hold_id, order_id }) => said === hold_id || said === order_id)).toBe(false);
  return String(said);
}
