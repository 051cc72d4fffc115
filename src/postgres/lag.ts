import type { Pool } from "./client.ts";

/**
 * For how long facts may have been missing from the ledger, in ms: the time since the recorder had last read
 * all there was, by Postgres's own clock. Null when it never had.
 */
export async function readLedgerLag(pool: Pool, partition = 0): Promise<number | null> {
  const { rows } = await pool.query<{ lag_ms: number | null }>({
    name: "read_ledger_lag",
    text: `select greatest(0, extract(epoch from clock_timestamp() - caught_up_at) * 1000)::float8 as lag_ms
           from recorder_progress where partition = $1 and caught_up_at is not null`,
    values: [partition],
  });
  return rows[0]?.lag_ms ?? null;
}
