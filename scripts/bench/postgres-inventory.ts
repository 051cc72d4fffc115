import pg from "pg";
import { newHoldId } from "../../src/domain/ids.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import type { Inventory } from "../../src/redis/inventory.ts";

const POOL_MAX = 32;

// Room in the page for the next versions of a stock's row: without it each sale moves the row to another
// page, and the comparison would be unfair.
export const POSTGRES_TABLES = `
  create table bench_stock (
    sku text primary key,
    available bigint not null check (available >= 0)
  ) with (fillfactor = 10);
  create table bench_holds (
    hold_id text primary key,
    sku text not null,
    quantity integer not null,
    user_id text not null,
    expires_at timestamptz not null,
    idempotency_key text not null unique
  )`;

const TAKE = `
  with taken as (
    update bench_stock set available = available - $3
    where sku = $2 and available >= $3
    returning sku
  )
  insert into bench_holds (hold_id, sku, quantity, user_id, expires_at, idempotency_key)
  select $1, sku, $3, $4, now() + make_interval(secs => $5), $6 from taken
  returning expires_at`;

/** Reserves as a shop without Redis would: one statement, committed to disk before the answer. */
export async function createPostgresInventory(
  database_url: string,
): Promise<Pick<Inventory, "createHold">> {
  const pool = new pg.Pool({
    connectionString: database_url,
    max: POOL_MAX,
    options: "-c synchronous_commit=on",
  });

  return {
    async createHold({ lines, user_id, ttl_seconds, idempotency_key }) {
      const hold_id = newHoldId();
      const [line] = lines;
      const { rows } = await pool.query<{ expires_at: Date }>({
        name: "take",
        text: TAKE,
        values: [hold_id, line?.sku, line?.quantity, user_id, ttl_seconds, idempotency_key],
      });
      const [hold] = rows;
      if (!hold) throw new Rejection("SOLD_OUT", "Sold out.", { sku: line?.sku });
      const expires_at = hold.expires_at.getTime();
      return {
        hold_id,
        expires_at,
        created_at: expires_at - ttl_seconds * 1000,
        granted: [1],
        replayed: false,
      };
    },
  };
}
