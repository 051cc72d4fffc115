import type { CallContext } from "./deciding.ts";
import type { Stock } from "./stock.ts";

/**
 * Puts a new product's initial stock where it was promised. The API does it at once, and the worker's keeper
 * when the API may not have: the promise's event_id is the key, and both of them ask in the same words, so it
 * happens once.
 */
export function putInitialStock(
  stock: Stock,
  promise: { event_id: string; sku: string; store_id: string; units: number },
  context: CallContext,
): ReturnType<Stock["changeStock"]> {
  const { event_id, sku, store_id, units } = promise;
  return stock.changeStock(
    { sku, store_id, operation: "ADJUST", units, reason: "receipt", notes: NOTES, event_id },
    { route: "product", key: event_id, request: [sku, store_id, units] },
    context,
  );
}

const NOTES = "initial stock of a new product";
