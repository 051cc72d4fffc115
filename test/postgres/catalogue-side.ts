import { randomUUID } from "node:crypto";
import { newEventId } from "../../src/domain/ids.ts";
import { createCatalogue } from "../../src/postgres/catalogue.ts";
import type { IdempotentCall, RecordRoute } from "../../src/postgres/once.ts";
import type { NewProduct } from "../../src/postgres/products.ts";
import { freshDatabase } from "../setup/stack.ts";
import { query } from "../worker/query.ts";
import { patientPool } from "./patient-pool.ts";

/** A catalogue in a database of its own. The test closes it. */
export async function openCatalogue() {
  const database = await freshDatabase();
  const pool = patientPool(database.url);
  async function close() {
    await pool.end();
    await database.close();
  }
  return {
    ...createCatalogue(pool, "main"),
    pool,
    url: database.url,
    /** Forgets every product, store, stock and call. */
    empty: () =>
      query(
        database.url,
        "truncate products, stores, initial_stocks, stock_levels, idempotency_records",
      ),
    close,
  };
}

export const TEA: NewProduct = { sku: "tea", name: "Tea" };
/** Tea, with everything that can be told of it. */
export const FULL = {
  ...{ sku: "tea", name: "Tea", description: "Green, 100 g", price: 4.95 },
  ...{ category: "drinks", location: "A-3" },
};
/** Stock for a product to begin with. */
export const initial = (units = 10) => ({
  ...{ event_id: newEventId(), units },
});

/** A call that nobody has made yet. */
export const newCall = (
  route: RecordRoute,
  more: Partial<IdempotentCall> = {},
): IdempotentCall => ({
  ...{ route, key: randomUUID(), fingerprint: "f" },
  by: { who: "ann", request_id: "request-1" },
  ...more,
});

/** What is on hand in a stock, as if it had been recorded. */
export const stockLevel = (
  databaseUrl: string,
  sku: string,
  store_id: string,
  { available = 0, held = 0, version = 1, updated_at = 0 } = {},
) =>
  query(
    databaseUrl,
    `insert into stock_levels (sku, store_id, available, held, version, updated_at)
     values ($1, $2, $3, $4, $5, to_timestamp($6::float8 / 1000))`,
    [sku, store_id, available, held, version, updated_at],
  );

/** The answers of calls that were made at once: those that were granted, and the codes of refusals. */
export async function settle<T>(calls: Promise<T>[]) {
  const answers = await Promise.allSettled(calls);
  return {
    granted: answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : [])),
    codes: answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason.code] : [])),
  };
}
