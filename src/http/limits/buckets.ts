import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../log.ts";
import { rateLimitsAlone } from "../../metrics.ts";
import { monotonicNow } from "../../now.ts";
import { failedOutcome } from "../../redis/outcome.ts";
import type { Grant, Permits, Wish } from "../../redis/permits.ts";
import { within } from "../../within.ts";
import type { Bucket, Kind } from "./kind.ts";

/** As for the scripts that decide: while Redis works on one call, the next is there already. */
const IN_FLIGHT_MAX = 2;
const BATCH_MAX = 256;
const WAITING_MAX = 4_096;
const AGAIN_MS = 50;
/** After a failure Redis is left alone for so long. */
const REST_MS = 1_000;

/** Whether a request may go on, and how its bucket is from then on. */
export type Permit = { granted: boolean; left: number; wait_ms: number; full_ms: number };

type Waiter = (permit: Permit) => void;
/** Who wait for a bucket, and since which local ms the first of them does. */
type Waiting = { since: number; resolves: Waiter[] };
/** Who asks for a bucket in one call, and what they pay for beside. */
type Asking = Waiting & { bucket: Bucket; owed: number };

export type Buckets = ReturnType<typeof createBuckets>;

/**
 * Spends permits of buckets that all processes share. Those who come in one turn of the event loop ask
 * Redis together. Of a bucket with many a second a process takes some ahead, as many as it has just
 * spent and a tenth of a second's worth at most with each of two calls, so that most requests ask
 * nobody: by so many, for each process, more may be let through at once than the bucket had. When Redis
 * can't be asked, each process limits by itself.
 * @param wait_ms_max for how long Redis may keep a request waiting
 */
export function createBuckets(deps: { take: Permits["take"]; log: Log; wait_ms_max: number }) {
  const waiting = new Map<Bucket, Waiting>();
  let waiters = 0;
  let in_flight = 0;
  let planned = false;
  let rests_until = 0;
  let alone = false;

  /** Spends one permit, at once when this process knows enough. */
  function spend(kind: Kind, id: string): Permit | Promise<Permit> {
    const now = monotonicNow();
    const bucket = kind.find(id) ?? kind.create(id);
    if (bucket.ahead > 0) {
      bucket.ahead -= 1;
      bucket.spent += 1;
      return granted(bucket, now);
    }
    if (now < bucket.empty_until) return refused(bucket, now);
    if (now >= bucket.unasked_from) {
      bucket.unasked_from = now + kind.rate.burst * kind.interval_ms;
      bucket.full_at = Math.max(bucket.full_at, now) + kind.interval_ms;
      bucket.owed = 1;
      return granted(bucket, now);
    }
    if (now < rests_until || waiters >= WAITING_MAX) return spendAlone(bucket, now);
    return new Promise((resolve) => {
      const others = waiting.get(bucket);
      if (others) others.resolves.push(resolve);
      else waiting.set(bucket, { since: now, resolves: [resolve] });
      waiters += 1;
      planAsking();
    });
  }

  /** What there is to say to whoever wants a permit of a bucket that is known to be empty; else null. */
  function refusal(kind: Kind, id: string): Permit | null {
    const bucket = kind.find(id);
    const now = monotonicNow();
    return bucket && now < bucket.empty_until ? refused(bucket, now) : null;
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
    const batch = [...waiting.entries().take(BATCH_MAX)].map(takeOff);
    const [longest] = batch;
    if (!longest) return;
    in_flight += 1;
    // They wait in the order in which they came: so nobody waits for longer, in whichever call he comes.
    const until = longest.since + deps.wait_ms_max;
    try {
      const grants = await within(until - monotonicNow(), takeInTime(batch.map(wishOf), until));
      noteAlone(false);
      for (const [i, asking] of batch.entries()) settle(asking, grants[i]);
    } catch (err) {
      rests_until = monotonicNow() + REST_MS;
      noteAlone(true, err);
      const now = monotonicNow();
      // Those who would be next, too: else each round of them would wait as long.
      for (const { bucket, resolves } of [...batch, ...[...waiting].map(takeOff)]) {
        for (const resolve of resolves) resolve(spendAlone(bucket, now));
      }
    } finally {
      in_flight -= 1;
      planAsking();
    }
  }

  // Again when there was no reply, on a busy machine for one: what a lost one gave is lost, too.
  async function takeInTime(wishes: Wish[], until: number): Promise<Grant[]> {
    for (;;) {
      try {
        return await deps.take(wishes);
      } catch (error) {
        if (failedOutcome(error) === "NOT_EXECUTED" || monotonicNow() > until) throw error;
      }
      await sleep(AGAIN_MS);
    }
  }

  function takeOff([bucket, asking]: [Bucket, Waiting]): Asking {
    const { owed } = bucket;
    bucket.owed = 0;
    waiting.delete(bucket);
    waiters -= asking.resolves.length;
    return { ...asking, bucket, owed };
  }

  function settle({ bucket, resolves, owed }: Asking, grant: Grant | undefined) {
    if (!grant) throw new Error("A bucket was asked for nothing.");
    const now = monotonicNow();
    const { rate, interval_ms } = bucket.kind;
    bucket.full_at = now + (rate.burst - grant.left) * interval_ms;
    if (grant.left === 0) bucket.empty_until = now + grant.wait_ms;
    const paid = Math.max(0, grant.granted - owed);
    const served = Math.min(paid, resolves.length);
    bucket.ahead += paid - served;
    for (const [i, resolve] of resolves.entries()) {
      resolve(i < served ? granted(bucket, now) : refused(bucket, now));
    }
  }

  // By this process's own count, from where it last knew the bucket to be.
  function spendAlone(bucket: Bucket, now: number): Permit {
    const { rate, interval_ms } = bucket.kind;
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

function wishOf({ bucket, resolves, owed }: Asking): Wish {
  const { name, rate, ahead_max } = bucket.kind;
  const ahead = Math.min(ahead_max, bucket.spent);
  bucket.spent = resolves.length;
  return { bucket: `${name}:${bucket.id}`, rate, needed: resolves.length + owed, ahead };
}

function granted({ kind, full_at, ahead }: Bucket, now: number): Permit {
  const { rate, interval_ms } = kind;
  const spent = Math.ceil(Math.max(0, full_at - now) / interval_ms);
  const left = Math.min(rate.burst, Math.max(0, rate.burst - spent) + ahead);
  return { granted: true, left, wait_ms: 0, full_ms: (rate.burst - left) * interval_ms };
}

function refused({ full_at, empty_until }: Bucket, now: number): Permit {
  const wait_ms = Math.max(0, empty_until - now);
  return { granted: false, left: 0, wait_ms, full_ms: Math.max(wait_ms, full_at - now) };
}
