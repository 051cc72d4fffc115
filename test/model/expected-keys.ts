import { expect } from "@jest/globals";
import { queueOf } from "./decisions/serving.ts";
import { EVENT_ID } from "./keyed.ts";
import { DAY_MS, type Model, type ModelRecord, type ModelRules, stockName } from "./model.ts";

// Every key that Redis must have by what the model has, but for the deadlines and the stream.

/**
 * `value` is a text, what a text must be like, a hash, or the members of a queue in their order, as the
 * command reads it.
 */
type Expected = { read: "get" | "hgetall" | "zrange"; value: unknown; expires_at: number };
const NEVER = -1;

export const expectedKeys = (model: Model): Map<string, Expected> =>
  new Map([
    ...stocks(model),
    ...holds(model),
    ...records(model),
    ...waiters(model),
    ...queues(model),
    ...shared(model),
  ]);

function* stocks(model: Model): Generator<[string, Expected]> {
  for (const { sku, store_id, known, available, held, version, changed } of model.stocks.values()) {
    const name = stockName(sku, store_id);
    const text = Number.isNaN(available) ? "abc" : String(available);
    if (known) yield [`stock:${name}`, { read: "get", value: text, expires_at: NEVER }];
    if (changed) yield [`item:${name}`, hash({ held, version, changed_at: changed.at })];
  }
}

function* holds(model: Model): Generator<[string, Expected]> {
  for (const hold of model.holds.values()) {
    const { hold_id, status, user_id, expires_at, version, created, ended } = hold;
    const lines = hold.lines.map((line) => `${line.sku}@${line.store_id}=${line.quantity}`);
    const fields = {
      ...{ status, user_id, expires_at, version, lines: lines.join(" "), created_at: created.at },
      ...(hold.extensions > 0 && { extensions: hold.extensions }),
      ...(ended && { ended_at: ended.at, ended_by: ended.event_id }),
      ...(status === "CONFIRMED" && { order_id: hold.order_id }),
      ...(hold.payment_ref !== "" && { payment_ref: hold.payment_ref }),
      ...(hold.late && { late: 1 }),
      ...(hold.partial && { partial: 1 }),
    };
    // A live hold that Redis dropped would take its units with it.
    yield [`hold:${hold_id}`, hash(fields, ended ? Number(ended.at) + DAY_MS : NEVER)];
  }
}

function* records(model: Model): Generator<[string, Expected]> {
  for (const [name, record] of model.records) {
    const expires_at = Number(record.fact.at) + DAY_MS;
    yield [`idem:${name}`, { read: "get", value: recordText(record), expires_at }];
  }
}

/** What Redis remembers of what a key did, behind the request's fingerprint. */
export function recordText({ words, fact }: ModelRecord) {
  const texts = words.map((word) => (word === EVENT_ID ? fact.event_id : String(word)));
  return expect.stringMatching(new RegExp(`^${["[^ ]+", ...texts].join(" ")}$`));
}

function* waiters({ waiters }: Model): Generator<[string, Expected]> {
  for (const waiter of waiters.values()) {
    const { waiter_id, status, sku, store_id, quantity, user_id, offer_ms, ended } = waiter;
    const fields = {
      ...{ status, stock: stockName(sku, store_id), sku, store_id, quantity, user_id, offer_ms },
      ...{ joined_at: waiter.joined.at, joined_seq: waiter.joined_seq },
      ...(ended && { ended_at: ended.at }),
    };
    const expires_at = ended ? Number(ended.at) + offer_ms + DAY_MS : NEVER;
    yield [`inventory.waiter:${waiter_id}`, hash(fields, expires_at)];
  }
}

function* queues(model: Model): Generator<[string, Expected]> {
  const counts: Record<string, number> = {};
  for (const stock of model.stocks.values()) {
    const queue = queueOf(model, stock);
    if (queue.length === 0) continue;
    const name = stockName(stock.sku, stock.store_id);
    const ids = queue.map(({ waiter_id }) => waiter_id);
    yield [`inventory.waiting:${name}`, { read: "zrange", value: ids, expires_at: NEVER }];
    const places = queue.map(({ user_id, waiter_id }) => [user_id, waiter_id]);
    yield [`inventory.waiting_users:${name}`, hash(Object.fromEntries(places))];
    counts[name] = queue.length;
  }
  yield* filled("inventory.waiting", counts);
}

function* shared(model: Model): Generator<[string, Expected]> {
  yield* filled("inventory.stores", Object.fromEntries(model.stores));
  yield* filled("inventory.turns", Object.fromEntries(model.turns));
  yield* filled("inventory.own_holds", Object.fromEntries(model.own_holds));
  const counts = [...model.customers]
    .filter(([, { units, active }]) => units !== 0 || active !== 0)
    .map(([name, { units, active }]) => [name, `${units} ${active}`]);
  yield* filled("inventory.customers", Object.fromEntries(counts));
  const rules = [...model.rules].map(([sku, kept]) => [sku, rulesText(kept)]);
  yield* filled("inventory.rules", Object.fromEntries(rules));
}

function rulesText({ rules, version, counts }: ModelRules): string {
  const words = Object.entries(rules ?? { removed: 1 })
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) => `${name}=${Number(value)}`);
  return [`version=${version}`, ...(counts ? ["counts=1"] : []), ...words].join(" ");
}

const hash = (fields: Record<string, unknown>, expires_at = NEVER): Expected => ({
  read: "hgetall",
  value: Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      return [name, typeof value === "object" ? value : String(value)];
    }),
  ),
  expires_at,
});

/** A hash that is there as long as there is something in it. */
function* filled(name: string, fields: Record<string, unknown>): Generator<[string, Expected]> {
  if (Object.keys(fields).length > 0) yield [name, hash(fields)];
}
