import { query } from "../worker/query.ts";

/**
 * By sku, how many units there were, by what is there, was sold, and came back; and how many of them are sold
 * for good.
 */
export async function balances(database_url: string) {
  const rows = await query<{ sku: string; here: number; sold: number; restocked: number }>(
    database_url,
    `select sku, (available + held)::int as here,
       coalesce((select sum(quantity) from hold_lines join orders using (hold_id)
         where hold_lines.sku = stock_levels.sku), 0)::int as sold,
       coalesce((select sum(quantity) from order_return_lines as line join order_returns using (event_id)
         where restock and line.sku = stock_levels.sku), 0)::int as restocked
     from stock_levels`,
  );
  return Object.fromEntries(
    rows.map(({ sku, here, sold, restocked }) => [
      sku,
      { units: here + sold - restocked, sold: sold - restocked },
    ]),
  );
}
