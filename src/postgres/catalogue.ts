import type { Pool } from "./client.ts";
import { createProducts } from "./products.ts";
import { createProductReads } from "./products-read.ts";
import { createStores } from "./stores.ts";

/** What is sold and where: products and stores. All of it rejects when Postgres can't be asked. */
export function createCatalogue(pool: Pool, default_store: string) {
  return {
    ...createProducts(pool, default_store),
    ...createProductReads(pool),
    ...createStores(pool, default_store),
  };
}
