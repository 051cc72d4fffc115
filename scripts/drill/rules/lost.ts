import type { BookHold } from "../books.ts";
import {
  count,
  type Evidence,
  type Finding,
  isReported,
  lossesOf,
  reportedLost,
  whole,
} from "../evidence.ts";
import type { EndStatus, ToldHold } from "../told.ts";

/** Whatever was acknowledged is there, and is as it was acknowledged. */
export function lostFinding(evidence: Evidence): Finding {
  const { told } = evidence;
  const holds = [...told.holds.values()];
  const wrong = [...lost(evidence).values()];
  const row = count("G2", "acknowledged, and afterwards not there or not so", wrong, {
    number:
      holds.length +
      holds.filter(({ endings }) => isAcknowledged(endings)).length +
      told.waiters.size +
      told.returns.size +
      unfulfilledIn(evidence).length,
    what: "acknowledged",
  });
  // Redis was robbed of what Postgres had not yet: that can't be kept, but it must be told.
  if (wrong.length === 0 || forgiven(evidence).size === 0) return row;
  const figure = `${row.figure}; ${whole(reportedLost(evidence))} reported`;
  return { ...row, promise: "G11", figure, verdict: "kept" };
}

/**
 * What is lost, by its id, as far as the system says of so many events that they are. Whoever asked for a
 * hold again got another one, which is no second effect.
 */
export function forgiven(evidence: Evidence): Set<string> {
  if (lossesOf(evidence).length === 0) return new Set();
  const gone = lost(evidence);
  return new Set(isReported(evidence, gone.size) ? gone.keys() : []);
}

/** By its id, what is wrong with a hold, a place in a queue, a payment, or what was taken back. */
function lost(evidence: Evidence): Map<string, string> {
  const { told } = evidence;
  const { waiters, returns, unfulfilled } = evidence.books.postgres;
  const wrong = new Map<string, string>();
  for (const hold of told.holds.values()) {
    const sentence = lostOf(evidence, hold);
    if (sentence) wrong.set(hold.hold_id, sentence);
  }
  for (const { waiter_id, denied, left } of told.waiters.values()) {
    const waiter = waiters.get(waiter_id);
    if (denied || !waiter) wrong.set(waiter_id, `${waiter_id} has no place in its queue`);
    else if (left && waiter.status !== "LEFT") {
      wrong.set(waiter_id, `${waiter_id}: told LEFT, is ${waiter.status}`);
    }
  }
  const done = new Set(returns.flatMap((back) => (back.done ? [back.return_id] : [])));
  for (const return_id of told.returns) {
    if (!done.has(return_id)) wrong.set(return_id, `${return_id} was taken back, and is not there`);
  }
  const written = new Set(unfulfilled.map(({ payment_id }) => payment_id));
  for (const payment_id of unfulfilledIn(evidence)) {
    if (!written.has(payment_id)) wrong.set(payment_id, `${payment_id} is not written down`);
  }
  return wrong;
}

const unfulfilledIn = ({ told }: Evidence) =>
  [...told.payments.values()].flatMap(({ outcomes }) =>
    [...outcomes].filter((outcome) => outcome.startsWith("P-")),
  );

/** What is wrong with a hold that was acknowledged, and with its ending if that was, too. */
function lostOf({ books }: Evidence, told: ToldHold): string | null {
  const { hold_id, endings, order_ids, denied, expires_at } = told;
  if (denied) return `${hold_id}: its shopper was told that there is no such hold`;
  for (const [where, { holds }] of [
    ["Redis", books.redis],
    ["Postgres", books.postgres],
  ] as const) {
    const hold = holds.get(hold_id);
    if (!hold) return `${hold_id} is not in ${where}`;
    const ending = [...endings].find((status) => !isSo(status, hold));
    if (ending) return `${hold_id}: told ${ending}, is ${hold.status} in ${where}`;
    const order_id = [...order_ids].find((id) => id !== hold.order_id);
    if (order_id) return `${hold_id}: told order ${order_id}, is ${hold.order_id} in ${where}`;
    const early_ms = expires_at - hold.expires_at;
    if (early_ms > 0) return `${hold_id} ends ${whole(early_ms)} ms earlier in ${where} than told`;
  }
  return null;
}

const isAcknowledged = (endings: Set<EndStatus>) =>
  endings.has("CONFIRMED") || endings.has("CANCELLED");

// A hold is expired from its deadline on, swept or not. What is never swept has a line of its own. And what
// has expired may be sold after all.
const isSo = (told: EndStatus, { status, late }: BookHold) =>
  told === status || (told === "EXPIRED" && (status === "ACTIVE" || late));
