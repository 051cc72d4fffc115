import { Rejection } from "../domain/rejection.ts";
import type { Stores } from "../redis/stores.ts";

/**
 * Does something that needs stock in a store. That nobody has stocked the sku there says less than that there
 * is no such store at all. (One whose first stock was seeded by redis-cli is known once an event names it.)
 * @throws Rejection STORE_NOT_FOUND
 */
export async function inStore<T>(
  { stores, default_store }: { stores: Stores; default_store: string },
  store_id: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Rejection) || error.code !== "UNKNOWN_SKU") throw error;
    if (store_id === default_store || (await stores.has(store_id))) throw error;
    throw new Rejection("STORE_NOT_FOUND", `There is no store ${store_id}.`, { store_id });
  }
}
