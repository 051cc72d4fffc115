import { isHoldEvent } from "../src/domain/event.ts";
import { IDEMPOTENCY_MS } from "../src/domain/limits.ts";
import { MalformedEvent, parseEvent, recordOf } from "../src/domain/parse-event.ts";
import type { HeldDifference, RecoveryReport } from "../src/domain/recovery.ts";
import { holdIn } from "../src/postgres/dead-letters.ts";
import type { KeptEvent, Restorable } from "../src/postgres/restorable.ts";
import { type HeldUnits, sumOf } from "../src/redis/held-units.ts";
import type { Keys } from "../src/redis/keys.ts";
import type { RedisSide, RestoredHold } from "../src/redis/restoring.ts";

/** How long Redis keeps a hold that has ended, and an idempotency record. */
const KEPT_MS = IDEMPOTENCY_MS;
const IDS_AT_ONCE = 2_000;
/** Differences that a report names; they are all counted. */
const NAMED_MAX = 20;

type Restored = RecoveryReport["restored"];
type Checked = RecoveryReport["checked"];

export const nothingRestored = (): Restored => ({
  stocks: 0,
  units: 0,
  active_holds: 0,
  ended_holds: 0,
  records: 0,
  rules: 0,
  customers: 0,
  waiters: 0,
});

/**
 * Gives Redis back what the ledger has, a chunk at a time. It may be done again and
 * again: what Redis has by then stays.
 * @param restored counts what was written
 */
export async function* restore(
  { ledger, redis, heldUnits, keys }: Sides,
  rebuild: "NEWER" | "FORCED",
  now: number,
  restored: Restored,
): AsyncGenerator<void, void> {
  if (rebuild === "FORCED") yield* forgetRefused({ ledger, redis, keys }, now);
  for await (const stocks of ahead(ledger.levels())) {
    const [written, units] = await redis.restoreStocks(stocks, rebuild);
    restored.stocks += written;
    restored.units += units;
    yield;
  }
  for await (const holds of ahead(ledger.activeHolds())) {
    restored.active_holds += await redis.restoreHolds(
      holds.map((hold) => ({ ...hold, status: "ACTIVE" })),
      rebuild,
    );
    yield;
  }
  for await (const kept of ahead(ledger.eventsSince(now - KEPT_MS))) {
    const events = kept.filter(({ occurred_at }) => occurred_at > now - KEPT_MS);
    const ended = events.flatMap(understood(endedHold));
    if (ended.length > 0) restored.ended_holds += await redis.restoreHolds(ended, rebuild);
    const records = events.flatMap(understood(keptRecord)).filter(({ key }) => keys.isIdem(key));
    if (records.length > 0) await redis.restoreRecords(records);
    restored.records += records.length;
    yield;
  }
  await redis.restoreRules([], rebuild, "FIRST");
  for await (const rules of ahead(ledger.rules())) {
    restored.rules += await redis.restoreRules(rules, rebuild, "NEXT");
    yield;
  }
  await redis.restoreCounts([], "FIRST", await ledger.lastPlace());
  for await (const counts of ahead(ledger.customerCounts())) {
    await redis.restoreCounts(counts, "NEXT");
    restored.customers += counts.length;
    yield;
  }
  await redis.restoreWaiting([], "FIRST");
  for await (const waiters of ahead(ledger.waiting())) {
    await redis.restoreWaiting(waiters, "NEXT");
    restored.waiters += waiters.length;
    yield;
  }
  const others = rebuild === "FORCED" ? ledger.notActiveOf : ledger.endedOf;
  restored.ended_holds += yield* forget(others, redis, heldUnits);
}

type Sides = { ledger: Restorable; redis: RedisSide; heldUnits: HeldUnits; keys: Keys };

// What a former master did by itself has come too late, each event of it, and is a dead letter. It would else
// go on answering for a day that it has sold what the ledger never heard of. Of these holds and records
// those that the ledger has are given back afterwards.
async function* forgetRefused(
  { ledger, redis, keys }: Omit<Sides, "heldUnits">,
  now: number,
): AsyncGenerator<void, void> {
  for await (const refused of ahead(ledger.refusedSince(now - KEPT_MS))) {
    const holds = refused.flatMap((fields) => holdIn(fields)?.hold_id ?? []);
    const records = refused.flatMap(understood(recordIn)).map(([key]) => key);
    await redis.forgetHolds(holds, records.filter(keys.isIdem));
    yield;
  }
}

// Active in an old copy of Redis, but ended since, and that longer ago than ended holds are kept. A
// former master also has some that nobody else knows.
async function* forget(
  othersOf: (hold_ids: string[]) => Promise<string[]>,
  redis: RedisSide,
  heldUnits: HeldUnits,
): AsyncGenerator<void, number> {
  const ended: string[] = [];
  for await (const ids of heldUnits.activeIds()) {
    ended.push(...(await othersOf(ids)));
    yield;
  }
  let forgotten = 0;
  for (let first = 0; first < ended.length; first += IDS_AT_ONCE) {
    forgotten += await redis.forgetHolds(ended.slice(first, first + IDS_AT_ONCE));
    yield;
  }
  return forgotten;
}

// An event was understood once, or it would not be there; one that isn't any more can give nothing back.
const understood =
  <Event, Part>(read: (event: Event) => Part[]) =>
  (event: Event): Part[] => {
    try {
      return read(event);
    } catch (error) {
      if (error instanceof MalformedEvent) return [];
      throw error;
    }
  };

function endedHold(kept: KeptEvent): RestoredHold[] {
  if (kept.type === "HOLD_CREATED" || !kept.type.startsWith("HOLD_")) return [];
  const event = parseEvent({ ...kept, occurred_at: "" });
  // One that was only changed is active, as the ledger has it now, or has another event for its end.
  return isHoldEvent(event) && event.payload.status !== "ACTIVE"
    ? [{ ...event.payload, ended_by: event.event_id }]
    : [];
}

function keptRecord({ payload, occurred_at }: KeptEvent) {
  const kept_until = occurred_at + KEPT_MS;
  return recordIn({ payload }).map(([key, text]) => ({ key, text, kept_until }));
}

function recordIn({ payload = "" }: { payload?: string }) {
  const record = recordOf(payload);
  return record ? [record] : [];
}

/** Compares the units that stocks say are held with those of the active holds, a chunk at a time. */
export async function* checkHeld(
  ledger: Restorable,
  heldUnits: HeldUnits,
): AsyncGenerator<void, Checked> {
  let sums = new Map<string, HeldDifference>();
  for await (const so_far of heldUnits.sumHolds()) {
    sums = so_far;
    yield;
  }
  for (const { sku, store_id } of await ledger.heldStocks()) sumOf(sums, sku, store_id);
  const checked: Checked = { stocks: 0, differing: 0, differences: [] };
  for await (const { stocks, differences } of heldUnits.compare(sums)) {
    checked.stocks += stocks;
    checked.differing += differences.length;
    checked.differences = [...checked.differences, ...differences].slice(0, NAMED_MAX);
    yield;
  }
  return checked;
}

// Reads the next chunk while this one is written.
async function* ahead<Chunk>(chunks: AsyncGenerator<Chunk>): AsyncGenerator<Chunk> {
  let next = chunks.next();
  for (;;) {
    const { value, done } = await next;
    if (done) return;
    next = chunks.next();
    next.catch(() => {}); // told when it is waited for, unless nobody goes on
    yield value;
  }
}
