import { intervalUs, type Rate } from "../../domain/rate.ts";
import { monotonicNow } from "../../now.ts";

/** Of each kind. */
const KNOWN_MAX = 50_000;
/** A process takes at most so many seconds' worth ahead of its requests. */
const AHEAD_SECONDS = 0.1;
/** Of a bucket that holds so many, a process lets one through unasked, and pays for it with the next. */
const UNASKED_BURST_MIN = 10;

/** The buckets of all callers, or of all customers, or of all addresses. */
export type Kind = {
  name: string;
  rate: Rate;
  interval_ms: number;
  ahead_max: number;
  find: (id: string) => Bucket | undefined;
  create: (id: string) => Bucket;
};

export type Bucket = {
  kind: Kind;
  id: string;
  /** Taken out of Redis, and not spent yet. */
  ahead: number;
  /** How many were spent since it was last asked for any: so many are taken ahead the next time. */
  spent: number;
  /** Let through unasked, and not paid for yet. */
  owed: number;
  /** Local ms from which one is let through unasked again: when even an empty one is full. */
  unasked_from: number;
  /** Local ms at which it is full, as far as this process knows. */
  full_at: number;
  /** Local ms before which there is none. */
  empty_until: number;
};

/** Buckets of one rate, as this process knows them. `name` tells them from others in Redis. */
export function createKind(name: string, rate: Rate): Kind {
  const interval_ms = intervalUs(rate) / 1000;
  const ahead_max = Math.floor(Math.min(rate.per_second * AHEAD_SECONDS, rate.burst));
  const is_small = rate.burst < UNASKED_BURST_MIN;
  let newer = new Map<string, Bucket>();
  let older = new Map<string, Bucket>();
  let turned_at = Number.NEGATIVE_INFINITY;
  /** Since then none was spent of a bucket that was forgotten. */
  let forgot_until = Number.NEGATIVE_INFINITY;
  const kind = { name, rate, interval_ms, ahead_max, find, create };

  function create(id: string): Bucket {
    // It may be one that was forgotten, of which one has just been let through unasked.
    const unasked_from = is_small
      ? Number.POSITIVE_INFINITY
      : forgot_until + rate.burst * interval_ms;
    const bucket = {
      kind,
      id,
      unasked_from,
      ahead: 0,
      spent: 0,
      owed: 0,
      full_at: 0,
      empty_until: 0,
    };
    remember(bucket);
    return bucket;
  }

  // Two halves, of which the older one goes as a whole: who is asked for stays. (A Map whose oldest entries
  // are deleted one by one takes ever longer to find the next.)
  function find(id: string): Bucket | undefined {
    const bucket = newer.get(id);
    if (bucket) return bucket;
    const old = older.get(id);
    if (old) remember(old);
    return old;
  }

  function remember(bucket: Bucket) {
    newer.set(bucket.id, bucket);
    if (newer.size < KNOWN_MAX / 2) return;
    forgot_until = turned_at;
    turned_at = monotonicNow();
    older = newer;
    newer = new Map();
  }

  return kind;
}
