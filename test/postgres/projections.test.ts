import { afterAll, beforeEach, expect, test } from "@jest/globals";
import { readProjections, requestRebuild } from "../../src/postgres/projections.ts";
import { freshDatabase } from "../setup/stack.ts";
import { countRows, emptyLedger, query } from "../worker/query.ts";
import { patientPool } from "./patient-pool.ts";
import { created, recording } from "./recorded.ts";

const database = await freshDatabase();
const pool = patientPool(database.url);

beforeEach(() => emptyLedger(database.url));

afterAll(async () => {
  await pool.end();
  await database.close();
});

const finish = () =>
  query(database.url, "update projection_rebuilds set started_at = now(), finished_at = now()");

test("before anything was recorded or rebuilt there is nothing to tell", async () => {
  expect(await readProjections(pool)).toEqual({ rebuild: null, recorded: [] });
});

test("a rebuild is open once it is asked for, and is the newest one", async () => {
  const before = Date.now();
  const rebuild = await requestRebuild(pool);
  expect(rebuild).toEqual({
    rebuild_id: expect.any(Number),
    requested_at: expect.any(Number),
    started_at: null,
    finished_at: null,
    stocks_total: null,
    stocks_done: 0,
    stocks_corrected: 0,
  });
  expect(rebuild.requested_at).toBeGreaterThanOrEqual(before - 1);
  expect(rebuild.requested_at).toBeLessThanOrEqual(Date.now());
  expect((await readProjections(pool)).rebuild).toEqual(rebuild);
});

test("whoever asks while one is open is told of that one", async () => {
  const rebuilds = await Promise.all(Array.from({ length: 20 }, () => requestRebuild(pool)));
  expect(new Set(rebuilds.map(({ rebuild_id }) => rebuild_id)).size).toBe(1);
  expect(await countRows(database.url, "projection_rebuilds")).toBe(1);
});

test("a request waits for the transaction of another one, and makes its own when that is undone", async () => {
  const other = await pool.connect();
  try {
    await other.query("begin");
    const { rebuild_id: undone } = await requestRebuild(other);
    const waiting = requestRebuild(pool);
    expect((await readProjections(pool)).rebuild).toBeNull();
    await other.query("rollback");
    expect((await waiting).rebuild_id).toBeGreaterThan(undone);
    expect(await countRows(database.url, "projection_rebuilds")).toBe(1);
  } finally {
    other.release();
  }
});

test("after one is finished there is another", async () => {
  const first = await requestRebuild(pool);
  await finish();
  expect((await readProjections(pool)).rebuild).toMatchObject({
    rebuild_id: first.rebuild_id,
    finished_at: expect.any(Number),
  });
  const second = await requestRebuild(pool);
  expect(second.rebuild_id).toBeGreaterThan(first.rebuild_id);
  expect((await readProjections(pool)).rebuild).toEqual(second);
});

test("one that is finished while it is asked for leaves room for another", async () => {
  const { rebuild_id: first } = await requestRebuild(pool);
  await query(
    database.url,
    `create function finish_first() returns trigger language plpgsql as $$ begin
       update projection_rebuilds set started_at = now(), finished_at = now() where rebuild_id = ${first};
       return null;
     end $$;
     create trigger finish_first after insert on projection_rebuilds execute function finish_first()`,
  );
  try {
    const { rebuild_id, finished_at } = await requestRebuild(pool);
    expect(rebuild_id).toBeGreaterThan(first);
    expect(finished_at).toBeNull();
  } finally {
    await query(database.url, "drop function finish_first cascade");
  }
});

test("how far each partition is recorded is told with the times of it", async () => {
  await recording(database.url, (to) => to.apply([created(1), created(2)], "7-0"));
  await query(database.url, "insert into recorder_progress values (1, 0, '0-0')");
  await query(
    database.url,
    `update recorder_progress set updated_at = to_timestamp(1.5),
       caught_up_at = case when partition = 0 then to_timestamp(2.25) end`,
  );
  expect((await readProjections(pool)).recorded).toEqual([
    {
      partition: 0,
      applied_seq: 2,
      applied_entry_id: "7-0",
      updated_at: 1_500,
      caught_up_at: 2_250,
    },
    {
      partition: 1,
      applied_seq: 0,
      applied_entry_id: "0-0",
      updated_at: 1_500,
      caught_up_at: null,
    },
  ]);
});
