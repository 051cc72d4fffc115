type Line = {
  sku: string;
  quantity: number;
  available_delta?: number;
  held_delta?: number;
  freed?: boolean;
};
type Payload = {
  sku?: string;
  user_id?: string;
  counting_begins?: boolean;
  lines?: Line[];
};

/** What an event does to its customer's [units, active holds] of a line's sku. */
function deltasOf(type: string | undefined, line: Line): [number, number] {
  const { quantity, available_delta = 0, held_delta = 0 } = line;
  if (type === "HOLD_CONFIRMED" && line.held_delta !== undefined) {
    return [0 - available_delta, held_delta < 0 ? -1 : 0]; // in part, or taken again
  }
  switch (type) {
    case "HOLD_CHANGED":
      return [held_delta, Number(quantity > 0) - Number(quantity - held_delta > 0)];
    case "HOLD_CREATED":
      return [quantity, 1];
    case "HOLD_CONFIRMED":
      return [0, -1];
    case "HOLD_CANCELLED":
    case "HOLD_EXPIRED":
      return [-quantity, -1];
    case "HOLD_PURCHASED":
      return [quantity, 0];
    case "ORDER_RETURNED":
      return [line.freed ? -quantity : 0, 0];
    default:
      return [0, 0];
  }
}

/** What the events say customers have of each sku since it is counted, as Redis keeps it. */
export function explainCustomers(entries: Record<string, string>[]): Record<string, string> {
  const counted = new Set<string>();
  const counts = new Map<string, [number, number]>();
  for (const { type, payload } of entries) {
    const { sku, user_id, counting_begins, lines = [] }: Payload = JSON.parse(payload ?? "");
    if (counting_begins && sku) counted.add(sku);
    for (const line of lines) {
      if (!user_id || !counted.has(line.sku)) continue;
      const field = `${line.sku} ${user_id}`;
      const [units, active] = counts.get(field) ?? [0, 0];
      const [units_delta, active_delta] = deltasOf(type, line);
      counts.set(field, [units + units_delta, active + active_delta]);
    }
  }
  const some = [...counts].filter(([, [units, active]]) => units !== 0 || active !== 0);
  return Object.fromEntries(some.map(([field, count]) => [field, count.join(" ")]));
}
