import {
  type EventType,
  HOLD_EVENTS,
  type HoldPayload,
  type InventoryEvent,
  isHoldEvent,
  isPaymentEvent,
  isRulesEvent,
  isWaiterEvent,
  type PaymentPayload,
  type RulesEvent,
  type RulesPayload,
  type StockEvent,
  type StockState,
} from "./event.ts";
import { changesOf, type LineChange } from "./line-changes.ts";
import { newestWaiters } from "./newest-waiters.ts";
import { type Stock, unmovedStocks } from "./unmoved-stocks.ts";
import type { Waiter } from "./waiter.ts";

/** An event that the ledger has just taken in. `recorded_id` counts them in that order, with gaps. */
export type RecordedEvent = InventoryEvent & { recorded_id: number };

export type StockLevel = StockState & { updated_at: number };

export type Movement = {
  recorded_id: number;
  occurred_at: number;
  sku: string;
  store_id: string;
  kind: EventType | "EXTERNAL";
  available_delta: number;
  held_delta: number;
  /** The stock's after it; null when it is EXTERNAL, which is no version of its own. */
  version: number | null;
  event_id: string;
  /** The hold, or what a change of stock refers to. */
  reference: string | null;
  reason: string | null;
  notes: string | null;
  /** Who did it; null when nobody was named. */
  actor: string | null;
};

/** A run of seqs: `first` to `last`, both included. */
export type SeqRange = { first: number; last: number };

export type BatchPlan = {
  /** The newest state of each hold the events speak of. */
  holds: HoldPayload[];
  /** Ids of those whose lines the ledger may have otherwise. */
  relined: string[];
  /** The newest rules of each sku the events speak of. */
  rules: RulesPayload[];
  /** Those that could not be fulfilled. */
  payments: PaymentPayload[];
  /** Each waiter the events speak of. */
  waiters: Waiter[];
  levels: StockLevel[];
  movements: Movement[];
  /** Stocks that events are about and did not move. */
  unmoved: (Stock & { recorded_id: number })[];
  /** Every store the events speak of. */
  stores: string[];
  /** Ids of the events that may be what a new product was promised (table initial_stocks). */
  adjustments: string[];
  /** The events that say that what an order's return promised was taken back. */
  returns: StockEvent[];
  /** The events of who runs the shop. */
  deeds: (StockEvent | RulesEvent)[];
  /** Seqs that were skipped: their events never came. */
  gaps: SeqRange[];
  /** Seqs at or below the recorded one: late arrivals, or Redis counts anew. */
  late_seqs: number[];
  applied_seq: number;
};

/** The key of a stock in a map. No sku or store_id has an @ in it. */
export const stockOf = ({ sku, store_id }: { sku: string; store_id: string }) =>
  `${sku}@${store_id}`;

/**
 * What a batch of events means for the ledger.
 * @param events none of them applied before, by seq
 * @param levels the ledger's level of each stock they touch, as far as it has one
 * @param applied_seq the highest seq recorded so far
 */
export function planBatch(
  events: RecordedEvent[],
  levels: Map<string, StockLevel>,
  applied_seq: number,
): BatchPlan {
  const holds = new Map<string, HoldPayload>();
  const relined = new Set<string>();
  const rules = new Map<string, RulesPayload>();
  const payments: PaymentPayload[] = [];
  const changed = new Map<string, StockLevel>();
  const movements: Movement[] = [];
  const stores = new Set<string>();
  const adjustments: string[] = [];
  const returns: StockEvent[] = [];
  const deeds: (StockEvent | RulesEvent)[] = [];
  const gaps: SeqRange[] = [];
  const late_seqs: number[] = [];
  let seq = applied_seq;

  for (const event of events) {
    if (event.seq <= seq) late_seqs.push(event.seq);
    if (event.seq > seq + 1) gaps.push({ first: seq + 1, last: event.seq - 1 });
    seq = Math.max(seq, event.seq);

    if (isHoldEvent(event)) {
      const { payload } = event;
      const known = holds.get(payload.hold_id);
      if (!known || known.version < payload.version) holds.set(payload.hold_id, payload);
      if (payload.lines.some(({ deltas }) => deltas)) relined.add(payload.hold_id);
    } else if (isRulesEvent(event)) {
      deeds.push(event);
      const known = rules.get(event.payload.sku);
      if (!known || known.version < event.payload.version)
        rules.set(event.payload.sku, event.payload);
    } else if (isPaymentEvent(event)) payments.push(event.payload);
    else if (!isWaiterEvent(event)) {
      deeds.push(event);
      if (event.type === "STOCK_ADJUSTED") adjustments.push(event.event_id);
      if (event.type === "ORDER_RETURNED") returns.push(event);
    }

    const cause = causeOf(event);
    for (const change of changesOf(event)) {
      const stock = stockOf(change);
      const before = changed.get(stock) ?? levels.get(stock) ?? unknownLevel(change);
      const after =
        change.version > before.version ? levelAfter(change, cause.occurred_at) : before;
      movements.push(...movementsOf(event, cause, change, before, after));
      changed.set(stock, after);
      stores.add(change.store_id);
    }
  }
  return {
    holds: [...holds.values()],
    relined: [...relined],
    rules: [...rules.values()],
    payments,
    waiters: newestWaiters(events),
    levels: [...changed.values()],
    movements,
    unmoved: events.flatMap((event) =>
      unmovedStocks(event).map((stock) => ({ ...stock, recorded_id: event.recorded_id })),
    ),
    stores: [...stores],
    adjustments,
    returns,
    deeds,
    gaps,
    late_seqs,
    applied_seq: seq,
  };
}

type Cause = Pick<Movement, "occurred_at" | "reference" | "reason" | "notes" | "actor">;

// Of all movements of an event.
function causeOf(event: InventoryEvent): Cause {
  const { occurred_at, reason = null } = event.payload;
  if (isPaymentEvent(event)) {
    return { occurred_at, reference: null, reason, notes: null, actor: null };
  }
  if (isRulesEvent(event)) {
    return { occurred_at, reference: null, reason, notes: null, actor: event.payload.actor };
  }
  if (isWaiterEvent(event)) {
    return { occurred_at, reference: null, reason, notes: null, actor: null };
  }
  if (!isHoldEvent(event)) {
    const { reference = null, notes = null, actor } = event.payload;
    return { occurred_at, reference, reason, notes, actor };
  }
  const { hold_id, user_id } = event.payload;
  const actor = event.type === "HOLD_EXPIRED" ? "worker" : user_id || null;
  return { occurred_at, reference: hold_id, reason, notes: null, actor };
}

// The deltas of a stock's movements add up to its level, always. So whatever lies between two levels and is
// not the event's doing becomes an EXTERNAL movement: a SET by redis-cli, or events that never came; and
// when such an event does come late, the same reckoning takes it out again.
function movementsOf(
  { recorded_id, event_id, type: kind }: RecordedEvent,
  { occurred_at, reference, reason, notes, actor }: Cause,
  { sku, store_id, version, available_delta, held_delta }: LineChange,
  before: StockLevel,
  after: StockLevel,
): Movement[] {
  const own: Movement = {
    recorded_id,
    occurred_at,
    sku,
    store_id,
    kind,
    available_delta,
    held_delta,
    version,
    event_id,
    reference,
    reason,
    notes,
    actor,
  };
  const unexplained = {
    available_delta: after.available - before.available - available_delta,
    held_delta: after.held - before.held - held_delta,
  };
  if (unexplained.available_delta === 0 && unexplained.held_delta === 0) return [own];
  const external: Movement = {
    ...own,
    ...unexplained,
    kind: "EXTERNAL",
    version: null,
    reference: null,
    reason: null,
    notes: externalNote(version, before.version),
    actor: "outside",
  };
  return [external, own];
}

/** Of an EXTERNAL movement when no event is missing. The audit tells such movements by it. */
export const CHANGED_OUTSIDE_NOTE = "changed from outside, between two events";

function externalNote(version: number, known_version: number): string {
  if (version === known_version + 1) return CHANGED_OUTSIDE_NOTE;
  if (version > known_version) return `versions ${known_version + 1} to ${version - 1} never came`;
  return `version ${version} came after ${known_version}`;
}

const unknownLevel = ({ sku, store_id }: { sku: string; store_id: string }): StockLevel => ({
  sku,
  store_id,
  available: 0,
  held: 0,
  version: 0,
  updated_at: 0,
});

const levelAfter = (change: LineChange, updated_at: number): StockLevel => ({
  sku: change.sku,
  store_id: change.store_id,
  available: change.available,
  held: change.held,
  version: change.version,
  updated_at,
});

export const isSold = (hold: HoldPayload) => hold.status === HOLD_EVENTS.HOLD_CONFIRMED;
