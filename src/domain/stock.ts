/** What changes one stock by hand: ADJUST by so many units, or COUNT what is there. */
export type StockOperation = "ADJUST" | "COUNT";

/** How a purchase picks the store it sells from. */
export const POLICIES = ["highest-available", "lowest-latency", "round-robin"] as const;
export type Policy = (typeof POLICIES)[number];

/** What a shop's page says of a stock. */
export const LEVELS = ["IN_STOCK", "LOW", "ALL_HELD", "SOLD_OUT"] as const;
export type Level = (typeof LEVELS)[number];

/** @param low up to so many available units are few */
export function levelOf(
  { available, held }: { available: number; held: number },
  low: number,
): Level {
  if (available > low) return "IN_STOCK";
  if (available > 0) return "LOW";
  return held > 0 ? "ALL_HELD" : "SOLD_OUT";
}

/** The counts of one sku in one store. */
export type StockCounts = {
  store_id: string;
  available: number;
  held: number;
  /** One more with each change; 0 when only somebody's SET has made it. */
  version: number;
  /** When one of our scripts last changed it, in ms; null when none has. */
  changed_at: number | null;
};
