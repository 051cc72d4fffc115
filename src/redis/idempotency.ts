import type { Redis } from "ioredis";
import { IDEMPOTENCY_MS } from "../domain/limits.ts";
import { IDEM_ROUTES, type IdemRoute, type Keys } from "./keys.ts";
import { Recovering, RedisFault } from "./outcome.ts";

export type Records = ReturnType<typeof createRecords>;

/** What an idempotency key did, as the script that did it has written it down. */
export type IdemRecord = {
  route: IdemRoute;
  /** What lua/lib/idempotency.lua remembers, without the fingerprint. */
  words: string[];
  recorded_at: number;
};

// Requests of many lines give each line a key of its own, `<key>#<n>`: the first stands for all.
const BY_LINE: ReadonlySet<IdemRoute> = new Set(["reconcile", "bulk", "seed"]);

/**
 * What idempotency keys did to stock within the last day.
 * @param generation the one that Redis is admitted with, null while it is not
 */
export function createRecords(redis: Redis, keys: Keys, generation: () => number | null) {
  /**
   * Everything that was done under this key, by route, in one round trip.
   * @throws RedisFault when Redis can't be asked; Recovering when what it does not have may be lost
   */
  async function find(key: string): Promise<IdemRecord[]> {
    const names = IDEM_ROUTES.map((route) =>
      keys.idem(route, BY_LINE.has(route) ? `${key}#1` : key),
    );
    const asked = redis.pipeline().exists(keys.generation).mget(names);
    for (const name of names) asked.pexpiretime(name);
    const replies = await asked.exec().catch((error: unknown) => {
      throw unasked(error);
    });
    const [is_admitted, texts, ...times] = (replies ?? []).map(([error, reply]) => {
      if (error) throw unasked(error);
      return reply;
    });
    if (generation() === null || is_admitted !== 1) {
      throw new Recovering("Redis is not admitted, so it can't say what a key did.");
    }
    return IDEM_ROUTES.flatMap((route, i) => {
      const text: unknown = Array.isArray(texts) ? texts[i] : null;
      const expires_at = Number(times[i]);
      // Gone since its text was read, or without an end: no script has written that.
      if (typeof text !== "string" || !(expires_at > 0)) return [];
      return [{ route, words: text.split(" ").slice(1), recorded_at: expires_at - IDEMPOTENCY_MS }];
    });
  }

  return { find };
}

const unasked = (error: unknown) =>
  new RedisFault("NOT_EXECUTED", "The idempotency records could not be read.", error);
