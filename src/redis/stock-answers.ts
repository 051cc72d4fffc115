import { STOCK_MAX } from "../domain/limits.ts";
import { Rejection, tooManyStores } from "../domain/rejection.ts";
import type { StockCounts } from "../domain/stock.ts";
import type { Tuple } from "./batcher.ts";
import { commonRefusal, shortLines } from "./deciding.ts";

// The tuples of the scripts about stock, as answers and refusals.

/** A stock as a change has left it. */
export type StockAfter = {
  event_id: string;
  occurred_at: number;
  available: number;
  held: number;
  version: number;
  available_delta: number;
  replayed: boolean;
};

/** What CHANGED and REPLAYED say. `event_id` is the one that was asked with. */
export function stockAfter(tuple: Tuple, event_id: string): StockAfter {
  const [, first_id, ...numbers] = tuple;
  const [occurred_at = 0, available = 0, held = 0, version = 0, available_delta = 0] =
    numbers.map(Number);
  return {
    event_id: String(first_id),
    occurred_at,
    available,
    held,
    version,
    available_delta,
    // When a retry of ours met the record of our own lost reply, the change is new to the caller.
    replayed: first_id !== event_id,
  };
}

/** What STOCKS says: five words for each store. */
export function stockCounts(tuple: Tuple): StockCounts[] {
  const counts: StockCounts[] = [];
  for (let i = 1; i + 4 < tuple.length; i += 5) {
    const [store_id, available, held, version, changed_at] = tuple.slice(i, i + 5);
    counts.push({
      store_id: String(store_id),
      available: Number(available),
      held: Number(held),
      version: Number(version),
      changed_at: changed_at === "" ? null : Number(changed_at),
    });
  }
  return counts;
}

export function changeRefusal(
  tuple: Tuple,
  change: { sku: string; store_id: string; units: number },
): Error | Rejection {
  const { sku, store_id, units } = change;
  const [word, number] = tuple;
  switch (word) {
    case "VERSION_CONFLICT":
      return new Rejection(
        "VERSION_CONFLICT",
        `The stock of ${sku} in ${store_id} is at version ${number}.`,
        { sku, store_id, version: number },
      );
    case "WOULD_GO_NEGATIVE":
      return wouldGoNegative([{ sku, store_id, requested: -units, available: number }]);
    case "TOO_MANY":
      return tooMany(sku, store_id);
    case "TOO_MANY_STORES":
      return tooManyStores();
    default:
      return commonRefusal(tuple);
  }
}

export function transferRefusal(tuple: Tuple, to_store: string): Error | Rejection {
  switch (tuple[0]) {
    case "WOULD_GO_NEGATIVE": {
      const lines = shortLines(tuple);
      return wouldGoNegative(lines, { lines });
    }
    case "TOO_MANY":
      return tooMany(tuple[1], to_store);
    case "TOO_MANY_STORES":
      return tooManyStores();
    default:
      return commonRefusal(tuple);
  }
}

export function purchaseRefusal(tuple: Tuple, sku: string): Error | Rejection {
  const [word, requested, available, total_available, held] = tuple;
  if (word !== "SOLD_OUT" && word !== "ALL_HELD") return commonRefusal(tuple);
  return new Rejection(
    word,
    `${requested} of ${sku} requested; no store has more than ${available} available.`,
    { sku, requested, available, total_available, held },
  );
}

function wouldGoNegative(lines: ReturnType<typeof shortLines>, more = {}): Rejection {
  const { sku, store_id, requested, available } = lines[0] ?? {};
  return new Rejection(
    "WOULD_GO_NEGATIVE",
    `${requested} of ${sku} would leave ${store_id}, which has ${available} available.`,
    { sku, store_id, requested, available, ...more },
  );
}

const tooMany = (sku: unknown, store_id: string) =>
  new Rejection("INVALID_REQUEST", `${store_id} would have more than ${STOCK_MAX} of ${sku}.`);
