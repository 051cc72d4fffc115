import pg from "pg";
import { type InventoryEvent, isRulesEvent } from "../domain/event.ts";
import type { CustomerBase } from "../domain/rules.ts";
import { answers, type Connection, type Pool, type Statement } from "./client.ts";
import { countsOfCustomers } from "./rules-row.ts";

/** Should an older copy of Redis come back, it is told again. */
const KEPT_HOURS = 24;

/**
 * The skus whose customers are counted from the newest of these events on. One that comes late has no moment
 * any more that the ledger could tell of.
 */
export const skusCountedFrom = (events: InventoryEvent[], applied_seq: number): string[] =>
  events.flatMap((event) =>
    isRulesEvent(event) && event.payload.counting_begins && event.seq === applied_seq
      ? [event.payload.sku]
      : [],
  );

/** That of Postgres, for a statement that took too long. */
const QUERY_CANCELED = "57014";

/**
 * Keeps what customers have of some skus now, behind the rows of the event and in its transaction.
 * @returns false when there is too much to count: the recording must not stop for it. Then customers are
 *   counted from now on alone, until Redis is given all counts by a recovery.
 */
export async function keepBases(
  client: Connection,
  rows: Statement[],
  skus: string[],
): Promise<boolean> {
  const begun = await beginning(client, skus);
  await answers(rows.map((statement) => client.query(statement)));
  await client.query("savepoint without_bases");
  try {
    await client.query(insertBases(begun));
    return true;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== QUERY_CANCELED) throw error;
    await client.query("rollback to savepoint without_bases");
    return false;
  }
}

// Where customers are counted already, Redis has their counts: only the rules were taken from it by hand.
async function beginning(client: Connection, skus: string[]): Promise<string[]> {
  const { rows } = await client.query<{ sku: string }>(
    "select sku from sale_rules where counts and sku = any($1::text[])",
    [skus],
  );
  return skus.filter((sku) => !rows.some((row) => row.sku === sku));
}

const insertBases = (skus: string[]): Statement => ({
  text: `insert into customer_bases (sku, user_id, units, active)
         select sku, user_id, units, active
         from (${countsOfCustomers("= any($1::text[])")}) as counts order by sku, user_id`,
  values: [skus],
});

/** Those behind a place, in their order. */
export async function readBases(pool: Pool, place: number, count: number): Promise<CustomerBase[]> {
  const { rows } = await pool.query<CustomerBase>(
    `select place, sku, user_id, units, active from customer_bases
     where place > $1 order by place limit $2`,
    [place, count],
  );
  return rows;
}

/** Forgets those up to a place that are older than any copy of Redis that may come back. */
export async function forgetBases(pool: Pool, place: number): Promise<void> {
  await pool.query(
    `delete from customer_bases
     where place <= $1 and recorded_at < now() - make_interval(hours => $2)`,
    [place, KEPT_HOURS],
  );
}

/** The newest place; 0 when there is none. */
export async function lastPlace(client: Connection): Promise<number> {
  const { rows } = await client.query<{ place: number }>(
    "select coalesce(max(place), 0)::bigint as place from customer_bases",
  );
  return rows[0]?.place ?? 0;
}
