import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { until } from "../../scripts/until.ts";
import { listDead, requestReplay as requestReplayBy } from "../../src/postgres/dead-letters.ts";
import { freshDatabase } from "../setup/stack.ts";
import { emptyLedger, query } from "../worker/query.ts";
import { patientPool } from "./patient-pool.ts";
import { recording } from "./recorded.ts";

const database = await freshDatabase();
const pool = patientPool(database.url);

const requestReplay = (to: Parameters<typeof requestReplayBy>[0], ids: string[] | null) =>
  requestReplayBy(to, ids, { who: "ada", request_id: "r" });

beforeEach(() => emptyLedger(database.url));

afterAll(async () => {
  await pool.end();
  await database.close();
});

/** Buries entries 1-0, 2-0 and so on. */
const bury = (count: number) =>
  recording(database.url, async (to) => {
    for (let i = 1; i <= count; i += 1) {
      const fields = { type: "TEA_SPILT", seq: String(i), __proto__: "x" };
      await to.bury({ entry_id: `${i}-0`, fields, error: `why ${i}`, attempts: i, seq: i });
    }
  });

const requested = async () => {
  const rows = await query<{ entry_id: string }>(
    database.url,
    "select entry_id from dead_events where replay_requested_at is not null order by dead_id",
  );
  return rows.map(({ entry_id }) => entry_id);
};

describe("listDead", () => {
  const ids = async (page: { limit: number; before?: number }) =>
    (await listDead(pool, page)).map(({ message_id }) => message_id);

  test("is empty when nothing is dead", async () => {
    expect(await listDead(pool, { limit: 10 })).toEqual([]);
  });

  test("tells what was read, why it is dead, how often it was tried, and when", async () => {
    const before = Date.now() - 1;
    const fields = { "": "", type: 'a "b"', payload: '{"x":"\\u0000 🦆"}' };
    await recording(database.url, (to) =>
      to.bury({ entry_id: "1-0", fields, error: "why", attempts: 3, seq: null }),
    );
    const [letter] = await listDead(pool, { limit: 10 });
    expect(letter).toEqual({
      ...{ dead_id: 1, message_id: "1-0", seq: null, fields, error: "why", attempts: 3 },
      ...{ failed_at: expect.any(Number), replay_requested_at: null, outdated: false },
    });
    expect(letter?.failed_at).toBeGreaterThan(before);
    expect(letter?.failed_at).toBeLessThan(Date.now() + 1);
    await requestReplay(pool, null);
    const [asked] = await listDead(pool, { limit: 10 });
    expect(asked?.replay_requested_at).toBeGreaterThanOrEqual(letter?.failed_at ?? Infinity);
  });

  test("gives pages, newest first, none of which has a letter of another", async () => {
    await bury(5);
    expect(await ids({ limit: 4 })).toEqual(["5-0", "4-0", "3-0", "2-0"]);
    expect(await ids({ limit: 5 })).toHaveLength(5);
    expect(await ids({ limit: 6 })).toHaveLength(5);
    expect(await ids({ limit: 2, before: 4 })).toEqual(["3-0", "2-0"]);
    expect(await ids({ limit: 2, before: 2 })).toEqual(["1-0"]);
    expect(await ids({ limit: 2, before: 1 })).toEqual([]);
  });

  test("reads no more letters than it gives, and a look no more than are asked for", async () => {
    await bury(1);
    await query(
      database.url,
      `insert into dead_events (partition, entry_id, fields, error, attempts)
       select 0, '9-' || n, '{}', 'why', 1 from generate_series(1, 5000) as n`,
    );
    await query(database.url, "analyze dead_events");
    const plan = async (sql: string) => JSON.stringify(await query(database.url, `explain ${sql}`));
    const listed = "select * from dead_events where dead_id < 4000 order by dead_id desc limit 20";
    expect(await plan(listed)).toContain("dead_events_pk");
    const looked =
      "select * from dead_events where partition = 0 and replay_requested_at is not null " +
      "order by dead_id limit 100 for update skip locked";
    expect(await plan(looked)).toContain("dead_events_requested");
  });
});

describe("requestReplay", () => {
  test("asks for the chosen letters, and tells those it does not know", async () => {
    await bury(4);
    const answer = await requestReplay(pool, ["3-0", "9-0", "1-0", "3-0", "", "9-0"]);
    expect(answer).toEqual({ requested: ["1-0", "3-0"], unknown: ["9-0", ""] });
    expect(await requested()).toEqual(["1-0", "3-0"]);
  });

  test("asks for none when none are chosen, and for all when nobody chooses", async () => {
    await bury(3);
    expect(await requestReplay(pool, [])).toEqual({ requested: [], unknown: [] });
    expect(await requested()).toEqual([]);
    const all = { requested: ["1-0", "2-0", "3-0"], unknown: [] };
    expect(await requestReplay(pool, null)).toEqual(all);
    expect(await requested()).toEqual(all.requested);
  });

  test("of nothing that is dead is no more than an empty answer", async () => {
    expect(await requestReplay(pool, null)).toEqual({ requested: [], unknown: [] });
    expect(await requestReplay(pool, ["1-0"])).toEqual({ requested: [], unknown: ["1-0"] });
  });

  test("twice is once, and the first time counts", async () => {
    await bury(2);
    await requestReplay(pool, ["2-0"]);
    const [first] = await listDead(pool, { limit: 1 });
    expect(await requestReplay(pool, null)).toMatchObject({ requested: ["1-0", "2-0"] });
    const [again] = await listDead(pool, { limit: 1 });
    expect(again?.replay_requested_at).toBe(first?.replay_requested_at);
  });

  test("by many at once, in any order, is no deadlock", async () => {
    await bury(30);
    const ids = Array.from({ length: 30 }, (_, i) => `${i + 1}-0`);
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        requestReplay(pool, i % 2 === 0 ? ids : ids.toReversed()),
      ),
    );
    for (const answer of answers) expect(answer).toEqual({ requested: ids, unknown: [] });
  });

  test("asks for nothing when its transaction is rolled back", async () => {
    await bury(1);
    const client = await pool.connect();
    await client.query("begin");
    expect(await requestReplay(client, null)).toMatchObject({ requested: ["1-0"] });
    expect(await requested()).toEqual([]);
    await client.query("rollback");
    client.release();
    expect(await requested()).toEqual([]);
  });

  test("of a letter that fails at this moment asks for it once more", async () => {
    await bury(1);
    await requestReplay(pool, null);
    await recording(database.url, async (to) => {
      const [letter] = await to.readRequested(1);
      if (!letter) throw new Error("It was asked for.");
      const somebody = new pg.Client({ connectionString: database.url });
      await somebody.connect();
      await somebody.query("begin; select from dead_events for update");
      const waiting = (count: number) =>
        until("they wait for the row", async () => {
          const { rows } = await pool.query(
            `select from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'`,
          );
          return rows.length === count ? true : undefined;
        });
      const failing = to.keepDead(letter, "again");
      await waiting(1);
      const asking = requestReplay(pool, null);
      await waiting(2);
      await somebody.query("commit");
      await Promise.all([failing, asking]);
      await somebody.end();
    });
    expect(await listDead(pool, { limit: 2 })).toEqual([
      expect.objectContaining({ attempts: 2, error: "again" }),
    ]);
    expect(await requested()).toEqual(["1-0"]);
  });
});

describe("the recorder's look", () => {
  test("finds what was asked for, oldest first, as many as it takes on", async () => {
    await bury(4);
    await requestReplay(pool, ["4-0", "1-0", "3-0"]);
    await recording(database.url, async (to) => {
      const found = async (count: number) =>
        (await to.readRequested(count)).map(({ message_id }) => message_id);
      expect(await found(2)).toEqual(["1-0", "3-0"]);
      expect(await found(3)).toEqual(["1-0", "3-0", "4-0"]);
      expect(await found(4)).toEqual(["1-0", "3-0", "4-0"]);
    });
  });

  test("does not wait for somebody who is asking", async () => {
    await bury(2);
    await requestReplay(pool, null);
    const client = await pool.connect();
    await client.query("begin");
    await requestReplay(client, ["1-0"]);
    await recording(database.url, async (to) => {
      expect(await to.readRequested(9)).toEqual([expect.objectContaining({ message_id: "2-0" })]);
    });
    await client.query("rollback");
    client.release();
  });

  test("sees only the letters of its partition", async () => {
    await bury(1);
    await requestReplay(pool, null);
    await query(database.url, "update dead_events set partition = 1");
    await recording(database.url, async (to) => {
      expect(await to.readRequested(9)).toEqual([]);
    });
  });
});
