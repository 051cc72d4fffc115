import type { SeqRange } from "./batch-plan.ts";

/**
 * What Redis was found to be, once everything in its stream was recorded. TAIL_LOST: it is behind what
 * was recorded, or seen. ENTRIES_LOST: it is ahead, since entries were gone before they were recorded.
 * DIVERGED: it is a former master that went on by itself while another one was admitted.
 */
export const FINDINGS = ["INTACT", "EMPTY", "TAIL_LOST", "ENTRIES_LOST", "DIVERGED"] as const;
export type Finding = (typeof FINDINGS)[number];

/** What the worker that admits Redis is doing. */
export const ADMISSION_STATES = [
  "OPEN",
  "DRAINING",
  "WAITING_FOR_APPROVAL",
  "RESTORING",
  "CHECKING",
] as const;
export type AdmissionState = (typeof ADMISSION_STATES)[number];

/** How far both sides are, when the stream is drained and the fence is closed. */
export type Sides = {
  /** Redis missed the newest admission, and yet has events that the ledger has not. */
  diverged: boolean;
  redis_seq: number;
  applied_seq: number;
  /** The highest seq of Redis that is known of. */
  seen_seq: number;
  /** It had no higher one: somebody has heard of every event. Else what was lost is that much at least. */
  heard_all: boolean;
};

export type Judgement = {
  finding: Finding;
  /**
   * The ledger knows what Redis does not: it must be given back. FORCED: whatever Redis has instead is
   * wrong, however new it looks.
   */
  rebuild: "NO" | "NEWER" | "FORCED";
  /** Events that were decided and that the ledger will never have; null when there are none. */
  lost: SeqRange | null;
  /** Where the sequence goes on. */
  seq: number;
};

export function judge({
  diverged,
  redis_seq,
  applied_seq,
  seen_seq,
}: Omit<Sides, "heard_all">): Judgement {
  const seq = Math.max(redis_seq, applied_seq, seen_seq);
  return {
    finding: diverged ? "DIVERGED" : findingOf(redis_seq, applied_seq, seq),
    rebuild: diverged ? "FORCED" : redis_seq < applied_seq ? "NEWER" : "NO",
    lost: seq > applied_seq ? { first: applied_seq + 1, last: seq } : null,
    seq,
  };
}

function findingOf(redis_seq: number, applied_seq: number, seq: number): Finding {
  if (redis_seq === seq) return redis_seq === applied_seq ? "INTACT" : "ENTRIES_LOST";
  return redis_seq === 0 ? "EMPTY" : "TAIL_LOST";
}

/** A stock whose held units are not those of its active holds. */
export type HeldDifference = { sku: string; store_id: string; held: number; in_holds: number };

/** What a recovery found, lost and gave back. It only ever grows: reports are kept. */
export type RecoveryReport = Sides & {
  events_lost: number;
  /** Of the events that were lost the ledger knows the number alone, but for those that were dead letters. */
  holds_lost: string[];
  units_lost: number;
  restored: {
    stocks: number;
    /** On hand in those stocks. */
    units: number;
    active_holds: number;
    ended_holds: number;
    records: number;
    /** Skus whose rules were given back. */
    rules: number;
    /** Customers of a sku whose units were counted anew. */
    customers: number;
    /** Who waits for a stock. */
    waiters: number;
  };
  /** Stocks that have or had units held, and those of them (the first few) where the holds say otherwise. */
  checked: { stocks: number; differing: number; differences: HeldDifference[] };
  /** From the fence's closing to its opening, without the wait for an approval. */
  ms: number;
};
