import type { Doer } from "../domain/deed.ts";
import { keepDeed } from "./audit-log.ts";
import type { Pool } from "./client.ts";
import type { Transaction } from "./transaction.ts";

/** A rebuild of stock_levels from stock_movements. Times are ms since 1970. */
export type Rebuild = {
  rebuild_id: number;
  requested_at: number;
  /** Null as long as no worker has taken it on. */
  started_at: number | null;
  finished_at: number | null;
  /** About how many there are, until it is finished; null before it has begun. */
  stocks_total: number | null;
  stocks_done: number;
  stocks_corrected: number;
};

/** How far one partition is recorded. Times are ms since 1970. */
export type Recorded = {
  partition: number;
  applied_seq: number;
  applied_entry_id: string;
  updated_at: number;
  /** When the recorder had last read everything there was; null when it never had. */
  caught_up_at: number | null;
};

const OPEN_TRIES_MAX = 10;

/**
 * Asks for a rebuild, which a worker then does. While one is open there is no second one: whoever asks is
 * told of that one.
 */
export async function requestRebuild(db: Pool | Transaction): Promise<Rebuild> {
  // The one in the way may be finished between the two statements; then there is room for a new one.
  for (let tries = 1; tries <= OPEN_TRIES_MAX; tries += 1) {
    await db.query("insert into projection_rebuilds default values on conflict do nothing");
    const { rows } = await db.query<Rebuild>(`${SELECT_REBUILD} where finished_at is null`);
    if (rows[0]) return rows[0];
  }
  throw new Error("Each rebuild that was open had been finished when it was read.");
}

/** The same in somebody's name, which is written down when there was none open. */
export async function orderRebuild(transaction: Transaction, by: Doer): Promise<Rebuild> {
  const rebuild = await requestRebuild(transaction);
  const { rowCount } = await transaction.query(
    "select from projection_rebuilds where rebuild_id = $1 and requested_at = now()",
    [rebuild.rebuild_id],
  );
  const deed = { what: "REBUILD_REQUESTED", subject: String(rebuild.rebuild_id) } as const;
  if (rowCount === 1) await keepDeed(transaction, by, { ...deed, before: null, after: null });
  return rebuild;
}

/** The newest rebuild, if there ever was one, and how far each partition is recorded. */
export async function readProjections(
  pool: Pool,
): Promise<{ rebuild: Rebuild | null; recorded: Recorded[] }> {
  const [rebuilds, recorded] = await Promise.all([
    pool.query<Rebuild>(`${SELECT_REBUILD} order by rebuild_id desc limit 1`),
    pool.query<Recorded>(
      `select partition, applied_seq, applied_entry_id, ${inMs("updated_at")}, ${inMs("caught_up_at")}
       from recorder_progress order by partition`,
    ),
  ]);
  return { rebuild: rebuilds.rows[0] ?? null, recorded: recorded.rows };
}

function inMs(column: string): string {
  return `floor(extract(epoch from ${column}) * 1000)::bigint as ${column}`;
}

const SELECT_REBUILD = `
  select rebuild_id, ${inMs("requested_at")}, ${inMs("started_at")}, ${inMs("finished_at")},
    stocks_total, stocks_done, stocks_corrected
  from projection_rebuilds`;
