import { monotonicNow } from "../now.ts";

/**
 * Redis's clock as seen from here, so that a deadline can be named in its time. It learns from calls that
 * are made anyway: a reply that says `redis_now`, asked at `sent` and received at `received`, proves that
 * the offset lies between redis_now − received and redis_now − sent. The estimate moves only when it falls
 * outside, so a slow reply (a wide interval) teaches nothing wrong, and a jump of either clock is followed.
 */
export function createClock(localNow: () => number = monotonicNow) {
  let offset = 0;

  function learn(redis_now: number, sent: number, received: number) {
    offset = Math.min(Math.max(offset, redis_now - received), redis_now - sent);
  }

  return {
    /** ms since 1970, on Redis's clock. */
    now: () => localNow() + offset,
    /** Converts a local time to Redis's. */
    fromLocal: (local: number) => local + offset,
    learn,
    /** Before the first call: were the clocks far apart, it would be refused as late. */
    async learnFrom(askRedis: () => Promise<number>) {
      const sent = localNow();
      learn(await askRedis(), sent, localNow());
    },
  };
}

export type Clock = ReturnType<typeof createClock>;
