import type pg from "pg";

/** What came back is recorded once, whole, and no more than was sold: a sentence for each that is not. */
export async function compareReturns(postgres: pg.Client): Promise<string[]> {
  const { rows: open } = await postgres.query(
    `select event_id, returned_at, type, moved.units as moved, said.units as said
     from order_returns
     full join (select event_id, type from processed_events where type = 'ORDER_RETURNED') as event
       using (event_id)
     left join (
       select event_id, sum(available_delta) as units from stock_movements
       where kind = 'ORDER_RETURNED' group by event_id
     ) as moved using (event_id)
     left join (
       select event_id, sum(quantity) as units from order_returns join order_return_lines using (event_id)
       where restock group by event_id
     ) as said using (event_id)
     where returned_at is null or type is null or moved.units is distinct from said.units`,
  );
  const { rows: beyond } = await postgres.query(
    `select order_id, sku, store_id, hold_lines.quantity as sold, sum(back.quantity) as returned
     from order_returns join order_return_lines as back using (event_id) join orders using (order_id)
     left join hold_lines using (hold_id, sku, store_id)
     group by order_id, sku, store_id, hold_lines.quantity
     having hold_lines.quantity is null or sum(back.quantity) > hold_lines.quantity`,
  );
  return [
    ...open.map((row) => `return ${row.event_id} and its event differ: ${JSON.stringify(row)}`),
    ...beyond.map((row) => `more came back than was sold: ${JSON.stringify(row)}`),
  ];
}
