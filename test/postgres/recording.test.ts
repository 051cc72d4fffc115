import { afterAll, beforeEach, expect, test } from "@jest/globals";
import pg from "pg";
import { until } from "../../scripts/until.ts";
import type { HoldPayload } from "../../src/domain/event.ts";
import { freshDatabase } from "../setup/stack.ts";
import { countRows, emptyLedger, query } from "../worker/query.ts";
import { created, NOON, recording } from "./recorded.ts";

const database = await freshDatabase();

beforeEach(() => emptyLedger(database.url));

afterAll(() => database.close());

const lineOf = (more: Partial<HoldPayload["lines"][number]>) => ({
  ...{ sku: "tea", store_id: "main", quantity: 1, available: 1, held: 1, version: 9 },
  ...more,
});

const applied = () => query(database.url, "select seq::int from processed_events order by seq");

test("what is recorded is what the event says, whatever texts, codes and times are in it", async () => {
  const texts = ["", "NULL", "{}", 'a "b" \\ c, d', "it's; --", "one\ntwo", "🦆"];
  const codes = ["null", "NULL", "-1", "1e3", "a.b-C_9"];
  const times = [0, 1, 999, NOON + 1, 1_795_230_612_427, 253_402_300_799_999];
  const events = Array.from({ length: 42 }, (_, i) => {
    const at = <T>(values: T[], ahead = 0) => values[(i + ahead) % values.length] as T; // none is empty
    return created(i + 1, {
      ...{ user_id: at(texts), reason: at(texts, 1) },
      ...{ occurred_at: at(times), created_at: at(times, 1), expires_at: at(times, 2) },
      lines: [lineOf({ sku: at(codes), store_id: at(codes, 1), available: i, version: i + 1 })],
    });
  });

  await recording(database.url, (to) => to.apply(events, "1-0"));

  const millis = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;
  const rows = await query(
    database.url,
    `select seq::int, type, hold_id, user_id, holds.reason, line.sku, line.store_id, moved.notes,
       moved.sku as moved_sku, moved.store_id as moved_store, moved.actor, moved.reason as moved_reason,
       moved.reference, ${millis("created_at")} as created_at, payload::text as payload_json,
       ${millis("expires_at")} as expires_at, ${millis("moved.occurred_at")} as moved_at,
       ${millis("processed_events.occurred_at")} as occurred_at
     from processed_events join holds using (hold_id) join hold_lines as line using (hold_id)
       join stock_movements as moved on moved.event_id = processed_events.event_id and kind = type
     order by seq`,
  );
  expect(rows).toEqual(
    events.map(({ seq, type, payload, payload_json }) => {
      const { hold_id, user_id, reason, occurred_at, created_at, expires_at, lines } = payload;
      const [{ sku, store_id }] = lines as [(typeof lines)[number]]; // each has one
      return {
        ...{ seq, type, hold_id, user_id, reason, occurred_at, created_at, expires_at },
        ...{ sku, store_id, moved_sku: sku, moved_store: store_id, payload_json },
        ...{ moved_at: occurred_at, reference: hold_id, moved_reason: reason, notes: null },
        actor: user_id || null,
      };
    }),
  );
});

// The commit is sent behind the statements, before Postgres has said a word to them.
test.each([
  ["holds_ended_when_not_active", { ended_at: NOON }],
  ["hold_lines_quantity_positive", { lines: [lineOf({ quantity: 0 })] }],
  ["stock_levels_held_not_negative", { lines: [lineOf({ held: -1 })] }],
])("nothing at all is recorded of a batch that breaks %s", async (constraint, wrong) => {
  await recording(database.url, async (to) => {
    await to.apply([created(1)], "1-0");
    const refused = to.apply([created(2), created(3, wrong), created(4)], "4-0");
    await expect(refused).rejects.toMatchObject({ code: "23514", constraint });
    expect(await applied()).toEqual([{ seq: 1 }]);
    expect(await countRows(database.url, "holds")).toBe(1);
    expect(await to.apply([created(2)], "2-0")).toMatchObject({ applied: 1, applied_seq: 2 });
  });
});

test("nothing is recorded when the row is gone that says how far it is", async () => {
  await recording(database.url, async (to) => {
    await to.apply([created(1)], "1-0");
    await query(database.url, "delete from recorder_progress");
    await expect(to.apply([created(2)], "2-0")).rejects.toThrow(/recorder_progress is gone/);
  });
  expect(await applied()).toEqual([{ seq: 1 }]);
});

test("a batch that comes out of order is recorded in order, and nothing is missed in it", async () => {
  await recording(database.url, async (to) => {
    const applied = await to.apply([created(3), created(1), created(2)], "3-0");
    expect(applied).toMatchObject({ applied: 3, applied_seq: 3, gaps: [], rewound_seqs: [] });
  });
  const rows = await query(
    database.url,
    "select seq::int from processed_events order by recorded_id",
  );
  expect(rows).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
});

test("a batch waits for an admission that is just raising the generation, and is then too old", async () => {
  const admission = new pg.Client({ connectionString: database.url });
  await admission.connect();
  try {
    await recording(database.url, async (to) => {
      await admission.query("begin; update recorder_progress set generation = 5");
      const event = created(1);
      const applying = to.apply([event], "1-0");
      await until("it waits", async () => {
        const waiting = await query(
          database.url,
          `select from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return waiting.length > 0 ? true : undefined;
      });
      await admission.query("commit");
      expect(await applying).toMatchObject({ applied: 0, refused: new Set([event.event_id]) });
    });
  } finally {
    await admission.end();
  }
  expect(await applied()).toEqual([]);
});

test("what was recorded before an admission, and comes again after it, is a duplicate", async () => {
  await recording(database.url, async (to) => {
    const events = [created(1), created(2)];
    await to.apply(events, "2-0");
    await query(database.url, "update recorder_progress set generation = 5");
    const again = await to.apply(events, "2-0");
    expect(again).toMatchObject({ applied: 0, duplicates: 2, refused: new Set() });
  });
});
