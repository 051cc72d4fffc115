import { LINES_MAX, QUANTITY_MAX } from "./limits.ts";

/** ACTIVE becomes one of the other three, once. */
export const HOLD_STATUSES = ["ACTIVE", "CONFIRMED", "CANCELLED", "EXPIRED"] as const;
export type HoldStatus = (typeof HOLD_STATUSES)[number];

export type Line = { sku: string; store_id: string; quantity: number };

/** Units set aside until `expires_at`. Times are ms since 1970 on Redis's clock. */
export type Hold = {
  hold_id: string;
  status: HoldStatus;
  user_id: string;
  /** Distinct by (sku, store_id). */
  lines: Line[];
  created_at: number;
  expires_at: number;
  /** 1 when created, one more with each change. */
  version: number;
  ended_at?: number | undefined;
  order_id?: string | undefined;
  payment_ref?: string | undefined;
  /** How often it was given more time. */
  extensions?: number | undefined;
  /** It was sold after its deadline. */
  late?: boolean | undefined;
  /** Only these lines of it were sold. */
  partial?: boolean | undefined;
};

/** The status at `now`: a hold is expired from its deadline on, whether or not the sweeper has been. */
export function statusAt(hold: Hold, now: number): HoldStatus {
  return hold.status === "ACTIVE" && now >= hold.expires_at ? "EXPIRED" : hold.status;
}

/** One line for each stock, in the order in which they were first named. */
export function sumLines(lines: Line[]): Line[] {
  if (lines.length === 1) return lines;
  const by_stock = new Map<string, Line>();
  for (const line of lines) {
    const stock = `${line.sku}@${line.store_id}`;
    const quantity = (by_stock.get(stock)?.quantity ?? 0) + line.quantity;
    by_stock.set(stock, { ...line, quantity });
  }
  return [...by_stock.values()];
}

const LINE_PATTERN = /^([A-Za-z0-9._-]{1,64})@([A-Za-z0-9._-]{1,64})=([1-9][0-9]{0,3})$/;

/**
 * Reads the text in which a hold keeps its lines, as lua/lib/lines.lua writes it; null if it is none. What
 * that file would refuse is refused here too, so that such a hold counts as corrupt.
 */
export function parseLines(text: string): Line[] | null {
  const parts = text.split(" ");
  if (parts.length > LINES_MAX) return null;
  const lines: Line[] = [];
  for (const part of parts) {
    const [, sku, store_id, digits] = LINE_PATTERN.exec(part) ?? [];
    const quantity = Number(digits);
    if (!sku || !store_id || quantity > QUANTITY_MAX) return null;
    if (lines.some((line) => line.sku === sku && line.store_id === store_id)) return null;
    lines.push({ sku, store_id, quantity });
  }
  return lines;
}
