import { afterAll, beforeEach, expect, test } from "@jest/globals";
import type { RulesEvent } from "../../src/domain/event.ts";
import { isRulesEvent } from "../../src/domain/event.ts";
import { newEventId } from "../../src/domain/ids.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { freshDatabase } from "../setup/stack.ts";
import { emptyLedger, query } from "../worker/query.ts";
import { shuffled } from "../worker/shop.ts";
import { NOON, recording } from "./recorded.ts";

const database = await freshDatabase();

beforeEach(() => emptyLedger(database.url));

afterAll(() => database.close());

/** Rules whose version is the event's seq, as change_rules tells them. */
function rulesEvent(seq: number, sku: string, rules: object | null, counts = false): RulesEvent {
  const payload = JSON.stringify({
    ...{ event_version: 1, occurred_at: NOON + seq, request_id: "r", actor: "operator" },
    ...{ sku, version: seq, rules, counts, counting_begins: false },
  });
  const event = parseEvent({
    event_id: newEventId(),
    type: "RULES_CHANGED",
    seq: String(seq),
    payload,
  });
  if (!isRulesEvent(event)) throw new Error("It is no event of rules.");
  return event;
}

const rows = () =>
  query(
    database.url,
    `select sku, rules, version::int, counts, (extract(epoch from changed_at) * 1000)::float8 as at
     from sale_rules order by sku`,
  );

const EVENTS = () => [
  rulesEvent(1, "tea", { max_per_order: 1 }),
  rulesEvent(2, "cup", { paused: true, opens_at: 32_503_679_999_999 }),
  rulesEvent(3, "tea", { max_per_customer: 2 }, true),
  rulesEvent(4, "cup", null),
  rulesEvent(5, "tea", { max_per_order: 9, "it's": 1 }, true),
];
const LAST = [
  { sku: "cup", rules: null, version: 4, counts: false, at: NOON + 4 },
  { sku: "tea", rules: { max_per_order: 9 }, version: 5, counts: true, at: NOON + 5 },
];

test("the newest rules of each sku are the ones there are", async () => {
  await recording(database.url, (to) => to.apply(EVENTS(), "1-0"));
  expect(await rows()).toEqual(LAST);
  const types = await query(database.url, "select distinct type, hold_id from processed_events");
  expect(types).toEqual([{ type: "RULES_CHANGED", hold_id: null }]);
  expect(await query(database.url, "select from stock_movements")).toEqual([]);
});

test("whatever the order in which they are recorded, and however often", async () => {
  for (let round = 0; round < 5; round += 1) {
    await emptyLedger(database.url);
    const events = EVENTS();
    await recording(database.url, async (to) => {
      for (const event of shuffled([...events, ...events])) await to.apply([event], "1-0");
    });
    expect(await rows()).toEqual(LAST);
  }
});
