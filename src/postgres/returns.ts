import type { Doer } from "../domain/deed.ts";
import type { Line } from "../domain/hold.ts";
import { Rejection } from "../domain/rejection.ts";
import { allotReturn, type OrderReturn, type SoldLine } from "../domain/returns.ts";
import type { Pool } from "./client.ts";
import { type IdempotentCall, once } from "./once.ts";
import type { Transaction } from "./transaction.ts";

/** What a caller wants to give back of an order. `event_id` is the event's that will do it. */
export type NewReturn = Pick<OrderReturn, "event_id" | "order_id" | "restock" | "reason"> & {
  /** Distinct by sku. */
  wanted: { sku: string; qty: number }[];
};

/** A return whose event is not recorded yet. */
export type ReturnPromise = OrderReturn & {
  request_id: string;
  /** Who asked for it; null when that was not kept. */
  actor: string | null;
  age_ms: number;
};

/** Units of a line of an order that came back together. */
export type ReturnedUnits = Line & {
  event_id: string;
  restock: boolean;
  reason: string | null;
  /** In ms; null while it is only promised, or not recorded yet. */
  returned_at: number | null;
};

/** All of an order, oldest first, as a column of a query on orders. */
export const RETURNS_COLUMN = `(
  select coalesce(json_agg(json_build_object('event_id', event_id, 'sku', sku, 'store_id', store_id,
      'quantity', quantity, 'restock', restock, 'reason', reason,
      'returned_at', round(extract(epoch from returned_at) * 1000)::bigint)
    order by event_id, sku, store_id), '[]')
  from order_returns join order_return_lines using (event_id)
  where order_returns.order_id = orders.order_id
) as returns`;

export function createReturns(pool: Pool) {
  /**
   * Decides which units come back, and promises that they will: Redis has yet to be told, again and again,
   * under this event_id. Two returns of one order take turns.
   * @throws Rejection NOT_FOUND when there is no such order (yet), RETURN_EXCEEDS_SOLD,
   *   IDEMPOTENCY_KEY_REUSED
   */
  async function promiseReturn(
    input: NewReturn,
    call: IdempotentCall,
  ): Promise<{ promise: OrderReturn; replayed: boolean }> {
    const { result, replayed } = await once(pool, call, async (transaction) => {
      const order = await lockOrder(transaction, input.order_id);
      const lines = allotReturn(await soldLines(transaction, order), input.wanted);
      const { event_id, restock, reason } = input;
      const promise: OrderReturn = { event_id, ...order, restock, reason, lines };
      await insertReturn(transaction, promise, call.by);
      return promise;
    });
    return { promise: result, replayed };
  }

  /** When it was taken back, in ms; null when that is not recorded yet. */
  async function readReturnedAt(event_id: string): Promise<number | null> {
    const { rows } = await pool.query<{ returned_at: Date | null }>({
      name: "read_returned_at",
      text: "select returned_at from order_returns where event_id = $1",
      values: [event_id],
    });
    return rows[0]?.returned_at?.getTime() ?? null;
  }

  return { promiseReturn, readReturnedAt };
}

type SoldOrder = Pick<OrderReturn, "order_id" | "hold_id" | "user_id">;

async function lockOrder(transaction: Transaction, order_id: string): Promise<SoldOrder> {
  const { rows } = await transaction.query<SoldOrder>({
    name: "lock_order",
    text: "select order_id, hold_id, user_id from orders where order_id = $1 for update",
    values: [order_id],
  });
  const [order] = rows;
  if (order) return order;
  throw new Rejection("NOT_FOUND", "There is no such order.");
}

// A statement of its own behind the lock, so that it sees what was returned while we waited for that.
async function soldLines(
  transaction: Transaction,
  { order_id, hold_id }: SoldOrder,
): Promise<SoldLine[]> {
  const { rows } = await transaction.query<SoldLine>({
    name: "sold_lines",
    text: `select sku, store_id, quantity, coalesce((
             select sum(line.quantity)
             from order_returns join order_return_lines as line using (event_id)
             where order_id = $1 and (line.sku, line.store_id) = (hold_lines.sku, hold_lines.store_id)
           ), 0)::integer as returned
           from hold_lines where hold_id = $2 order by sku, store_id`,
    values: [order_id, hold_id],
  });
  return rows;
}

async function insertReturn(
  transaction: Transaction,
  promise: OrderReturn,
  { who, request_id }: Doer,
): Promise<void> {
  const { event_id, order_id, restock, reason, lines } = promise;
  await transaction.query({
    name: "insert_return",
    text: `insert into order_returns (event_id, order_id, restock, reason, request_id, actor)
           values ($1, $2, $3, $4, $5, $6)`,
    values: [event_id, order_id, restock, reason, request_id, who],
  });
  await transaction.query({
    name: "insert_return_lines",
    text: `insert into order_return_lines (event_id, sku, store_id, quantity)
           select $1, * from unnest($2::text[], $3::text[], $4::integer[])`,
    values: [
      event_id,
      lines.map(({ sku }) => sku),
      lines.map(({ store_id }) => store_id),
      lines.map(({ quantity }) => quantity),
    ],
  });
}

/** Returns that are older than `age_ms` and not recorded, at most `count` behind `after`, by event_id. */
export async function readReturnPromises(
  pool: Pool,
  age_ms: number,
  after: string,
  count: number,
): Promise<ReturnPromise[]> {
  const { rows } = await pool.query<ReturnPromise & { lines: Line[] }>(
    `select event_id, order_id, hold_id, user_id, restock, order_returns.reason, request_id, actor,
       (extract(epoch from now() - created_at) * 1000)::float8 as age_ms,
       (select json_agg(json_build_object('sku', sku, 'store_id', store_id, 'quantity', quantity)
          order by sku, store_id)
        from order_return_lines as line where line.event_id = order_returns.event_id) as lines
     from order_returns join orders using (order_id)
     where returned_at is null and event_id > $1
       and created_at < now() - make_interval(secs => $2::float8 / 1000)
     order by event_id limit $3`,
    [after, age_ms, count],
  );
  return rows;
}
