import {
  type EventType,
  HOLD_EVENTS,
  type HoldPayload,
  type InventoryEvent,
  stockDeltas,
} from "./event.ts";

export type StockLevel = {
  sku: string;
  store_id: string;
  available: number;
  held: number;
  version: number;
  updated_at: number;
};

export type Movement = {
  occurred_at: number;
  sku: string;
  store_id: string;
  kind: EventType | "EXTERNAL";
  available_delta: number;
  held_delta: number;
  event_id: string;
  reference: string | null;
  notes: string | null;
};

/** A run of seqs: `first` to `last`, both included. */
export type SeqRange = { first: number; last: number };

export type BatchPlan = {
  /** The newest state of each hold the events speak of. */
  holds: HoldPayload[];
  levels: StockLevel[];
  movements: Movement[];
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
  events: InventoryEvent[],
  levels: Map<string, StockLevel>,
  applied_seq: number,
): BatchPlan {
  const holds = new Map<string, HoldPayload>();
  const changed = new Map<string, StockLevel>();
  const movements: Movement[] = [];
  const gaps: SeqRange[] = [];
  const late_seqs: number[] = [];
  let seq = applied_seq;

  for (const event of events) {
    if (event.seq <= seq) late_seqs.push(event.seq);
    if (event.seq > seq + 1) gaps.push({ first: seq + 1, last: event.seq - 1 });
    seq = Math.max(seq, event.seq);

    const { payload } = event;
    const known = holds.get(payload.hold_id);
    if (!known || known.version < payload.version) holds.set(payload.hold_id, payload);

    for (const line of payload.lines) {
      const stock = stockOf(line);
      const before = changed.get(stock) ?? levels.get(stock) ?? unknownLevel(line);
      const after = line.version > before.version ? levelAfter(line, payload) : before;
      movements.push(...movementsOf(event, line, before, after));
      changed.set(stock, after);
    }
  }
  return {
    holds: [...holds.values()],
    levels: [...changed.values()],
    movements,
    gaps,
    late_seqs,
    applied_seq: seq,
  };
}

// The deltas of a stock's movements add up to its level, always. So whatever lies between two levels and is
// not the event's doing becomes an EXTERNAL movement: a SET by redis-cli, or events that never came; and
// when such an event does come late, the same reckoning takes it out again.
function movementsOf(
  event: InventoryEvent,
  line: HoldPayload["lines"][number],
  before: StockLevel,
  after: StockLevel,
): Movement[] {
  const { payload, event_id } = event;
  const { sku, store_id } = line;
  const own = stockDeltas(event.type, line.quantity);
  const common = { occurred_at: payload.occurred_at, sku, store_id, event_id };
  const movement: Movement = {
    ...common,
    kind: event.type,
    ...own,
    reference: payload.hold_id,
    notes: payload.reason ?? null,
  };
  const available_delta = after.available - before.available - own.available_delta;
  const held_delta = after.held - before.held - own.held_delta;
  if (available_delta === 0 && held_delta === 0) return [movement];
  const external: Movement = {
    ...common,
    kind: "EXTERNAL",
    available_delta,
    held_delta,
    reference: null,
    notes: externalNote(line.version, before.version),
  };
  return [external, movement];
}

function externalNote(version: number, known_version: number): string {
  if (version === known_version + 1) return "changed from outside, between two events";
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

const levelAfter = (line: HoldPayload["lines"][number], payload: HoldPayload): StockLevel => ({
  sku: line.sku,
  store_id: line.store_id,
  available: line.available,
  held: line.held,
  version: line.version,
  updated_at: payload.occurred_at,
});

export const isSold = (hold: HoldPayload) => hold.status === HOLD_EVENTS.HOLD_CONFIRMED;
