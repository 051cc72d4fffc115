import { expect } from "@jest/globals";
import { type InventoryEvent, isHoldEvent } from "../../src/domain/event.ts";
import { changesOf } from "../../src/domain/line-changes.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { recordText } from "./expected-keys.ts";
import { type Fact, learnTime, type Model, stockName } from "./model.ts";
import type { Real } from "./real.ts";

/** Each event is what the model says, in this order; together they add up to every stock. */
export async function compareEvents(model: Model, { redis, keys }: Real) {
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
    // The sweeper asks in its own name.
    const asked_by = fact.type === "HOLD_EXPIRED" ? {} : { request_id: "model" };
    expect(event.payload).toMatchObject({ ...asked_by, ...payload });
    expect(event.generation).toBe(fact.generation);
    expect(event.payload.record).toEqual(recordOf(model, fact));
    const told = "lines" in event.payload ? event.payload.lines : [];
    expect(told).toHaveLength(lines.length);
    expect(told).toMatchObject(lines);
    expect(occurred_at).toBeGreaterThanOrEqual(last);
    if (isHoldEvent(event) && event.payload.status !== "ACTIVE") {
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

/** The event says what its key remembers, so that it can be given back. */
function recordOf({ records }: Model, { record }: Fact) {
  const kept = record === undefined ? undefined : records.get(record);
  return kept && [`idem:${record}`, recordText(kept)];
}
