import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import pg from "pg";
import { until } from "../../../scripts/until.ts";
import { runSql } from "../../setup/stack.ts";
import { metricOf } from "../../worker/parts.ts";
import { query } from "../../worker/query.ts";
import { expectInvariants } from "../invariants.ts";
import { openHouse } from "../whole-house.ts";

const TEST_MS_MAX = 120_000;

let house: Awaited<ReturnType<typeof openHouse>>;
let somebody: pg.Client;
beforeAll(async () => {
  house = await openHouse();
}, TEST_MS_MAX);
afterAll(() => house?.close(), TEST_MS_MAX);
beforeEach(async () => {
  somebody = new pg.Client({ connectionString: house.stores.database_url });
  await somebody.connect();
});
afterEach(() => somebody.end());

const sql = (text: string) => runSql(house.stores.database_url, text);
const database = () => new URL(house.stores.database_url).pathname.slice(1);
const failures = () => metricOf(house.worker, 'holdfast_agent_failures_total{agent="recorder"}');

const endOtherSessions = () =>
  somebody.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  );

/** Sells through a fault, in which no shopper may notice anything, until the recorder has failed by it. */
async function sellThrough(fault: () => Promise<unknown>, mend: () => Promise<unknown>) {
  const { crowd, journal } = house;
  await crowd.come();
  const [first, failed] = [journal.entries.length, await failures()];
  await fault();
  await until("the recorder fails", async () => (await failures()) > failed || undefined);
  await crowd.goOn(50);
  await mend();
  await crowd.goOn(20);
  const unserved = journal.entries
    .slice(first)
    .filter(({ outcome }) => outcome.end === "ANSWERED" && outcome.answer.status >= 500);
  expect(unserved).toEqual([]);
  await expectInvariants(house);
}

test(
  "sales go on while somebody holds a lock on what is recorded, for longer than the recorder waits",
  () =>
    sellThrough(
      () => somebody.query("begin; lock table holds in access exclusive mode"),
      () => somebody.query("rollback"),
    ),
  TEST_MS_MAX,
);

test(
  "sales go on when the recorder loses a deadlock",
  async () => {
    // A session takes its deadlock_timeout from its database: the recorder's looks first, and loses.
    await sql(`alter database ${database()} set deadlock_timeout = '500ms'`);
    await endOtherSessions(); // a setting counts for new ones
    await somebody.query("set deadlock_timeout = '60s'");
    let crossing: Promise<unknown> = Promise.resolve();
    await sellThrough(
      async () => {
        await somebody.query("begin; lock table stock_levels in share mode");
        await until("the recorder waits for it", async () => {
          // Not by somebody: what is looked at in a transaction stays as it was first seen.
          const rows = await query(
            house.stores.database_url,
            `select from pg_stat_activity where datname = current_database()
               and wait_event_type = 'Lock'`,
          );
          return rows.length > 0 || undefined;
        });
        crossing = somebody.query("select from recorder_progress for update");
      },
      async () => {
        await crossing;
        await somebody.query("rollback");
      },
    );
    await sql(`alter database ${database()} reset deadlock_timeout`);
  },
  TEST_MS_MAX,
);

test(
  "sales go on while the database is read-only",
  () =>
    sellThrough(
      async () => {
        await somebody.query("set default_transaction_read_only = off");
        await somebody.query(`alter database ${database()} set default_transaction_read_only = on`);
        await endOtherSessions();
      },
      () => somebody.query(`alter database ${database()} reset default_transaction_read_only`),
    ),
  TEST_MS_MAX,
);

test(
  "sales go on while each insert of an event takes Postgres half a second",
  async () => {
    const { crowd } = house;
    await crowd.come();
    await sql(
      `create function nap() returns trigger language plpgsql as
         $$ begin perform pg_sleep(0.5); return null; end $$;
       create trigger nap before insert on processed_events
         for each statement execute function nap()`,
    );
    await crowd.goOn(200);
    await sql("drop trigger nap on processed_events; drop function nap()");
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);

test(
  "connections to Postgres that are open and carry nothing any more are given up, and all is recorded",
  async () => {
    const { crowd, postgres_proxy, journal } = house;
    await crowd.come();
    const first = journal.entries.length;
    postgres_proxy.blackhole();
    await crowd.goOn(100);
    await expectInvariants(house);
    const unserved = journal.entries
      .slice(first)
      .filter(({ outcome }) => outcome.end === "ANSWERED" && outcome.answer.status >= 500);
    expect(unserved).toEqual([]);
  },
  TEST_MS_MAX,
);
