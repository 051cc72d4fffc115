import { type Model, newModel, setByHand, stockOf } from "./model.ts";

// A small world, so that requests meet.

export const SKUS = ["a", "b", "c"];
export const STORES = ["main", "north", "south"];
/** How the world begins: set by redis-cli. */
export const STOCKED = [
  { sku: "a", store_id: "main", units: 6 },
  { sku: "a", store_id: "north", units: 3 },
  { sku: "b", store_id: "main", units: 9 },
  { sku: "b", store_id: "north", units: 12 },
  { sku: "c", store_id: "main", units: 20 },
  { sku: "c", store_id: "north", units: 3 },
];
/** The store that is registered then, and its rank. South is when its first stock comes. */
export const REGISTERED = { store_id: "north", rank: 1 };

/** The model of that. */
export function newWorld(generation: number): Model {
  const model = newModel(generation);
  for (const stock of STOCKED) setByHand(stockOf(model, stock), stock.units);
  model.stores.set(REGISTERED.store_id, REGISTERED.rank);
  return model;
}
