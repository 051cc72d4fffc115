import { count, type Evidence, type Finding } from "../evidence.ts";
import { isAccepted, isDecision } from "../journal.ts";
import { answerOf, holdIn, offerOf } from "../told.ts";
import { forgiven, lostFinding } from "./lost.ts";

/** What was promised to a shopper stays so, and happens once. */
export function holdFindings(evidence: Evidence): Finding[] {
  return [
    lostFinding(evidence),
    twoEffectsOfAKey(evidence),
    twoOrdersForAPayment(evidence),
    otherAnswer(evidence),
    endedTwice(evidence),
    neverEnded(evidence),
  ];
}

// A shopper has a key to reserve with, so that holds tell whose key it was, answered or not. Whoever comes
// often has as many, and what was offered in a queue besides. And the events tell of their keys themselves.
function twoEffectsOfAKey({ books, told }: Evidence): Finding {
  const wrong = new Map<string, string>();
  const keys = told.keys.filter(({ entries }) => entries[0]?.request.action === "RESERVE");
  const own_keys = Map.groupBy(keys, ({ entries: [entry] }) =>
    entry && "user_id" in entry.request ? entry.request.user_id : "",
  );
  const offers = new Set([...books.postgres.waiters.keys()].map(offerOf));
  for (const { holds } of [books.redis, books.postgres]) {
    const reserved = [...holds.values()].filter(({ hold_id }) => !offers.has(hold_id));
    for (const [user_id, of_user] of Map.groupBy(reserved, ({ user_id }) => user_id)) {
      const keys_max = own_keys.get(user_id)?.length ?? 1;
      if (of_user.length > keys_max) wrong.set(user_id, `${user_id} has ${of_user.length} holds`);
    }
  }
  const by_key = Map.groupBy(books.postgres.events, ({ key }) => key ?? "");
  for (const [key, events] of by_key) {
    if (key !== "" && events.length > 1) wrong.set(key, `${key} did ${events.length} things`);
  }
  const of = { number: keys.length, what: "keys" };
  return count("G3", "keys with two holds, or two of any effect", [...wrong.values()], of);
}

function twoOrdersForAPayment(evidence: Evidence): Finding {
  const { books, journal } = evidence;
  const { orders } = books.postgres;
  const gone = forgiven(evidence);
  const told = journal.filter(({ request }) => !gone.has(holdIn(request)));
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

const SAID = [
  ...(["hold_id", "expires_at", "order_id", "confirmed_at"] as const),
  ...(["waiter_id", "waiter_status", "return_id", "returned_at"] as const),
];

// Whoever asks again with the same key gets what was answered before.
function otherAnswer(evidence: Evidence): Finding {
  const gone = forgiven(evidence);
  const wrong: string[] = [];
  let repeated = 0;
  for (const { key, entries } of evidence.told.keys) {
    const accepted = entries
      .filter(isDecision)
      .filter(({ request, outcome }) => isAccepted(outcome) && !gone.has(holdIn(request)))
      .map(answerOf)
      .filter((answer) => !gone.has(answer?.hold_id ?? "") && !gone.has(answer?.waiter_id ?? ""));
    if (accepted.length > 1) repeated += accepted.length - 1;
    const different = new Set(
      accepted.map((answer) => SAID.map((name) => answer?.[name]).join(" ")),
    );
    if (different.size > 1) wrong.push(`${key} was answered ${[...different].join(" and ")}`);
  }
  const of = { number: repeated, what: "repeated" };
  return count("G3", "another answer to the same question, same key", wrong, of);
}

const ENDING_EVENTS = new Set(["HOLD_CONFIRMED", "HOLD_CANCELLED", "HOLD_EXPIRED"]);

const LATE = new Set(["HOLD_EXPIRED HOLD_CONFIRMED", "EXPIRED CONFIRMED"]);

function endedTwice(evidence: Evidence): Finding {
  const { books, told } = evidence;
  const gone = forgiven(evidence);
  const ends = books.postgres.events.filter(({ type }) => ENDING_EVENTS.has(type));
  const by_hold = Map.groupBy(ends, ({ hold_id }) => hold_id);
  // What has expired may yet be sold, for money that has moved.
  const isOnce = (ends: string[], hold_id: string | null) => {
    const is_late = books.postgres.holds.get(hold_id ?? "")?.late === true;
    const [first = "", second = ""] = ends.toSorted().toReversed();
    return ends.length < 2 || (is_late && ends.length === 2 && LATE.has(`${first} ${second}`));
  };
  const recorded = [...by_hold].flatMap(([hold_id, all]) =>
    isOnce(
      all.map(({ type }) => type),
      hold_id,
    )
      ? []
      : [`${hold_id}: ${all.map(({ type }) => type).join(" and ")}`],
  );
  const answered = [...told.holds.values()].flatMap(({ hold_id, endings, order_ids }) =>
    !gone.has(hold_id) && (!isOnce([...endings], hold_id) || order_ids.size > 1)
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
