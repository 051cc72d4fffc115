import { findOrder } from "./linearize.ts";
import type { Input, Output, SkuOperation } from "./operations.ts";
import { createSkuSpec } from "./sku-spec.ts";

// Histories by hand of a sku that has 10 in main and 5 in north. In each, time goes in steps of 100 ms.

const spec = createSkuSpec(
  [
    { store_id: "main", rank: 0, available: 10 },
    { store_id: "north", rank: 1, available: 5 },
  ],
  30,
);
export const isExplained = (history: SkuOperation[]) =>
  findOrder(spec, history).order !== undefined;

const NEVER = 1_000_000;
/** What was asked from step to step, and answered; without an answer it is not known what it did. */
export const at = (from: number, to: number, input: Input, output?: Output): SkuOperation => ({
  input,
  called: 100 * from,
  returned: 100 * to,
  output,
});
export const lost = (from: number, input: Input, until = NEVER) => at(from, until, input);

export const TTL_MS = 60_000;
export const reserve = (key: string, quantity = 1, user = "ann"): Input => ({
  does: "reserve",
  key,
  store_id: "main",
  quantity,
  ttl_ms: TTL_MS,
  user,
});
export const adjust = (key: string, units: number): Input => ({
  does: "adjust",
  key,
  store_id: "main",
  units,
});
export const confirm: Input = { does: "confirm", hold: "k" };
export const cancel: Input = { does: "cancel", hold: "k" };
export const expire: Input = { does: "expire", hold: "k" };
export const extend = (key: string, ttl_ms: number): Input => ({
  does: "extend",
  key,
  hold: "k",
  ttl_ms,
});
export const resize = (key: string, quantity: number): Input => ({
  does: "resize",
  key,
  hold: "k",
  quantity,
});
export const limit = (key: string, max: number): Input => ({ does: "limit", key, max });
export const transfer: Input = {
  does: "transfer",
  key: "t",
  from_store: "main",
  to_store: "north",
  quantity: 4,
};
export const buy = (key: string, quantity: number): Input => ({
  does: "purchase",
  key,
  quantity,
  policy: "highest-available",
  user: "ann",
});
export const created = (id = "H-1"): Output => ({ word: "CREATED", id });
export const replayed = (id = "H-1"): Output => ({ word: "REPLAYED", id });
export const changed = (available: number, version: number, held = 0): Output => ({
  word: "CHANGED",
  counts: { available, held, version },
});
/** A read of both stores; north untouched unless it is said. */
export const stocks = (
  available: number,
  held: number,
  version: number,
  north = [5, 0],
): Output => ({
  word: "STOCKS",
  stocks: {
    main: { available, held, version },
    north: { available: north[0] ?? 0, held: 0, version: north[1] ?? 0 },
  },
});
export const read: Input = { does: "read stocks" };
