import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import pg from "pg";
import { until } from "../../scripts/until.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { recorderEvents } from "../../worker/metrics.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshDatabase, freshRedis, runSql } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { metric, openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import { openShop, type Shop } from "./shop.ts";

const redis = await freshRedis();
let shop: Shop;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let recorder: Awaited<ReturnType<typeof openRecorder>>;
let somebody: pg.Client;

beforeEach(async () => {
  database = await freshDatabase();
  shop = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 1_000);
  recorder = await openRecorder({ redisUrl: redis.url, databaseUrl: database.url });
  somebody = new pg.Client({ connectionString: database.url });
  await somebody.connect();
  // Everything is in order before the fault.
  await shop.trade(10, "tea");
  await recorder.drain();
  await shop.trade(30, "tea");
});

afterEach(async () => {
  await somebody.end();
  await recorder.close();
  await shop.close();
  await database.close();
});

afterAll(() => redis.close());

const sql = (text: string) => runSql(database.url, text);

/** Whatever happened to Postgres: no event is called bad for it, and all of them are recorded in the end. */
async function expectOnlyWaitedOut() {
  expect(await shop.redis.xlen(shop.keys.dead)).toBe(0);
  await recorder.drainThroughFaults();
  expect(await compareBooks(shop.redis, database.url)).toEqual([]);
  expect(await metric(recorderEvents, { outcome: "DEAD" })).toBe(0);
}

/** Waits until the recorder's session is the one that waits for a lock, and returns its process id. */
const waitingSession = () =>
  until("the recorder waits for a lock", async () => {
    const [row] = await query<{ pid: number }>(
      database.url,
      `select pid from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return row?.pid;
  });

test("a lock that is held for too long is waited out", async () => {
  await somebody.query("begin; lock table holds in access exclusive mode");
  await expect(recorder.runOnce()).rejects.toMatchObject({
    code: expect.stringMatching(/^(55P03|57014)$/), // lock timeout or statement timeout, as they are equal
  });
  await somebody.query("rollback");
  await expectOnlyWaitedOut();
});

test("a session that is killed in its transaction is replaced", async () => {
  await somebody.query("begin; lock table holds in access exclusive mode");
  const failing = recorder.runOnce().catch((error: unknown) => error);
  await sql(`select pg_terminate_backend(${await waitingSession()})`);
  expect(await failing).toMatchObject({ code: "57P01" });
  await somebody.query("rollback");
  await expectOnlyWaitedOut();
});

test("a session that is killed between two batches is replaced", async () => {
  await sql(
    `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
       and database = (select oid from pg_database where datname = current_database())`,
  );
  await expect(recorder.runOnce()).rejects.toThrow();
  await expectOnlyWaitedOut();
});

test("a deadlock that the recorder loses is tried again", async () => {
  const name = new URL(database.url).pathname.slice(1);
  // The recorder's session looks for deadlocks, and so loses; the other one does not look.
  await sql(`alter database ${name} set deadlock_timeout = '2s'`);
  await somebody.query("set deadlock_timeout = '60s'");
  await recorder.closeRecording();
  await somebody.query("begin; lock table stock_levels in share mode");
  const failing = recorder.runOnce().catch((error: unknown) => error);
  await waitingSession();
  const crossing = somebody.query("select from recorder_progress for update");
  expect(await failing).toMatchObject({ code: "40P01" });
  await crossing;
  await somebody.query("rollback");
  await expectOnlyWaitedOut();
});

test("a database that turned read-only is waited out", async () => {
  const name = new URL(database.url).pathname.slice(1);
  await sql(`alter database ${name} set default_transaction_read_only = on`);
  await recorder.closeRecording(); // a setting counts for new sessions
  await expect(recorder.runOnce()).rejects.toMatchObject({ code: "25006" });
  await expect(recorder.runOnce()).rejects.toMatchObject({ code: "25006" });
  const own = new pg.Client({ connectionString: database.url });
  await own.connect();
  await own.query("set default_transaction_read_only = off");
  await own.query(`alter database ${name} reset default_transaction_read_only`);
  await own.end();
  await expectOnlyWaitedOut();
});

test.each([
  ["a table", "alter table holds rename to gone", "alter table gone rename to holds"],
  [
    "a column",
    "alter table holds rename column reason to gone",
    "alter table holds rename column gone to reason",
  ],
])("%s that is not there is no event's fault", async (_, breakIt, mendIt) => {
  await sql(breakIt);
  await expect(recorder.runOnce()).rejects.toMatchObject({ code: expect.stringMatching(/^42/) });
  expect(await countRows(database.url, "dead_events")).toBe(0);
  await sql(mendIt);
  await expectOnlyWaitedOut();
});

test("a right that is not there is no event's fault", async () => {
  const clerk = `clerk_${new URL(database.url).pathname.slice(1)}`;
  await sql(`create role ${clerk} login; grant all on all tables in schema public to ${clerk}`);
  const clerkUrl = new URL(database.url);
  clerkUrl.username = clerk;
  await recorder.close();
  recorder = await openRecorder({ redisUrl: redis.url, databaseUrl: clerkUrl.href });
  try {
    await sql(`revoke insert on holds from ${clerk}`);
    await expect(recorder.runOnce()).rejects.toMatchObject({ code: "42501" });
    expect(await countRows(database.url, "dead_events")).toBe(0);
    await sql(`grant insert on holds to ${clerk}`);
    await expectOnlyWaitedOut();
  } finally {
    await recorder.closeRecording();
    await sql(`drop owned by ${clerk}; drop role ${clerk}`);
  }
});

test("no event is recorded, or called bad, before the migrations are there", async () => {
  await recorder.closeRecording();
  await sql("drop schema public cascade; create schema public");
  await expect(recorder.runOnce()).rejects.toThrow(/not applied: 0001_ledger\.sql/);
  await migrate(database.url);
  await shop.redis.xgroup("SETID", shop.keys.stream, "inventory.cg", "0");
  await expectOnlyWaitedOut();
});
