import { count, type Evidence, type Finding } from "../evidence.ts";
import type { Limits } from "../limited-sale.ts";
import type { Moment } from "../story.ts";

/** The rules of a sale, by what the ledger says of each moment. */
export function limitFindings(evidence: Evidence): Finding[] {
  return [customersFinding(evidence), soldTooEarly(evidence), deadlines(evidence)];
}

type Customer = { units: number; holds: Set<string> };

// What a customer has changes with each event, so each is looked at, and not only the last one.
function customersFinding({ books }: Evidence): Finding {
  const customers = new Map<string, Customer>();
  const too_many = new Map<string, string>();
  for (const moment of books.postgres.story) {
    const { sku, user_id, seq } = moment;
    const limits = books.limited.get(sku);
    if (!limits || user_id === "") continue;
    const name = `${user_id} with ${sku}`;
    const customer = customers.get(name) ?? { units: 0, holds: new Set() };
    customers.set(name, customer);
    noteMoment(customer, moment);
    const { units, holds } = customer;
    if (units > limits.max_per_customer) {
      too_many.set(name, `${name} has ${units} units by event ${seq}`);
    }
    if (holds.size > limits.max_active_holds) {
      too_many.set(name, `${name} has ${holds.size} holds by event ${seq}`);
    }
  }
  const of = { number: customers.size, what: "customers of a thing" };
  return count("", "held and owned beyond the limits, at any moment", [...too_many.values()], of);
}

function noteMoment(customer: Customer, { type, hold_id, taken, freed }: Moment): void {
  if (type === "ORDER_RETURNED") customer.units -= freed;
  if (!type.startsWith("HOLD_")) return;
  customer.units += taken;
  if (type === "HOLD_CREATED") customer.holds.add(hold_id);
  if (ENDS.has(type)) customer.holds.delete(hold_id);
}

const ENDS = new Set(["HOLD_CONFIRMED", "HOLD_CANCELLED", "HOLD_EXPIRED"]);

function soldTooEarly({ books, journal }: Evidence): Finding {
  const opens_at = (sku: string) => books.limited.get(sku)?.opens_at ?? 0;
  const asked = journal.filter(
    ({ request, ended_at }) => request.action === "RESERVE" && ended_at < opens_at(request.sku),
  );
  const recorded = books.postgres.story.filter(({ sku, at }) => at < opens_at(sku));
  const in_redis = [...books.redis.holds.values()].filter(({ lines, created_at }) =>
    lines.some(({ sku }) => created_at < opens_at(sku)),
  );
  const wrong = [
    ...recorded.map(({ type, sku, at }) => `${type} ${opens_at(sku) - at} ms before ${sku} opened`),
    ...in_redis.map(({ hold_id }) => `${hold_id} is older in Redis than its sale`),
    ...asked.flatMap(({ key, outcome }) =>
      outcome.end === "ANSWERED" && outcome.answer.status < 300 ? [`${key} was granted`] : [],
    ),
  ];
  const of = { number: asked.length, what: "asked before" };
  return count("", "sold, held or queued for before the sale opened", wrong, of);
}

// Of each hold: given more time so often and so long as the rules say, and not cut short.
function deadlines({ books }: Evidence): Finding {
  const by_hold = Map.groupBy(
    books.postgres.story.filter(({ type }) => type.startsWith("HOLD_")),
    ({ hold_id }) => hold_id,
  );
  let extended = 0;
  const wrong = [...by_hold].flatMap(([hold_id, moments]) => {
    const limits = books.limited.get(moments[0]?.sku ?? "");
    if (!limits) return [];
    const extensions = moments.filter(({ type }) => type === "HOLD_EXTENDED").length;
    extended += extensions;
    const sentence = wrongDeadline(moments, limits, extensions);
    return sentence ? [`${hold_id} ${sentence}`] : [];
  });
  const of = { number: extended, what: "extensions" };
  return count("", "deadlines moved too often or too far, or not waited for", wrong, of);
}

function wrongDeadline(moments: Moment[], limits: Limits, extensions: number): string | null {
  if (extensions > limits.max_extensions) return `was extended ${extensions} times`;
  for (const { type, at, created_at, expires_at } of moments) {
    if (expires_at - created_at > limits.max_hold_seconds * 1000) return "lasts too long";
    if (type === "HOLD_EXPIRED" && at < expires_at) return `expired ${expires_at - at} ms early`;
  }
  return null;
}
