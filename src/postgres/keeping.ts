import type { Pool } from "./client.ts";

/** Stock that a product's transaction promised and whose event is not recorded yet. */
export type StockPromise = {
  event_id: string;
  sku: string;
  store_id: string;
  units: number;
  request_id: string;
  /** Who asked for it; null when that was not kept. */
  actor: string | null;
  age_ms: number;
};

/** The rank of each store that the ledger knows. */
export async function readRanks(pool: Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ store_id: string; latency_rank: number }>(
    "select store_id, latency_rank from stores",
  );
  return new Map(rows.map(({ store_id, latency_rank }) => [store_id, latency_rank]));
}

/** Adds stores, each with its id for a name. Those that are there stay as they are. */
export async function addStores(pool: Pool, ranks: [store_id: string, rank: number][]) {
  await pool.query(
    `insert into stores (store_id, name, latency_rank)
     select store_id, store_id, latency_rank
     from unnest($1::text[], $2::integer[]) as store (store_id, latency_rank)
     order by store_id
     on conflict (store_id) do nothing`,
    [ranks.map(([store_id]) => store_id), ranks.map(([, rank]) => rank)],
  );
}

/** Promises that are older than `age_ms` and still open, at most `count` behind `after`, by event_id. */
export async function readPromises(
  pool: Pool,
  age_ms: number,
  after: string,
  count: number,
): Promise<StockPromise[]> {
  const { rows } = await pool.query<StockPromise>(
    `select event_id, sku, store_id, units, request_id, actor,
       (extract(epoch from now() - created_at) * 1000)::float8 as age_ms
     from initial_stocks
     where event_id > $1 and created_at < now() - make_interval(secs => $2::float8 / 1000)
     order by event_id limit $3`,
    [after, age_ms, count],
  );
  return rows;
}
