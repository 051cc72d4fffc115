import { count, type Evidence, type Finding, lossesOf } from "../evidence.ts";
import { type Answer, type Entry, isShort, isUnavailable } from "../journal.ts";
import { answerOf, offerOf, type ToldHold } from "../told.ts";

/** Our clock and Redis's are the same machine's; an answer needs a moment. */
export const CLOCK_MS = 50;
const UNAVAILABLE_CODES = new Set([
  "STORE_UNAVAILABLE",
  "OVERLOADED",
  "RECOVERING",
  "OUTCOME_UNKNOWN",
]);

/** Every answer can be explained by what was asked, and when. */
export function answersFinding(evidence: Evidence): Finding {
  const { journal, told } = evidence;
  const misused = new Set(
    told.keys.flatMap(({ key, entries }) =>
      new Set(entries.map(({ request }) => JSON.stringify(request))).size > 1 ? [key] : [],
    ),
  );
  let answers = 0;
  const wrong = journal.flatMap((entry) => {
    const answer = answerOf(entry);
    if (!answer) return [];
    answers += 1;
    if (isExplained(entry, answer, evidence, misused)) return [];
    const { status, code = "", hold_status = "", why = "" } = answer;
    const words = [`${status}`, code, hold_status, why].filter((word) => word !== "");
    return [`${entry.key} (${entry.request.action}): ${words.join(" ")}`];
  });
  const of = { number: answers, what: "answers" };
  return count("G10", "answers that do not fit what was asked and when", wrong, of);
}

function isExplained(
  entry: Entry,
  answer: Answer,
  evidence: Evidence,
  misused: Set<string>,
): boolean {
  const { request, key, frozen_ms } = entry;
  const { status, code = "" } = answer;
  // An API that was frozen for seconds believes that its client was.
  if (code === "REQUEST_TIMEOUT") return status === 408 && frozen_ms > 0;
  if (isUnavailable(answer)) return UNAVAILABLE_CODES.has(code);
  if (code === "IDEMPOTENCY_KEY_REUSED") return status === 422 && misused.has(key);
  switch (request.action) {
    case "RESERVE":
      if (status === 201) return answer.hold_id !== undefined;
      return status === 409 && (isShort(code) || isByRules(entry, answer, evidence, request.sku));
    case "JOIN":
      if (status === 202) return answer.waiter_id !== undefined;
      if (code === "STOCK_AVAILABLE" || code === "ALREADY_WAITING") return status === 409;
      return status === 409 && isByRules(entry, answer, evidence, request.sku);
    case "RETURN":
      if (status === 202) return answer.return_id !== undefined;
      // Nobody knows an order that was lost.
      if (code === "NOT_FOUND") return lossesOf(evidence).length > 0;
      return `${status} ${code}` === "409 RETURN_EXCEEDS_SOLD";
    case "LOOK":
    case "LEAVE":
      if (status < 300) return answer.waiter_status !== undefined;
      // These count as lost.
      if (code === "WAITER_NOT_FOUND" || code === "HOLD_NOT_FOUND") return status === 404;
      return (
        `${status} ${code}` === "409 HOLD_ALREADY_CONFIRMED" &&
        (evidence.told.holds.get(offerOf(request.waiter_id))?.asked.payments.size ?? 0) > 0
      );
    default: {
      const hold = evidence.told.holds.get(request.hold_id);
      if (!hold) return false;
      const { expires_at = 0 } = evidence.books.postgres.holds.get(request.hold_id) ?? {};
      return isOfHold(entry, answer, hold, Math.max(hold.expires_at, expires_at));
    }
  }
}

// What is sold by rules is refused for these reasons, and nothing else is.
function isByRules(
  { sent_at }: Entry,
  { code }: Answer,
  { books }: Evidence,
  sku: string,
): boolean {
  const limits = books.limited.get(sku);
  if (!limits) return false;
  if (code === "SALE_NOT_OPEN") return sent_at < limits.opens_at + CLOCK_MS;
  return code === "LIMIT_EXCEEDED";
}

/** @param last_expires_at the latest deadline that it had, whether or not somebody was told of it */
function isOfHold(
  { request, ended_at }: Entry,
  answer: Answer,
  hold: ToldHold,
  last_expires_at: number,
): boolean {
  const { status, code = "" } = answer;
  const { action } = request;
  const { asked } = hold;
  const paid = request.action === "CONFIRM" ? request.payment_ref : "";
  const has_paid_otherwise = [...asked.payments].some((ref) => ref !== paid);
  const is_over = ended_at >= hold.expires_at - CLOCK_MS;
  switch (`${status} ${code}`.trimEnd()) {
    case "404 HOLD_NOT_FOUND":
      return true; // it counts as lost
    case "409 HOLD_ALREADY_CONFIRMED":
      return has_paid_otherwise;
    case "409 HOLD_CANCELLED":
      return action !== "CANCEL" && asked.cancel;
    case "410 HOLD_EXPIRED":
      return action !== "CANCEL" && is_over;
    case "409 LIMIT_EXCEEDED":
      return action === "EXTEND";
    case "409 PAYMENT_UNFULFILLED":
      if (request.action !== "CONFIRM" || !request.money_has_moved) return false;
      if (answer.why === "HOLD_ALREADY_CONFIRMED") return has_paid_otherwise;
      if (answer.why === "HOLD_CANCELLED") return asked.cancel;
      if (answer.why === "HOLD_NOT_FOUND") return true; // it counts as lost
      return is_over;
    case "200":
      if (action === "EXTEND") return true;
      if (action === "CANCEL") return answer.hold_status !== "EXPIRED" || is_over;
      if (answer.confirmed_at === undefined) return false;
      // Late is what came after the deadline, and nothing else.
      return answer.late === true
        ? answer.confirmed_at >= hold.expires_at
        : answer.confirmed_at < last_expires_at;
    default:
      return false;
  }
}
