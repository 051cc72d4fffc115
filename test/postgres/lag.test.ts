import { afterAll, beforeEach, expect, test } from "@jest/globals";
import { createPool } from "../../src/postgres/client.ts";
import { readLedgerLag } from "../../src/postgres/lag.ts";
import { freshDatabase } from "../setup/stack.ts";
import { keptLog } from "../worker/parts.ts";
import { emptyLedger, query } from "../worker/query.ts";

const database = await freshDatabase();
const pool = createPool(database.url, keptLog().log);

beforeEach(() => emptyLedger(database.url));

afterAll(async () => {
  await pool.end();
  await database.close();
});

const caughtUp = (ago: string | null, partition = 0) =>
  query(
    database.url,
    `insert into recorder_progress (partition, applied_seq, applied_entry_id, caught_up_at)
     values ($1, 0, '0-0', clock_timestamp() - $2::interval)`,
    [partition, ago],
  );

test("there is no lag to tell before anything was ever recorded", async () => {
  expect(await readLedgerLag(pool)).toBeNull();
});

test("nor when the recorder has never read all there was", async () => {
  await caughtUp(null);
  expect(await readLedgerLag(pool)).toBeNull();
});

test("it is the time since the recorder had read all there was, in ms", async () => {
  await caughtUp("90.5 seconds");
  const lag_ms = await readLedgerLag(pool);
  expect(lag_ms).toBeGreaterThanOrEqual(90_500);
  expect(lag_ms).toBeLessThan(100_000);
  const later = await readLedgerLag(pool);
  expect(later).toBeGreaterThan(lag_ms ?? Number.NaN);
});

test("it may be longer than a number of 32 bits counts", async () => {
  await caughtUp("100 days");
  expect(await readLedgerLag(pool)).toBeGreaterThanOrEqual(100 * 86_400_000);
});

test("it is never below nothing, though a clock was set back", async () => {
  await caughtUp("-1 hour");
  expect(await readLedgerLag(pool)).toBe(0);
});

test("each partition has its own", async () => {
  await caughtUp("1 hour", 1);
  expect(await readLedgerLag(pool)).toBeNull();
  expect(await readLedgerLag(pool, 1)).toBeGreaterThanOrEqual(3_600_000);
});
