import { count, type Evidence, type Finding } from "../evidence.ts";
import { forgiven } from "./lost.ts";

/**
 * Money is never stranded: what was paid for a hold is an order, or written down for somebody to see to;
 * once, and as whoever paid was told.
 */
export function paymentFinding(evidence: Evidence): Finding {
  const { told, books } = evidence;
  const gone = forgiven(evidence);
  const written = outcomesIn(evidence);
  const redis_says = new Map(
    [...books.redis.holds.values()].map(({ hold_id, payment_ref, order_id }) => [
      `${hold_id} ${payment_ref}`,
      order_id,
    ]),
  );
  const wrong: string[] = [];
  let payments = 0;
  for (const [name, { hold_id, has_moved, outcomes: said }] of told.payments) {
    const is_lost = gone.has(hold_id) || [...said].some((outcome) => gone.has(outcome));
    if (is_lost || (!has_moved && said.size === 0)) continue;
    payments += 1;
    const outcomes = written.get(name) ?? [];
    const [outcome] = outcomes;
    const is_told = [...said].every((one) => one === outcome);
    if (outcomes.length !== 1 || !is_told) {
      wrong.push(
        `${name}: told ${[...said].join(" and ") || "nothing"}, is ${outcomes.join(" and ") || "nothing"}`,
      );
    } else if (outcome?.startsWith("O-") && redis_says.get(name) !== outcome) {
      wrong.push(`${name} is ${outcome}, and not so in Redis`);
    }
  }
  for (const [name, outcomes] of written) {
    if (outcomes.length > 1 && !told.payments.has(name))
      wrong.push(`${name} is ${outcomes.join(" and ")}`);
  }
  const unfulfilled = books.postgres.unfulfilled.length;
  const note = unfulfilled > 0 ? `, ${unfulfilled} unfulfilled` : "";
  const of = { number: payments, what: "payments", note };
  return count("", "payments without an outcome, or with two", wrong, of);
}

function outcomesIn({ books }: Evidence): Map<string, string[]> {
  const written = new Map<string, string[]>();
  const note = (hold_id: string, payment_ref: string | null, outcome: string) => {
    const name = `${hold_id} ${payment_ref}`;
    written.set(name, [...(written.get(name) ?? []), outcome]);
  };
  for (const { hold_id, payment_ref, order_id } of books.postgres.orders) {
    note(hold_id, payment_ref, order_id);
  }
  for (const { hold_id, payment_ref, payment_id } of books.postgres.unfulfilled) {
    note(hold_id, payment_ref, payment_id);
  }
  return written;
}
