import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { type Audit, openAudit } from "../../src/postgres/auditing.ts";
import { freshDatabase } from "../setup/stack.ts";
import { query } from "../worker/query.ts";

// The audit keeps its plans for as long as its connection lasts, and partitions may be empty when they are
// made: all of them in a new ledger, and that of a month before it begins. Here there is but the default one.

const SKUS = 200;
const MOVEMENTS = 20_000;
const STORE = "main";
const stocks = Array.from({ length: SKUS }, (_, i) => ({ sku: `sku-${i}`, store_id: STORE }));
const seen = stocks.map((of) => ({ ...of, redis: null }));

let database: Awaited<ReturnType<typeof freshDatabase>>;
let audit: Audit;

beforeEach(async () => {
  database = await freshDatabase();
  await sql(`insert into recorder_progress (partition, applied_seq, applied_entry_id)
             values (0, 0, '0-0')`);
  // It would have everything planned anew, at a moment of its own.
  await sql("alter table stock_movements_default set (autovacuum_enabled = off)");
  const opened = await openAudit(database.url, 0);
  if (!opened) throw new Error("somebody else audits a ledger that nobody knows");
  audit = opened;
});

async function moveMuch() {
  await sql("insert into stores (store_id, name) values ($1, $1)", [STORE]);
  await sql(
    `insert into stock_movements (recorded_id, occurred_at, sku, store_id, kind, available_delta,
       held_delta, event_id, version)
     select n, now(), 'sku-' || n % $1, $2, 'HOLD_CREATED', -1, 1, gen_random_uuid(), n
     from generate_series(1, $3::bigint) as n`,
    [SKUS, STORE, MOVEMENTS],
  );
}

afterEach(async () => {
  await audit?.close();
  await database?.close();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  query<Row>(database.url, text, values);

/** What was read of movements by their indexes, once the audit's connection has told all of it. */
async function reads() {
  await audit.close();
  await until("all sessions but this have ended", async () => {
    const sessions = await sql(
      `select from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()
         and backend_type = 'client backend'`,
    );
    return sessions.length === 0 ? true : undefined;
  });
  const [read] = await sql<{ searches: number; entries: number }>(
    `select sum(idx_scan)::float8 as searches, sum(idx_tup_read)::float8 as entries
     from pg_stat_user_indexes where relname like 'stock_movements%'`,
  );
  return read ?? { searches: 0, entries: 0 };
}

test("a look reads the movements of its own stocks, each once", async () => {
  expect((await audit.look(seen, { seq: 0, newest_id: 0 }))?.looks).toHaveLength(SKUS);
  await moveMuch();
  const looked = await audit.look(seen, { seq: 0, newest_id: MOVEMENTS });
  const movements = looked?.looks.map((look) => look.movements);
  expect(movements).toEqual(stocks.map(() => MOVEMENTS / SKUS));
  expect((await reads()).entries).toBe(MOVEMENTS);
});

test("what has just moved is found by its time, and not by asking for each sku", async () => {
  expect(await audit.moved(1)).toEqual([]);
  await moveMuch();
  expect(await audit.moved(MOVEMENTS)).toHaveLength(SKUS);
  const { searches, entries } = await reads();
  expect(entries).toBeGreaterThan(0);
  expect(entries).toBeLessThan(MOVEMENTS / 5);
  expect(searches).toBeLessThan(10);
});
