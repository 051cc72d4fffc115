import { afterAll, beforeEach, expect, test } from "@jest/globals";
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
