import type { Deed, Doer } from "../domain/deed.ts";
import { Rejection } from "../domain/rejection.ts";
import { keepDeed } from "./audit-log.ts";
import type { Pool } from "./client.ts";
import { type IdempotentCall, once } from "./once.ts";
import { PRODUCT_COLUMNS, type Product, type ProductRow, productOf } from "./products-read.ts";
import { leastStocked } from "./stores.ts";
import type { Transaction } from "./transaction.ts";

export type NewProduct = {
  sku: string;
  name: string;
  description?: string | undefined;
  /** At most 2 decimals. */
  price?: number | undefined;
  category?: string | undefined;
  location?: string | undefined;
  /** Stock to begin with, and the ids of the event that will bring it. */
  initial?: { event_id: string; units: number } | undefined;
};

/** A member that is left out stays as it is; null takes it away. */
export type ProductChanges = {
  name?: string | undefined;
  description?: string | null | undefined;
  price?: number | null | undefined;
  category?: string | null | undefined;
  location?: string | null | undefined;
};

/** Stock promised to a new product: Redis has yet to be told, again and again, under this event_id. */
export type InitialStock = { event_id: string; store_id: string; units: number };

export function createProducts(pool: Pool, default_store: string) {
  /**
   * Its stock to begin with is promised to the store that has the least, in the same transaction.
   * @throws Rejection PRODUCT_EXISTS, IDEMPOTENCY_KEY_REUSED
   */
  async function createProduct(input: NewProduct, call: IdempotentCall) {
    const { result, replayed } = await once(pool, call, async (transaction) => {
      const product = await insertProduct(transaction, input);
      const initial = await promiseStock(transaction, input, default_store, call.by);
      await keepProduct(transaction, call, "PRODUCT_CREATED", null, product);
      return { product, initial };
    });
    return { ...result, replayed };
  }

  /** @throws Rejection PRODUCT_NOT_FOUND, VERSION_CONFLICT with the version it has, IDEMPOTENCY_KEY_REUSED */
  async function updateProduct(
    sku: string,
    changes: ProductChanges,
    if_version: number | undefined,
    call: IdempotentCall,
  ) {
    const { result, replayed } = await once(pool, call, async (transaction) => {
      const before = await lockProduct(transaction, sku);
      const { rows } = await transaction.query<ProductRow>({
        name: "update_product",
        text: `update products
               set name = coalesce($3::jsonb ->> 'name', name),
                 description = case when $3 ? 'description' then $3 ->> 'description' else description end,
                 price = case when $3 ? 'price' then ($3 ->> 'price')::numeric else price end,
                 category = case when $3 ? 'category' then $3 ->> 'category' else category end,
                 location = case when $3 ? 'location' then $3 ->> 'location' else location end,
                 version = version + 1, updated_at = now()
               where sku = $1 and ($2::bigint is null or version = $2)
               returning ${PRODUCT_COLUMNS}`,
        values: [sku, if_version, JSON.stringify(changes)],
      });
      const product = productOf(rows[0] ?? (await refuse(transaction, sku)));
      await keepProduct(transaction, call, "PRODUCT_CHANGED", before, product);
      return product;
    });
    return { product: result, replayed };
  }

  /** Whether its stock is still to come: neither recorded yet, nor taken back with the product. */
  async function isPromised(event_id: string): Promise<boolean> {
    const { rowCount } = await pool.query({
      name: "is_promised",
      text: "select from initial_stocks where event_id = $1",
      values: [event_id],
    });
    return rowCount === 1;
  }

  /**
   * Answers with what is gone. Doesn't look at stock; what was promised and not yet put there goes too.
   * @param obstacle why a product that is there may not go. A replay has its answer all the same.
   * @throws Rejection PRODUCT_NOT_FOUND, VERSION_CONFLICT with the version it has, IDEMPOTENCY_KEY_REUSED
   */
  async function deleteProduct(
    sku: string,
    if_version: number | undefined,
    call: IdempotentCall,
    obstacle?: Rejection | undefined,
  ) {
    const { result, replayed } = await once(pool, call, async (transaction) => {
      const { rows } = await transaction.query<ProductRow>({
        name: "delete_product",
        text: `with promised as (delete from initial_stocks where sku = $1)
               delete from products where sku = $1 and ($2::bigint is null or version = $2)
               returning ${PRODUCT_COLUMNS}`,
        values: [sku, if_version],
      });
      const product = productOf(rows[0] ?? (await refuse(transaction, sku)));
      if (obstacle) throw obstacle;
      await keepProduct(transaction, call, "PRODUCT_DELETED", product, null);
      return product;
    });
    return { product: result, replayed };
  }

  return { createProduct, isPromised, updateProduct, deleteProduct };
}

const keepProduct = (
  transaction: Transaction,
  { by }: IdempotentCall,
  what: Deed["what"],
  before: Product | null,
  after: Product | null,
) => keepDeed(transaction, by, { what, subject: (after ?? before)?.sku ?? "", before, after });

async function lockProduct(transaction: Transaction, sku: string): Promise<Product | null> {
  const { rows } = await transaction.query<ProductRow>({
    name: "lock_product",
    text: `select ${PRODUCT_COLUMNS} from products where sku = $1 for update`,
    values: [sku],
  });
  return rows[0] ? productOf(rows[0]) : null;
}

async function insertProduct(transaction: Transaction, input: NewProduct): Promise<Product> {
  const { sku, name, description, price, category, location } = input;
  const { rows } = await transaction.query<ProductRow>({
    name: "insert_product",
    text: `insert into products (sku, name, description, price, category, location)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (sku) do nothing
           returning ${PRODUCT_COLUMNS}`,
    values: [sku, name, description, price, category, location],
  });
  const [row] = rows;
  if (row) return productOf(row);
  throw new Rejection("PRODUCT_EXISTS", `There is a product ${sku} already.`, { sku });
}

async function promiseStock(
  transaction: Transaction,
  { sku, initial }: NewProduct,
  default_store: string,
  { who, request_id }: Doer,
): Promise<InitialStock | null> {
  if (!initial) return null;
  const { event_id, units } = initial;
  const store_id = await leastStocked(transaction, default_store);
  await transaction.query({
    name: "promise_stock",
    text: `insert into initial_stocks (event_id, sku, store_id, units, request_id, actor)
           values ($1, $2, $3, $4, $5, $6)`,
    values: [event_id, sku, store_id, units, request_id, who],
  });
  return { event_id, store_id, units };
}

/** Says why no row was as the caller expected it. */
async function refuse(transaction: Transaction, sku: string): Promise<never> {
  const { rows } = await transaction.query<{ version: number }>({
    name: "read_product_version",
    text: "select version from products where sku = $1",
    values: [sku],
  });
  const [row] = rows;
  if (!row) throw new Rejection("PRODUCT_NOT_FOUND", `There is no product ${sku}.`, { sku });
  const { version } = row;
  const detail = `The product has changed: its version is ${version}.`;
  throw new Rejection("VERSION_CONFLICT", detail, { sku, version });
}
