import { CODE_PATTERN } from "../src/domain/ids.ts";
import { IDEMPOTENCY_MS } from "../src/domain/limits.ts";
import { Rejection } from "../src/domain/rejection.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import type { Pool } from "../src/postgres/client.ts";
import { addStores, readPromises, readRanks, type StockPromise } from "../src/postgres/keeping.ts";
import { putInitialStock } from "../src/redis/initial-stock.ts";
import { CorruptKey } from "../src/redis/outcome.ts";
import type { Stock } from "../src/redis/stock.ts";
import type { Stores } from "../src/redis/stores.ts";
import type { Agent } from "./loop.ts";
import { keeperMended, keeperStuck } from "./metrics.ts";

const EVERY_MS = 2_000;
const CALL_MS_MAX = 5_000;
const PROMISES_MAX = 500;
/** A promise that is younger is still the API's to keep. */
const PROMISE_AGE_MS_MIN = 10_000;
/** While it is younger, Redis still knows whether it was kept. An hour less than a record's life. */
const PROMISE_AGE_MS_MAX = IDEMPOTENCY_MS - 3_600_000;
const RANK_MAX = 2 ** 31 - 1;
const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/**
 * Mends what a crash between Postgres and Redis left half done: stores that one side does not know, or knows
 * by another rank, and initial stock that was promised to a product but never put there. Any number of
 * keepers may run: each of these is the same however often it is done.
 */
export function createKeeper({
  pool,
  stores,
  stock,
  redisNow,
  default_store,
  generation = () => null,
  log,
}: {
  pool: Pool;
  stores: Stores;
  stock: Stock;
  redisNow: () => Promise<number>;
  default_store: string;
  /** Of Redis's admission: since another one, what was put there before may be gone. */
  generation?: () => number | null;
  log: Log;
}): Agent {
  let kept_under = generation();
  const kept = new Set<string>();
  let stuck = new Set<string>();
  let cursor = FIRST_ID;
  let pass = { open: new Set<string>(), stuck: new Set<string>() };

  // What hinders the one must not hinder the other.
  async function runOnce(): Promise<number> {
    const results = await Promise.allSettled([mendStores(), keepPromises()]);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    return results[1].status === "fulfilled" ? results[1].value : 0;
  }

  async function mendStores(): Promise<void> {
    // Postgres last: the API writes there first, so this is never older than what Redis said.
    const in_redis = await stores.readAll();
    const in_postgres = await readRanks(pool);
    for (const [store_id, rank] of in_postgres) {
      // The default store need not be registered; then it has rank 0.
      const known = in_redis.get(store_id) ?? (store_id === default_store ? 0 : undefined);
      if (known === rank) continue;
      await stores.register(store_id, rank);
      keeperMended.inc({ what: "STORE_IN_REDIS" });
      log.info({ store_id, rank, before: known }, "told Redis of a store's rank");
    }
    const missing = [...in_redis]
      .filter(([store_id]) => !in_postgres.has(store_id) && CODE_PATTERN.test(store_id))
      .map(([store_id, rank]): [string, number] => [store_id, isRank(rank) ? rank : 0]);
    if (missing.length === 0) return;
    await addStores(pool, missing);
    keeperMended.inc({ what: "STORE_IN_POSTGRES" }, missing.length);
    log.info({ store_ids: missing.map(([store_id]) => store_id) }, "told Postgres of stores");
  }

  // Goes through all open promises, a batch a run.
  async function keepPromises(): Promise<number> {
    if (generation() !== kept_under) kept.clear();
    kept_under = generation();
    const promises = await readPromises(pool, PROMISE_AGE_MS_MIN, cursor, PROMISES_MAX);
    const now = await redisNow();
    const results = await Promise.allSettled(promises.map((promise) => keepPromise(promise, now)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    for (const { event_id } of promises) pass.open.add(event_id);
    cursor = promises.at(-1)?.event_id ?? FIRST_ID;
    if (promises.length === PROMISES_MAX) return promises.length;
    endPass();
    return 0;
  }

  async function keepPromise(promise: StockPromise, now: number): Promise<void> {
    const { event_id, request_id, age_ms } = promise;
    if (kept.has(event_id)) return; // only the recorder is late
    if (age_ms > PROMISE_AGE_MS_MAX) {
      reportStuck(promise, "too old to tell whether Redis has put it there");
      return;
    }
    try {
      const context = { request_id, deadline: monotonicNow() + CALL_MS_MAX };
      const { occurred_at } = await putInitialStock(stock, promise, context);
      kept.add(event_id);
      if (occurred_at < now) return; // it was there
      keeperMended.inc({ what: "INITIAL_STOCK" });
      log.info({ event_id, sku: promise.sku }, "put a product's initial stock there");
    } catch (error) {
      if (error instanceof Rejection) reportStuck(promise, error.detail);
      else if (error instanceof CorruptKey) reportStuck(promise, error.message);
      else throw error;
    }
  }

  // Once for each, though it is tried again with each pass.
  function reportStuck({ event_id, sku, store_id, units }: StockPromise, reason: string) {
    pass.stuck.add(event_id);
    if (stuck.has(event_id)) return;
    stuck.add(event_id);
    log.error(
      { event_id, sku, store_id, units, reason },
      "initial stock is not where it should be",
    );
  }

  function endPass() {
    for (const event_id of kept) if (!pass.open.has(event_id)) kept.delete(event_id);
    stuck = pass.stuck;
    keeperStuck.set(stuck.size);
    pass = { open: new Set(), stuck: new Set() };
    cursor = FIRST_ID;
  }

  return { name: "keeper", idle_ms: EVERY_MS, runOnce };
}

const isRank = (rank: number) => Number.isInteger(rank) && rank >= 0 && rank <= RANK_MAX;
