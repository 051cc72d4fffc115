import { expect } from "@jest/globals";

/** A line of any event. */
type Line = {
  sku: string;
  store_id: string;
  quantity?: number;
  available_delta?: number;
  held_delta?: number;
  available: number;
  held: number;
  version: number;
};

/** What an event does to a stock, said here once more: [available, held]. */
function deltasOf(type: string | undefined, line: Line): [number, number] {
  const { quantity = 0, available_delta = 0, held_delta } = line;
  if (held_delta !== undefined) return [available_delta, held_delta];
  switch (type) {
    case "HOLD_CREATED":
      return [-quantity, quantity];
    case "HOLD_CONFIRMED":
      return [0, -quantity];
    case "HOLD_PURCHASED":
      return [-quantity, 0];
    case "HOLD_CANCELLED":
    case "HOLD_EXPIRED":
      return [quantity, -quantity];
    default:
      return [available_delta, 0];
  }
}

/**
 * What the events say each stock has, by `<sku>@<store_id>`, from what it had before them: at each event the
 * deltas so far must explain its counts, and its version is one more. No count is ever below 0.
 */
export function explainStocks(
  entries: Record<string, string>[],
  before: ReadonlyMap<string, number>,
): Map<string, { available: number; held: number; version: number }> {
  const stocks = new Map(
    [...before].map(([name, available]) => [name, { available, held: 0, version: 0 }]),
  );
  for (const { type, payload } of entries) {
    const { lines = [] }: { lines?: Line[] } = JSON.parse(payload ?? "");
    for (const line of type === "HOLD_EXTENDED" ? [] : lines) {
      const name = `${line.sku}@${line.store_id}`;
      const stock = stocks.get(name) ?? { available: 0, held: 0, version: 0 };
      const [available_delta, held_delta] = deltasOf(type, line);
      if (line.held_delta === 0 && available_delta === 0) continue; // it stayed as it was
      stock.available += available_delta;
      stock.held += held_delta;
      stock.version += 1;
      const { available, held, version } = line;
      expect({ available, held, version }).toEqual(stock);
      expect(Math.min(available, held)).toBeGreaterThanOrEqual(0);
      stocks.set(name, stock);
    }
  }
  return stocks;
}
