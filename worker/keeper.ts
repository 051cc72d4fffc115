import { CODE_PATTERN } from "../src/domain/ids.ts";
import type { Log } from "../src/log.ts";
import type { Pool } from "../src/postgres/client.ts";
import { addStores, readPromises, readRanks, type StockPromise } from "../src/postgres/keeping.ts";
import { type ReturnPromise, readReturnPromises } from "../src/postgres/returns.ts";
import { putInitialStock } from "../src/redis/initial-stock.ts";
import type { Stock } from "../src/redis/stock.ts";
import type { Stores } from "../src/redis/stores.ts";
import type { Agent } from "./loop.ts";
import { keeperMended, keeperStuck } from "./metrics.ts";
import { createPromiseKeeper } from "./promises.ts";

const EVERY_MS = 2_000;
const RANK_MAX = 2 ** 31 - 1;

/**
 * Mends what a crash between Postgres and Redis left half done: stores that one side does not know, or knows
 * by another rank, initial stock that was promised to a product but never put there, and returns that were
 * decided but not taken back. Any number of keepers may run: each of these is the same however often it is
 * done.
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
  const common = { redisNow, generation, log };
  const stocks = createPromiseKeeper<StockPromise>({
    ...common,
    kind: "INITIAL_STOCK",
    words: {
      kept: "put a product's initial stock there",
      stuck: "initial stock is not where it should be",
    },
    read: (age_ms, after, count) => readPromises(pool, age_ms, after, count),
    keep: async (promise, context) => (await putInitialStock(stock, promise, context)).occurred_at,
    told: ({ event_id, sku, store_id, units }) => ({ event_id, sku, store_id, units }),
  });
  const returns = createPromiseKeeper<ReturnPromise>({
    ...common,
    kind: "RETURN",
    words: { kept: "took an order's return back", stuck: "a return is not where it should be" },
    read: (age_ms, after, count) => readReturnPromises(pool, age_ms, after, count),
    keep: async (promise, context) => (await stock.returnUnits(promise, context)).returned_at,
    told: ({ event_id, order_id }) => ({ event_id, order_id }),
  });

  // What hinders the one must not hinder the others.
  async function runOnce(): Promise<number> {
    const results = await Promise.allSettled([mendStores(), stocks.runOnce(), returns.runOnce()]);
    keeperStuck.set(stocks.stuck() + returns.stuck());
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    const [, ...done] = results.map((result) =>
      result.status === "fulfilled" ? Number(result.value) : 0,
    );
    return Math.max(...done);
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

  return { name: "keeper", idle_ms: EVERY_MS, runOnce };
}

const isRank = (rank: number) => Number.isInteger(rank) && rank >= 0 && rank <= RANK_MAX;
