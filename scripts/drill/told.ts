import type { Answer, Entry, Request } from "./journal.ts";

export type EndStatus = "CONFIRMED" | "CANCELLED" | "EXPIRED";

/** What shoppers were told of a hold, put together from all answers. */
export type ToldHold = {
  hold_id: string;
  key: string;
  sku: string;
  units: number;
  /** The latest deadline that somebody was told. */
  expires_at: number;
  /** How it has ended, by everybody who was told so. */
  endings: Set<EndStatus>;
  order_ids: Set<string>;
  /** Somebody was told that there is no such hold. */
  denied: boolean;
  asked: { payments: Set<string>; cancel: boolean; extension: boolean };
};

/** A payment for a hold, whether or not anybody learned what became of it. */
export type ToldPayment = {
  hold_id: string;
  payment_ref: string;
  /** Its money has moved, so it must have an outcome. */
  has_moved: boolean;
  /** The orders and the ids of unfulfilled payments that somebody was told. */
  outcomes: Set<string>;
};

/** A place in a queue that somebody was told of. */
export type ToldWaiter = { waiter_id: string; sku: string; denied: boolean; left: boolean };

/** All attempts under one idempotency key, in the order in which they ended. */
export type Key = { key: string; entries: Entry[] };

export type Told = {
  holds: Map<string, ToldHold>;
  /** By hold and payment_ref, with a space between. */
  payments: Map<string, ToldPayment>;
  waiters: Map<string, ToldWaiter>;
  /** Ids of what was taken back. */
  returns: Set<string>;
  keys: Key[];
};

export const answerOf = ({ outcome }: Entry): Answer | undefined =>
  outcome.end === "ANSWERED" ? outcome.answer : undefined;

export function readTold(journal: Entry[]): Told {
  const holds = new Map<string, ToldHold>();
  const waiters = new Map<string, ToldWaiter>();
  const returns = new Set<string>();
  for (const entry of journal) {
    const hold = acknowledged(entry);
    if (hold && !holds.has(hold.hold_id)) holds.set(hold.hold_id, hold);
    noteWaiter(waiters, entry);
    const { return_id } = answerOf(entry) ?? {};
    if (return_id !== undefined) returns.add(return_id);
  }
  for (const entry of journal) {
    const hold = holds.get(holdIn(entry.request));
    if (hold) noteHold(hold, entry);
  }
  const by_key = Map.groupBy(journal, ({ key }) => key);
  const keys = [...by_key].map(([key, entries]) => ({ key, entries }));
  return { holds, payments: paymentsIn(journal), waiters, returns, keys };
}

/** Which hold a request is about; "" for one that is about none, or is to make it. */
export function holdIn(request: Request): string {
  if ("hold_id" in request) return request.hold_id;
  return request.action === "LEAVE" ? offerOf(request.waiter_id) : "";
}

/** What somebody in a queue is offered has the same id. */
export const offerOf = (waiter_id: string) => `H-${waiter_id.slice(2)}`;

function acknowledged({ request, key, outcome }: Entry): ToldHold | null {
  const makes_holds = request.action === "RESERVE" || request.action === "LOOK";
  if (!makes_holds || outcome.end !== "ANSWERED") return null;
  const { status, hold_id, expires_at = 0 } = outcome.answer;
  if (status >= 300 || hold_id === undefined) return null;
  return {
    ...{ hold_id, key, expires_at, sku: request.sku, units: request.units, denied: false },
    ...{ endings: new Set(), order_ids: new Set() },
    asked: { payments: new Set(), cancel: false, extension: false },
  };
}

function noteHold(hold: ToldHold, entry: Entry): void {
  const { request } = entry;
  const { asked } = hold;
  if (request.action === "CONFIRM") asked.payments.add(request.payment_ref);
  else if (request.action === "EXTEND") asked.extension = true;
  else asked.cancel = true;
  const answer = answerOf(entry);
  if (!answer) return;
  const ending = endingIn(request, answer);
  if (ending) hold.endings.add(ending);
  if (answer.order_id !== undefined) hold.order_ids.add(answer.order_id);
  if (answer.code === "HOLD_NOT_FOUND" || answer.why === "HOLD_NOT_FOUND") hold.denied = true;
  if (request.action === "EXTEND" && answer.status === 200) {
    hold.expires_at = Math.max(hold.expires_at, answer.expires_at ?? 0);
  }
}

/** How a hold has ended, if the answer to a payment or to a cancellation says so. */
function endingIn(
  { action }: Request,
  { status, code, why, hold_status, waiter_status }: Answer,
): EndStatus | null {
  const is_done = status < 300;
  if (is_done && action === "CONFIRM") return "CONFIRMED";
  if (is_done && action === "CANCEL") return hold_status === "EXPIRED" ? "EXPIRED" : "CANCELLED";
  if (is_done && action === "LEAVE") return waiter_status === "CANCELLED" ? "CANCELLED" : null;
  if (code === "HOLD_EXPIRED") return "EXPIRED";
  if (code === "HOLD_CANCELLED" || why === "HOLD_CANCELLED") return "CANCELLED";
  if (code === "HOLD_ALREADY_CONFIRMED" || why === "HOLD_ALREADY_CONFIRMED") return "CONFIRMED";
  return null;
}

function noteWaiter(waiters: Map<string, ToldWaiter>, entry: Entry): void {
  const { request } = entry;
  const answer = answerOf(entry);
  if (!answer) return;
  if (request.action === "JOIN" && answer.status < 300 && answer.waiter_id !== undefined) {
    const { waiter_id } = answer;
    const known = waiters.get(waiter_id);
    if (!known) waiters.set(waiter_id, { waiter_id, sku: request.sku, denied: false, left: false });
  }
  if (request.action !== "LOOK" && request.action !== "LEAVE") return;
  const waiter = waiters.get(request.waiter_id);
  if (waiter && answer.code === "WAITER_NOT_FOUND") waiter.denied = true;
  if (waiter && answer.waiter_status === "LEFT") waiter.left = true;
}

function paymentsIn(journal: Entry[]): Told["payments"] {
  const payments: Told["payments"] = new Map();
  for (const entry of journal) {
    const { request } = entry;
    if (request.action !== "CONFIRM") continue;
    const { hold_id, payment_ref, money_has_moved } = request;
    const name = `${hold_id} ${payment_ref}`;
    const has_moved = money_has_moved === true;
    const payment = payments.get(name) ?? { hold_id, payment_ref, has_moved, outcomes: new Set() };
    const { order_id, payment_id } = answerOf(entry) ?? {};
    const outcome = order_id ?? payment_id;
    if (outcome !== undefined) payment.outcomes.add(outcome);
    payments.set(name, payment);
  }
  return payments;
}
