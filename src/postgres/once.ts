import type { Doer } from "../domain/deed.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Pool } from "./client.ts";
import { inTransaction, type Transaction } from "./transaction.ts";

/** The writes that live in Postgres alone. Those that take stock have their records in Redis. */
export const RECORD_ROUTES = [
  "create_product",
  "update_product",
  "delete_product",
  "put_store",
  "rebuild_projections",
  "replay_dead_letters",
  "approve_recovery",
  "resolve_payment",
  "return_order",
  "create_key",
  "rotate_key",
  "revoke_key",
  "recount_customers",
] as const;
export type RecordRoute = (typeof RECORD_ROUTES)[number];

/** What a caller names a request by, so that it takes effect once. */
export type IdempotentCall = {
  route: RecordRoute;
  key: string;
  /** Tells two requests under one key apart. */
  fingerprint: string;
  /** Who makes it. What it does is written down under that name: audit-log.ts. */
  by: Doer;
};

export type Json = string | number | boolean | null | Json[] | { [member: string]: Json };

const RECORD_HOURS = 24;

/**
 * Does `work` and remembers its result under the caller's key, both in one transaction: half of it can't be.
 * A concurrent twin waits, and then gets the first one's result. Records older than 24 h count no more.
 * @param work must write through the transaction it is given
 * @throws Rejection IDEMPOTENCY_KEY_REUSED, or what `work` throws: nothing was done or is remembered
 * @throws OutcomeUnknown when the answer to the commit was lost
 */
export async function once<Result extends Json>(
  pool: Pool,
  call: IdempotentCall,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<{ result: Result; replayed: boolean }> {
  return inTransaction(pool, async (transaction) => {
    if (!(await claim(transaction, call))) {
      const result = await resultOf(transaction, call);
      return { result: result as Result, replayed: true }; // this route wrote it
    }
    const result = await work(transaction);
    await transaction.query({
      name: "keep_result",
      text: "update idempotency_records set result = $3 where route = $1 and key = $2",
      values: [call.route, call.key, JSON.stringify(result)],
    });
    return { result, replayed: false };
  });
}

/** What a key did to Postgres, by route. */
export async function readRecords(
  pool: Pool,
  key: string,
): Promise<{ route: RecordRoute; result: Json; recorded_at: number }[]> {
  const { rows } = await pool.query<{ route: RecordRoute; result: Json; created_at: Date }>({
    name: "read_records",
    text: `select route, result, created_at from idempotency_records
           where route = any($1::text[]) and key = $2
             and created_at > now() - make_interval(hours => $3)
           order by created_at`,
    values: [RECORD_ROUTES, key, RECORD_HOURS],
  });
  return rows.map(({ route, result, created_at }) => ({
    route,
    result,
    recorded_at: created_at.getTime(),
  }));
}

/** Deletes the oldest records from before `before_ms`, at most `count`. Returns how many. */
export async function forgetRecords(pool: Pool, before_ms: number, count: number): Promise<number> {
  // One that is being taken over by a new request at this moment is not waited for.
  const { rowCount } = await pool.query({
    name: "forget_records",
    text: `with oldest as materialized (
             select route, key from idempotency_records
             where created_at < to_timestamp($1::float8 / 1000)
             order by created_at limit $2
             for update skip locked
           )
           delete from idempotency_records using oldest
           where idempotency_records.route = oldest.route and idempotency_records.key = oldest.key`,
    values: [before_ms, count],
  });
  return rowCount ?? 0;
}

/** Whether this call is the first of its key. Waits for a twin that is at work. */
async function claim(
  transaction: Transaction,
  { route, key, fingerprint }: IdempotentCall,
): Promise<boolean> {
  const { rowCount } = await transaction.query({
    name: "claim_record",
    text: `insert into idempotency_records (route, key, fingerprint, result)
           values ($1, $2, $3, 'null')
           on conflict (route, key) do update
           set fingerprint = excluded.fingerprint, result = excluded.result, created_at = now()
           where idempotency_records.created_at <= now() - make_interval(hours => $4)`,
    values: [route, key, fingerprint, RECORD_HOURS],
  });
  return rowCount === 1;
}

async function resultOf(
  transaction: Transaction,
  { route, key, fingerprint }: IdempotentCall,
): Promise<Json> {
  const { rows } = await transaction.query<{ fingerprint: string; result: Json }>({
    name: "read_result",
    text: "select fingerprint, result from idempotency_records where route = $1 and key = $2",
    values: [route, key],
  });
  const [record] = rows;
  if (!record) throw new Error("The record that was in the way is gone."); // claim has locked it
  if (record.fingerprint === fingerprint) return record.result;
  throw new Rejection(
    "IDEMPOTENCY_KEY_REUSED",
    "This Idempotency-Key belongs to another request of the last 24 hours.",
  );
}
