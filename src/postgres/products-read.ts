import type { Pool } from "./client.ts";

export type Product = {
  sku: string;
  name: string;
  description: string | null;
  /** At most 2 decimals. */
  price: number | null;
  category: string | null;
  location: string | null;
  /** One more with each change. */
  version: number;
  created_at: number;
  updated_at: number;
};

/** A product with what all stores have of it together. */
export type ProductTotals = {
  sku: string;
  name: string;
  total_on_hand: number;
  total_held: number;
  total_available: number;
};

/** `q`: only products in whose sku or name it occurs, in capitals or not. */
type Search = { q?: string | undefined };

/** Lists are in order of skus, and tell how many products there are on all their pages. */
export function createProductReads(pool: Pool) {
  /** Null when there is none. */
  async function readProduct(sku: string): Promise<Product | null> {
    const { rows } = await pool.query<ProductRow>({
      name: "read_product",
      text: `select ${PRODUCT_COLUMNS} from products where sku = $1`,
      values: [sku],
    });
    const [row] = rows;
    return row ? productOf(row) : null;
  }

  async function listProducts({ q, limit, offset }: Search & { limit: number; offset: number }) {
    const { rows } = await pool.query<Listed<ProductRow>>({
      text: `${foundPage(q)}
             select counted.total, ${PRODUCT_COLUMNS}
             from counted left join (page join products using (sku)) on true
             order by sku`,
      values: [limit, offset, ...patternOf(q)],
    });
    return { items: rows.filter(isThere).map(productOf), total: totalOf(rows) };
  }

  /** @param search.page the first one is 1 */
  async function readTotals({ q, page, size }: Search & { page: number; size: number }) {
    const { rows } = await pool.query<Listed<ProductTotals>>({
      text: `${foundPage(q)}
             select counted.total, sku, name, total_on_hand, total_held, total_available
             from counted left join (
               page join products using (sku) cross join lateral (
                 select coalesce(sum(on_hand), 0)::bigint as total_on_hand,
                   coalesce(sum(held), 0)::bigint as total_held,
                   coalesce(sum(available), 0)::bigint as total_available
                 from stock_levels where stock_levels.sku = products.sku
               ) as stock
             ) on true
             order by sku`,
      values: [size, (page - 1) * size, ...patternOf(q)],
    });
    const items = rows.filter(isThere).map(({ total: _, ...totals }): ProductTotals => totals);
    return { items, total: totalOf(rows) };
  }

  return { readProduct, listProducts, readTotals };
}

// Not prepared: the plan depends on how much `q` finds. It is found once, for the count and for the page. A
// text across the end of the sku and the beginning of the name is found too, as one index serves both.
const foundPage = (q: string | undefined) => {
  const found =
    q === undefined
      ? "found as not materialized (select sku from products)"
      : `found as materialized (
           select sku from products where lower(sku || ' ' || name) like lower($3)
         )`;
  return `with ${found},
            counted as (select count(*) as total from found),
            page as (select sku from found order by sku limit $1 offset $2)`;
};

const patternOf = (q: string | undefined) =>
  q === undefined ? [] : [`%${q.replaceAll(/[\\%_]/g, "\\$&")}%`];

// Beyond the last page there is still the total, in a row without a product.
type Listed<Row> = (Row | { sku: null }) & { total: number };
const isThere = <Row extends { sku: string }>(row: Listed<Row>): row is Row & { total: number } =>
  row.sku !== null;
const totalOf = (rows: { total: number }[]) => rows[0]?.total ?? 0;

export type ProductRow = Omit<Product, "created_at" | "updated_at"> & {
  created_at: Date;
  updated_at: Date;
};

export const PRODUCT_COLUMNS = `sku, name, description, price::float8 as price, category, location,
  version, created_at, updated_at`;

export function productOf(row: ProductRow): Product {
  return {
    sku: row.sku,
    name: row.name,
    description: row.description,
    price: row.price,
    category: row.category,
    location: row.location,
    version: row.version,
    created_at: row.created_at.getTime(),
    updated_at: row.updated_at.getTime(),
  };
}
