import { type Decision, type Fact, type Model, refuse, sumLines } from "./model.ts";
import type { Part, Request } from "./requests.ts";

// What an idempotency key does, and what it answers from then on.

/** What whatever takes an idempotency key can be told. */
export const KEYED_WORDS = ["REPLAYED", "IDEMPOTENCY_KEY_REUSED", "CORRUPT", "LATE"];

/** In place of the id of the event, which is not always told. */
export const EVENT_ID = "<event_id>";

type Keyed = Extract<Request, { route: string }>;
const recordName = ({ route, key }: Keyed) => `${route}:${key}`;

/** Two requests are the same when they ask for the same, however often and how late. */
function identityOf(request: Keyed): string {
  const { key, late, ...wish } = request;
  switch (wish.does) {
    case "reserve": {
      const { ttl_is_usual, ...asked } = wish; // as if the usual one had been asked for
      return JSON.stringify({ ...asked, lines: sumLines(wish.lines) });
    }
    case "change hold":
      return JSON.stringify({ ...wish, wanted: wish.wanted.toSorted(bySku) });
    case "change rules":
      return JSON.stringify({ ...wish, rules: Object.entries(wish.rules ?? {}).sort() });
    case "settle": {
      const { ledger, ...asked } = wish;
      return JSON.stringify(asked);
    }
    case "return":
      return JSON.stringify([wish.order_id, wish.restock]);
    default:
      return JSON.stringify(wish);
  }
}

const bySku = (a: Part, b: Part) => (a.sku < b.sku ? -1 : 1);

/** What the request's idempotency key answers; nothing when the key is new. */
export function earlierAnswer(model: Model, request: Keyed): Decision | undefined {
  const record = request.key === undefined ? undefined : model.records.get(recordName(request));
  if (!record) return undefined;
  return record.identity === identityOf(request)
    ? refuse("REPLAYED", record.says)
    : refuse("IDEMPOTENCY_KEY_REUSED");
}

/**
 * Only what took effect is remembered.
 * @param words what Redis keeps of it, when that is not all that was said, in this order
 */
export function remember(
  model: Model,
  request: Keyed,
  fact: Fact,
  says: Decision["says"],
  words: unknown[] = Object.values(says),
) {
  if (request.key === undefined) return;
  fact.record = recordName(request);
  model.records.set(fact.record, { identity: identityOf(request), fact, says, words });
}
