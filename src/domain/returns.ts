import type { Line } from "./hold.ts";
import { Rejection } from "./rejection.ts";

/** What an order sold of a stock, and how much of that has come back or is about to. */
export type SoldLine = Line & { returned: number };

/** Units that come back from an order, under the event_id by which this happens once. */
export type OrderReturn = {
  event_id: string;
  order_id: string;
  hold_id: string;
  /** Empty when nobody was named. */
  user_id: string;
  /** Whether they may be sold again. */
  restock: boolean;
  reason: string | null;
  lines: Line[];
};

/**
 * Which of the order's units come back: those of a sku that was sold from several stores in the order of
 * `sold`.
 * @throws Rejection RETURN_EXCEEDS_SOLD with every line that asks for more than is left
 */
export function allotReturn(sold: SoldLine[], wanted: { sku: string; qty: number }[]): Line[] {
  const short = wanted.flatMap(({ sku, qty: requested }) => {
    const lines = sold.filter((line) => line.sku === sku);
    const units = lines.reduce((sum, { quantity }) => sum + quantity, 0);
    const returned = lines.reduce((sum, line) => sum + line.returned, 0);
    return requested > units - returned ? [{ sku, sold: units, returned, requested }] : [];
  });
  const [first] = short;
  if (first) {
    const { sku, sold, returned, requested } = first;
    const detail = `${requested} of ${sku} can't come back: ${sold} were sold, ${returned} came back before.`;
    throw new Rejection("RETURN_EXCEEDS_SOLD", detail, { ...first, lines: short });
  }
  return wanted.flatMap(({ sku, qty }) => {
    let rest = qty;
    return sold
      .filter((line) => line.sku === sku)
      .map(({ store_id, quantity, returned }) => {
        const taken = Math.min(rest, quantity - returned);
        rest -= taken;
        return { sku, store_id, quantity: taken };
      })
      .filter(({ quantity }) => quantity > 0);
  });
}
