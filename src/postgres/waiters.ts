import type { Waiter } from "../domain/waiter.ts";
import type { Connection, Pool } from "./client.ts";

/** Rows of one chunk of a recovery. */
const CHUNK_MAX = 2_000;

/** A waiter as it was last recorded, and its position by that; null when there is none (yet). */
export async function readWaiter(
  pool: Pool,
  waiter_id: string,
): Promise<(Waiter & { position: number | null }) | null> {
  const { rows } = await pool.query<Waiter & { position: number | null }>({
    name: "read_waiter",
    text: `select ${COLUMNS}, case when status = 'WAITING' then 1 + (
             select count(*) from waiters as before
             where before.status = 'WAITING' and before.sku = waiters.sku
               and before.store_id = waiters.store_id and before.joined_seq < waiters.joined_seq
           ) end as position
           from waiters where waiter_id = $1`,
    values: [waiter_id],
  });
  return rows[0] ?? null;
}

/** Everybody who waits, the first ones first, chunk by chunk. */
export async function* readWaiting(client: Connection): AsyncGenerator<Waiter[]> {
  let last = 0;
  for (;;) {
    const { rows } = await client.query<Waiter>(
      `select ${COLUMNS} from waiters
       where status = 'WAITING' and joined_seq > $1 order by joined_seq limit $2`,
      [last, CHUNK_MAX],
    );
    if (rows.length > 0) yield rows;
    if (rows.length < CHUNK_MAX) return;
    last = rows.at(-1)?.joined_seq ?? last;
  }
}

const COLUMNS = `waiter_id, status, sku, store_id, quantity, user_id, offer_ms,
  round(extract(epoch from joined_at) * 1000)::bigint as joined_at, joined_seq`;
