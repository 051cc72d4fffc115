import { count, type Evidence, type Finding } from "../evidence.ts";
import { isAccepted } from "../journal.ts";
import { answerOf } from "../told.ts";
import { forgivenHolds, holdIn, lostFinding } from "./lost.ts";

/** What was promised to a shopper stays so, and happens once. */
export function holdFindings(evidence: Evidence): Finding[] {
  return [
    lostFinding(evidence),
    twoHoldsForAKey(evidence),
    twoOrdersForAPayment(evidence),
    otherAnswer(evidence),
    endedTwice(evidence),
    neverEnded(evidence),
  ];
}

// Each shopper has one key to reserve with, so that holds tell whose key it was, answered or not.
function twoHoldsForAKey({ books, told }: Evidence): Finding {
  const wrong = new Map<string, string>();
  for (const { holds } of [books.redis, books.postgres]) {
    for (const [user_id, of_user] of Map.groupBy(holds.values(), ({ user_id }) => user_id)) {
      if (of_user.length > 1) wrong.set(user_id, `${user_id} has ${of_user.length} holds`);
    }
  }
  const keys = told.keys.filter(({ entries }) => entries[0]?.request.action === "RESERVE").length;
  const of = { number: keys, what: "keys" };
  return count("G3", "keys with two holds", [...wrong.values()], of);
}

function twoOrdersForAPayment(evidence: Evidence): Finding {
  const { books, journal } = evidence;
  const { orders } = books.postgres;
  const forgiven = forgivenHolds(evidence);
  const told = journal.filter(({ request }) => !forgiven.has(holdIn(request)));
  const order_ids = Map.groupBy(
    [
      ...orders,
      ...[...books.redis.holds.values()].flatMap(({ payment_ref, order_id }) =>
        order_id === null ? [] : { payment_ref, order_id },
      ),
      ...told.flatMap(paidIn),
    ],
    ({ payment_ref }) => payment_ref,
  );
  const wrong = [...order_ids].flatMap(([payment_ref, all]) => {
    const different = new Set(all.map(({ order_id }) => order_id));
    return different.size > 1 ? [`${payment_ref} paid for ${[...different].join(" and ")}`] : [];
  });
  const number = orders.length;
  return count("G3", "payments with two orders", wrong, { number, what: "orders" });
}

function paidIn(entry: Evidence["journal"][number]) {
  const order_id = answerOf(entry)?.order_id;
  const { request } = entry;
  if (order_id === undefined || request.action !== "CONFIRM") return [];
  return [{ payment_ref: request.payment_ref, order_id }];
}

// Whoever asks again with the same key gets what was answered before.
function otherAnswer(evidence: Evidence): Finding {
  const forgiven = forgivenHolds(evidence);
  const wrong: string[] = [];
  let repeated = 0;
  for (const { key, entries } of evidence.told.keys) {
    const accepted = entries
      .filter(({ request, outcome }) => isAccepted(outcome) && !forgiven.has(holdIn(request)))
      .map(answerOf)
      .filter((answer) => !forgiven.has(answer?.hold_id ?? ""));
    if (accepted.length > 1) repeated += accepted.length - 1;
    const different = new Set(
      accepted.map((answer) =>
        [answer?.hold_id, answer?.expires_at, answer?.order_id, answer?.confirmed_at].join(" "),
      ),
    );
    if (different.size > 1) wrong.push(`${key} was answered ${[...different].join(" and ")}`);
  }
  const of = { number: repeated, what: "repeated" };
  return count("G3", "another answer to the same question, same key", wrong, of);
}

const ENDING_EVENTS = new Set(["HOLD_CONFIRMED", "HOLD_CANCELLED", "HOLD_EXPIRED"]);

function endedTwice(evidence: Evidence): Finding {
  const { books, told } = evidence;
  const forgiven = forgivenHolds(evidence);
  const ends = books.postgres.events.filter(({ type }) => ENDING_EVENTS.has(type));
  const by_hold = Map.groupBy(ends, ({ hold_id }) => hold_id);
  const recorded = [...by_hold].flatMap(([hold_id, all]) =>
    all.length > 1 ? [`${hold_id}: ${all.map(({ type }) => type).join(" and ")}`] : [],
  );
  const answered = [...told.holds.values()].flatMap(({ hold_id, endings, order_ids }) =>
    !forgiven.has(hold_id) && (endings.size > 1 || order_ids.size > 1)
      ? [`${hold_id}: told ${[...endings, ...order_ids].join(" and ")}`]
      : [],
  );
  const of = { number: by_hold.size, what: "ended" };
  return count("G6", "holds that ended twice", [...recorded, ...answered], of);
}

// After the drain nothing is held any more: every hold's time was over.
function neverEnded({ books }: Evidence): Finding {
  const wrong = [...books.redis.holds.values()].flatMap(({ hold_id, status, expires_at }) =>
    status === "ACTIVE"
      ? [`${hold_id} is still held, its time was over at ${new Date(expires_at).toISOString()}`]
      : [],
  );
  const of = { number: books.redis.holds.size, what: "holds" };
  return count("G6", "holds that never ended, though their time is over", wrong, of);
}
