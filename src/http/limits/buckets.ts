import { setTimeout as sleep } from "node:timers/promises";
import { intervalUs, type Rate } from "../../domain/rate.ts";
import type { Log } from "../../log.ts";
import { rateLimitsAlone } from "../../metrics.ts";
import { monotonicNow } from "../../now.ts";
import { failedOutcome } from "../../redis/outcome.ts";
import type { Grant, Permits, Wish } from "../../redis/permits.ts";
import { within } from "../../within.ts";

/** As for the scripts that decide: while Redis works on one call, the next is there already. */
const IN_FLIGHT_MAX = 2;
const BATCH_MAX = 256;
const WAITING_MAX = 4_096;
const KNOWN_MAX = 10_000;
/** A process takes at most so many seconds' worth ahead of its requests. */
const AHEAD_SECONDS = 0.1;
const AGAIN_MS = 50;
/** After a failure Redis is left alone for so long. */
const REST_MS = 1_000;

/** Whether a request may go on, and how its bucket is from then on. */
export type Permit = { granted: boolean; left: number; wait_ms: number; full_ms: number };

type Bucket = {
  name: string;
  rate: Rate;
  interval_ms: number;
  ahead_max: number;
  /** Taken out of Redis, and not spent yet. */
  ahead: number;
  /** How many were spent since it was last asked for any: so many are taken ahead the next time. */
  spent: number;
  /** Local ms at which it is full, as far as this process knows. */
  full_at: number;
  /** Local ms before which there is none. */
  empty_until: number;
};
type Waiter = (permit: Permit) => void;

export type Buckets = ReturnType<typeof createBuckets>;

/**
 * Spends permits of buckets that all processes share. Those who come in one turn of the event loop ask Redis
 * together. Of a bucket with many a second a process takes some ahead, as many as it has just spent and a
 * tenth of a second's worth at most, so that most requests ask nobody: by so many, for each process, more
 * may be let through at once than the bucket had. When Redis can't be asked, each process limits by itself.
 * @param wait_ms_max for how long Redis may keep a request waiting
 */
export function createBuckets(deps: { take: Permits["take"]; log: Log; wait_ms_max: number }) {
  const known = new Map<string, Bucket>();
  const waiting = new Map<Bucket, Waiter[]>();
  let waiters = 0;
  let in_flight = 0;
  let planned = false;
  let rests_until = 0;
  let alone = false;

  /** Spends one permit, at once when this process knows enough. */
  function spend(name: string, rate: Rate): Permit | Promise<Permit> {
    const now = monotonicNow();
    const bucket = known.get(name) ?? createBucket(name, rate);
    if (bucket.ahead > 0) {
      bucket.ahead -= 1;
      bucket.spent += 1;
      return granted(bucket, now);
    }
    if (now < bucket.empty_until) return refused(bucket, now);
    if (now < rests_until || waiters >= WAITING_MAX) return spendAlone(bucket, now);
    return new Promise((resolve) => {
      const others = waiting.get(bucket);
      if (others) others.push(resolve);
      else waiting.set(bucket, [resolve]);
      waiters += 1;
      planAsking();
    });
  }

  /** What there is to say to whoever wants a permit of a bucket that is known to be empty; else null. */
  function refusal(name: string): Permit | null {
    const bucket = known.get(name);
    const now = monotonicNow();
    return bucket && now < bucket.empty_until ? refused(bucket, now) : null;
  }

  function createBucket(name: string, rate: Rate): Bucket {
    const interval_ms = intervalUs(rate) / 1000;
    const ahead_max = Math.floor(Math.min(rate.per_second * AHEAD_SECONDS, rate.burst));
    const none = { ahead: 0, spent: 0, full_at: 0, empty_until: 0 };
    const bucket = { name, rate, interval_ms, ahead_max, ...none };
    known.set(name, bucket);
    if (known.size > KNOWN_MAX) forgetOne();
    return bucket;
  }

  // The oldest; of two that one with nothing ahead, since that would be lost. Redis knows the rest.
  function forgetOne() {
    const [oldest, next] = known.values().take(2);
    if (!oldest || !next) return;
    known.delete(oldest.name);
    if (oldest.ahead === 0) return;
    known.delete(next.name);
    known.set(oldest.name, oldest);
  }

  function planAsking() {
    if (planned || waiting.size === 0 || in_flight >= IN_FLIGHT_MAX) return;
    planned = true;
    setImmediate(() => {
      planned = false;
      void ask();
    });
  }

  async function ask() {
    const batch = [...waiting.entries().take(BATCH_MAX)];
    for (const [bucket, resolves] of batch) {
      waiting.delete(bucket);
      waiters -= resolves.length;
    }
    in_flight += 1;
    try {
      const grants = await within(deps.wait_ms_max, takeInTime(batch.map(wishOf)));
      noteAlone(false);
      for (const [i, [bucket, resolves]] of batch.entries()) settle(bucket, resolves, grants[i]);
    } catch (err) {
      rests_until = monotonicNow() + REST_MS;
      noteAlone(true, err);
      const now = monotonicNow();
      for (const [bucket, resolves] of batch) {
        for (const resolve of resolves) resolve(spendAlone(bucket, now));
      }
    } finally {
      in_flight -= 1;
      planAsking();
    }
  }

  // Again when there was no reply, on a busy machine for one: what a lost one gave is lost, too.
  async function takeInTime(wishes: Wish[]): Promise<Grant[]> {
    const until = monotonicNow() + deps.wait_ms_max;
    for (;;) {
      try {
        return await deps.take(wishes);
      } catch (error) {
        if (failedOutcome(error) === "NOT_EXECUTED" || monotonicNow() > until) throw error;
      }
      await sleep(AGAIN_MS);
    }
  }

  function wishOf([bucket, resolves]: [Bucket, Waiter[]]): Wish {
    const ahead = Math.min(bucket.ahead_max, bucket.spent);
    bucket.spent = resolves.length;
    return { bucket: bucket.name, rate: bucket.rate, needed: resolves.length, ahead };
  }

  function settle(bucket: Bucket, resolves: Waiter[], grant: Grant | undefined) {
    if (!grant) throw new Error("A bucket was asked for nothing.");
    const now = monotonicNow();
    const { rate, interval_ms } = bucket;
    bucket.full_at = now + (rate.burst - grant.left) * interval_ms;
    if (grant.left === 0) bucket.empty_until = now + grant.wait_ms;
    const served = Math.min(grant.granted, resolves.length);
    bucket.ahead += grant.granted - served;
    for (const [i, resolve] of resolves.entries()) {
      resolve(i < served ? granted(bucket, now) : refused(bucket, now));
    }
  }

  // By this process's own count, from where it last knew the bucket to be.
  function spendAlone(bucket: Bucket, now: number): Permit {
    const { rate, interval_ms } = bucket;
    const spent_ms = Math.max(0, bucket.full_at - now);
    if (spent_ms > (rate.burst - 1) * interval_ms) {
      bucket.empty_until = now + spent_ms - (rate.burst - 1) * interval_ms;
      return refused(bucket, now);
    }
    bucket.full_at = now + spent_ms + interval_ms;
    return granted(bucket, now);
  }

  function noteAlone(is_so: boolean, err?: unknown) {
    if (is_so === alone) return;
    alone = is_so;
    rateLimitsAlone.set(alone ? 1 : 0);
    if (alone) deps.log.warn({ err }, "rate limits are this process's own: Redis can't be asked");
    else deps.log.info("rate limits are shared again");
  }

  return { spend, refusal };
}

function granted(bucket: Bucket, now: number): Permit {
  const { full_at, interval_ms, rate, ahead } = bucket;
  const spent = Math.ceil(Math.max(0, full_at - now) / interval_ms);
  const left = Math.min(rate.burst, Math.max(0, rate.burst - spent) + ahead);
  return { granted: true, left, wait_ms: 0, full_ms: (rate.burst - left) * interval_ms };
}

function refused({ full_at, empty_until }: Bucket, now: number): Permit {
  const wait_ms = Math.max(0, empty_until - now);
  return { granted: false, left: 0, wait_ms, full_ms: Math.max(wait_ms, full_at - now) };
}
