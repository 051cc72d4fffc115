import type { Redis } from "ioredis";
import { CODE_PATTERN } from "../domain/ids.ts";
import type { Keys } from "./keys.ts";
import { CorruptKey, failedOutcome, isReply, RedisFault, readKey } from "./outcome.ts";

const UNASKED = "The registry of stores could not be asked.";

export type Stores = ReturnType<typeof createStores>;

/** The stores as this process knows them. */
type Known = {
  /** The default store first, then the others by name. */
  ids: string[];
  /** How many the registry had. A script that finds another number there answers STALE_STORES. */
  seen: number;
};

/**
 * The registry of stores, kept here as it was last read: it only ever grows, and the scripts notice when it
 * has. All of these throw RedisFault when Redis can't be asked.
 */
export function createStores(redis: Redis, keys: Keys, default_store: string) {
  let cached: Known | undefined;
  let reading: Promise<Known> | undefined;

  async function known(): Promise<Known> {
    return cached ?? (await read());
  }

  /** Reads the registry anew, once for all who ask while it is read. */
  async function refresh(): Promise<void> {
    await read();
  }

  async function has(store_id: string): Promise<boolean> {
    if (store_id === default_store) return true;
    if ((await known()).ids.includes(store_id)) return true;
    return (await read()).ids.includes(store_id);
  }

  /** Adds a store, or sets the rank of one. */
  async function register(store_id: string, latency_rank: number): Promise<void> {
    await redis.hset(keys.stores, store_id, String(latency_rank)).catch((error: unknown) => {
      if (isReply(error, "WRONGTYPE")) throw new CorruptKey(keys.stores);
      throw new RedisFault(failedOutcome(error), UNASKED, error);
    });
    cached = undefined;
  }

  /** Every registered store with its rank, as Redis has it now. */
  async function readAll(): Promise<Map<string, number>> {
    const all = await readRegistry();
    return new Map(Object.entries(all).map(([store_id, rank]) => [store_id, Number(rank)]));
  }

  function read(): Promise<Known> {
    reading ??= readKnown().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  async function readKnown(): Promise<Known> {
    const names = Object.keys(await readRegistry());
    // A name that is none was put there by hand: it is counted, as the scripts do, and has no stock.
    const others = names.filter((name) => name !== default_store && CODE_PATTERN.test(name));
    cached = { ids: [default_store, ...others.sort()], seen: names.length };
    return cached;
  }

  const readRegistry = () => readKey(keys.stores, UNASKED, () => redis.hgetall(keys.stores));

  return { known, refresh, has, register, readAll };
}
