import { expect } from "@jest/globals";
import type { InventoryEvent } from "../../src/domain/event.ts";
import { changesOf } from "../../src/domain/line-changes.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { DAY_MS, type Fact, learnTime, type Model, type ModelHold, stockName } from "./model.ts";
import type { Real } from "./real.ts";

// Compares every key and every event with the model.

export async function compareAll(model: Model, real: Real) {
  await compareEvents(model, real);
  const { redis, keys } = real;
  const expected = new Map([...stocks(model), ...holds(model), ...records(model)]);
  const names = (await real.names()).sort();
  const shared = [
    ...(model.events.length > 0 ? [keys.seq, keys.stream] : []),
    ...(model.stores.size > 0 ? [keys.stores] : []),
    ...(model.turns.size > 0 ? [keys.turns] : []),
    ...(active(model).length > 0 ? [keys.deadlines] : []),
  ];
  expect(names).toEqual([...expected.keys(), ...shared].sort());

  const asked = redis.pipeline();
  for (const name of expected.keys()) {
    if (/^(item|hold):/.test(name)) asked.hgetall(name);
    else asked.get(name);
    asked.pexpiretime(name);
  }
  asked.hgetall(keys.stores).hgetall(keys.turns);
  asked.zrange(keys.deadlines, "0", "-1", "WITHSCORES");
  const replies = ((await asked.exec()) ?? []).map(([error, reply]) => error ?? reply);
  const found = [...expected.keys()].map((name, i) => {
    return [name, { fields: replies[2 * i], expires_at: replies[2 * i + 1] }];
  });
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  const [stores, turns, deadlines] = replies.slice(-3);
  expect(stores).toEqual(texts(Object.fromEntries(model.stores)));
  expect(turns).toEqual(texts(Object.fromEntries(model.turns)));
  compareDeadlines(model, deadlines);
}

/** `fields` is a text, what a text must be like, or a hash. */
type Found = { fields: unknown; expires_at: number };
const NEVER = -1;

function* stocks(model: Model): Generator<[string, Found]> {
  for (const { sku, store_id, known, available, held, version, changed } of model.stocks.values()) {
    const name = stockName(sku, store_id);
    const text = Number.isNaN(available) ? "abc" : String(available);
    if (known) yield [`stock:${name}`, { fields: text, expires_at: NEVER }];
    const item = texts({ held, version, changed_at: changed?.at });
    if (changed) yield [`item:${name}`, { fields: item, expires_at: NEVER }];
  }
}

function* holds(model: Model): Generator<[string, Found]> {
  for (const hold of model.holds.values()) {
    const { hold_id, status, user_id, expires_at, version, created, ended } = hold;
    const lines = hold.lines.map((line) => `${line.sku}@${line.store_id}=${line.quantity}`);
    const ending = ended && { ended_at: ended.at, ended_by: ended.event_id };
    const sold = status === "CONFIRMED" && { order_id: hold.order_id };
    const paid = hold.payment_ref !== "" && { payment_ref: hold.payment_ref };
    const common = { status, user_id, expires_at, version, lines: lines.join(" ") };
    const fields = texts({ ...common, created_at: created.at, ...ending, ...sold, ...paid });
    // A live hold that Redis dropped would take its units with it.
    yield [`hold:${hold_id}`, { fields, expires_at: ended ? Number(ended.at) + DAY_MS : NEVER }];
  }
}

function* records(model: Model): Generator<[string, Found]> {
  for (const [name, { says, fact }] of model.records) {
    yield [`idem:${name}`, { fields: textOf(says), expires_at: Number(fact.at) + DAY_MS }];
  }
}

/** The event says what its key remembers, so that it can be given back. */
function recordOf({ records }: Model, { record }: Fact) {
  const says = record === undefined ? undefined : records.get(record)?.says;
  return says && [`idem:${record}`, textOf(says)];
}

function textOf(says: Record<string, unknown>) {
  const words = Object.values(says).map((word) => ` ${word}`);
  return expect.stringMatching(new RegExp(`^[^ ]+${words.join("")}$`));
}

const active = (model: Model): ModelHold[] =>
  [...model.holds.values()].filter(({ status }) => status === "ACTIVE");

function compareDeadlines(model: Model, flat: unknown) {
  expect(flat).toHaveLength(2 * active(model).length);
  const scores = new Map<unknown, number>();
  if (!Array.isArray(flat)) return;
  for (let i = 0; i < flat.length; i += 2) scores.set(flat[i], Number(flat[i + 1]));
  for (const { hold_id, due } of active(model)) {
    expect(scores.get(hold_id)).toBeGreaterThanOrEqual(due.from);
    expect(scores.get(hold_id)).toBeLessThanOrEqual(due.to);
  }
}

/** Each event is what the model says, in this order; together they add up to every stock. */
async function compareEvents(model: Model, { redis, keys }: Real) {
  const entries = await redis.xrange(keys.stream, "-", "+");
  const events = entries.map(([, flat]) =>
    parseEvent(
      Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1] ?? ""]]))),
    ),
  );
  expect(events.map(({ type, seq }) => [type, seq])).toEqual(
    model.events.map(({ type }, i) => [type, i + 1]),
  );
  if (events.length > 0) expect(await redis.get(keys.seq)).toBe(String(events.length));
  let last = 0;
  for (const [i, fact] of model.events.entries()) {
    const event = events[i];
    if (!event) throw new Error("There are as many events as facts.");
    const { occurred_at } = event.payload;
    learnTime(fact, occurred_at);
    fact.event_id ??= event.event_id;
    const { payload, lines } = fact;
    expect(event.event_id).toBe(fact.event_id);
    expect(event.payload).toMatchObject({ ...payload, lines });
    expect(event.generation).toBe(fact.generation);
    expect(event.payload.record).toEqual(recordOf(model, fact));
    // The sweeper asks in its own name.
    if (fact.type !== "HOLD_EXPIRED") expect(event.payload.request_id).toBe("model");
    expect("lines" in event.payload && event.payload.lines).toHaveLength(lines.length);
    expect(occurred_at).toBeGreaterThanOrEqual(last);
    if ("ended_at" in event.payload && event.payload.status !== "ACTIVE") {
      expect(event.payload.ended_at).toBe(occurred_at);
    }
    last = occurred_at;
  }
  expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(events.length);
  compareSums(model, events);
}

function compareSums(model: Model, events: InventoryEvent[]) {
  const sums = new Map<string, { available: number; held: number; version: number }>();
  for (const [name, { by_hand }] of model.stocks) {
    sums.set(name, { available: by_hand, held: 0, version: 0 });
  }
  for (const { sku, store_id, available_delta, held_delta } of events.flatMap(changesOf)) {
    const sum = sums.get(stockName(sku, store_id));
    if (!sum) throw new Error(`The model knows nothing of ${sku} in ${store_id}.`);
    sum.available += available_delta;
    sum.held += held_delta;
    sum.version += 1;
  }
  for (const [name, { available, held, version }] of model.stocks) {
    expect([name, sums.get(name)]).toEqual([name, { available: available || 0, held, version }]);
  }
}

const texts = (facts: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, String(value)]));
