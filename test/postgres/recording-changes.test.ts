import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type InventoryEvent, STOCK_EVENTS } from "../../src/domain/event.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { freshDatabase } from "../setup/stack.ts";
import { countRows, emptyLedger, query } from "../worker/query.ts";
import { shuffled } from "../worker/shop.ts";
import { created, holdEvent, NOON, recording, stockEvent } from "./recorded.ts";

const database = await freshDatabase();

beforeEach(() => emptyLedger(database.url));

afterAll(() => database.close());

const apply = (events: InventoryEvent[]) =>
  recording(database.url, (to) => to.apply(events, "1-0"));

const millis = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** All of a movement, but for the id that nobody asks for. */
const movements = () =>
  query(
    database.url,
    `select recorded_id::int, ${millis("occurred_at")} as occurred_at, sku, store_id, kind,
       available_delta::int, held_delta::int, version::int, event_id, reference, reason, notes, actor
     from stock_movements order by recorded_id, movement_id`,
  );

const external = (version: number) => ({
  ...{ kind: "EXTERNAL", held_delta: 0, version: null, reference: null, reason: null },
  notes: version === 1 ? expect.stringContaining("from outside") : expect.stringContaining("came"),
  actor: "outside",
});

test.each(STOCK_EVENTS)("a %s has no hold, and a movement that says all of it", async (type) => {
  const texts = ["", "NULL", "{}", 'a "b" \\ c, d', "it's; --", "one\ntwo", "🦆", undefined];
  const events = texts.map((_, i) => {
    const at = (ahead: number) => texts[(i + ahead) % texts.length];
    const words = { reason: at(0), reference: at(1), notes: at(2), actor: at(3) ?? "api" };
    return stockEvent(i + 1, type, { ...words, occurred_at: NOON + i });
  });
  await apply(events);

  const rows = (await movements()).filter(({ kind }) => kind !== "EXTERNAL");
  expect(rows).toEqual(
    events.map(({ event_id, seq, payload }) => {
      const { occurred_at, reason = null, reference = null, notes = null, actor } = payload;
      return {
        ...{ recorded_id: expect.any(Number), occurred_at, sku: "tea", store_id: "main" },
        ...{ kind: type, available_delta: 5, held_delta: 0, version: seq, event_id },
        ...{ reference, reason, notes, actor },
      };
    }),
  );
  const kept = await query(
    database.url,
    "select seq::int, type, hold_id, payload::text from processed_events order by seq",
  );
  expect(kept).toEqual(
    events.map(({ seq, payload_json }) => ({ seq, type, hold_id: null, payload: payload_json })),
  );
  for (const table of ["holds", "hold_lines", "orders"]) {
    expect(await countRows(database.url, table)).toBe(0);
  }
  const levels = await query(
    database.url,
    `select sku, store_id, available::int, held::int, version::int,
       ${millis("updated_at")} as updated_at from stock_levels`,
  );
  expect(levels).toEqual([
    { sku: "tea", store_id: "main", available: 5, held: 0, version: 8, updated_at: NOON + 7 },
  ]);
});

test("a transfer moves both stores' stocks, with one movement for each line, in its order", async () => {
  const line = { sku: "tea", store_id: "main", available: 3, held: 1, version: 2 };
  const moved = stockEvent(2, "STOCK_TRANSFERRED", {
    ...{ from_store: "main", to_store: "north", reference: "T-1" },
    lines: [
      { ...line, available_delta: -2 },
      { ...line, sku: "cup", available_delta: -1 },
      { ...line, store_id: "north", available_delta: 2 },
      { ...line, store_id: "north", sku: "cup", available_delta: 1 },
    ],
  });
  const before = stockEvent(1, "STOCK_COUNTED", {
    lines: moved.payload.lines.map(({ available_delta: delta, ...after }) => ({
      ...{ ...after, available: after.available - delta, version: 1 },
      available_delta: after.available - delta,
    })),
  });
  await apply([before, moved]);
  const rows = (await movements()).filter(({ kind }) => kind === "STOCK_TRANSFERRED");
  expect(rows.map((row) => [row.sku, row.store_id, row.available_delta, row.version])).toEqual([
    ["tea", "main", -2, 2],
    ["cup", "main", -1, 2],
    ["tea", "north", 2, 2],
    ["cup", "north", 1, 2],
  ]);
  expect(new Set(rows.map(({ reference }) => reference))).toEqual(new Set(["T-1"]));
});

test("a purchase is a hold that was never active, with its order, and without a payment", async () => {
  const ended = { ended_at: NOON, expires_at: NOON, order_id: "O-1", user_id: "" };
  const sale = holdEvent(1, "HOLD_PURCHASED", {
    ...ended,
    lines: [{ sku: "tea", store_id: "main", quantity: 2, available: 8, held: 0, version: 1 }],
  });
  await apply([sale]);
  const { hold_id } = sale.payload;
  expect(
    await query(
      database.url,
      `select hold_id, holds.status, holds.user_id, order_id, orders.payment_ref, holds.payment_ref as paid,
         version, ${millis("confirmed_at")} as confirmed_at, sku, quantity
       from holds join orders using (hold_id, order_id) join hold_lines using (hold_id)`,
    ),
  ).toEqual([
    {
      ...{ hold_id, status: "CONFIRMED", user_id: "", order_id: "O-1", payment_ref: null },
      ...{ paid: null, version: 1, confirmed_at: NOON, sku: "tea", quantity: 2 },
    },
  ]);
  const common = { recorded_id: 1, occurred_at: NOON, sku: "tea", store_id: "main" };
  const { event_id } = sale;
  expect(await movements()).toEqual([
    { ...common, event_id, ...external(1), available_delta: 10 },
    {
      ...{ ...common, event_id, kind: "HOLD_PURCHASED", available_delta: -2, held_delta: 0 },
      ...{ version: 1, reference: hold_id, reason: null, notes: null, actor: null },
    },
  ]);
});

test("a hold that is confirmed without a payment has an order without one", async () => {
  const hold = created(1);
  const { hold_id } = hold.payload;
  const sold = holdEvent(2, "HOLD_CONFIRMED", {
    ...{ hold_id, version: 2, ended_at: NOON, order_id: "O-2" },
  });
  await apply([hold, sold]);
  const orders = await query(database.url, "select order_id, hold_id, payment_ref from orders");
  expect(orders).toEqual([{ order_id: "O-2", hold_id, payment_ref: null }]);
});

describe("recorded_id", () => {
  const recordedIds = () =>
    query<{ event_id: string; seq: number; recorded_id: number }>(
      database.url,
      "select event_id, seq::int, recorded_id::int from processed_events order by recorded_id",
    );

  test("follows the seqs within a batch, in whatever order and however often they came", async () => {
    const made = Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0 ? stockEvent(i + 1, "STOCK_ADJUSTED") : created(i + 1),
    );
    // Ids are made by several machines, so they rise in no order.
    const ids = made.map(({ event_id }) => event_id).toReversed();
    const events = made.map((event, i) => ({ ...event, event_id: ids[i] ?? "" }));
    await apply(shuffled([...events, ...events]));
    expect((await recordedIds()).map(({ event_id }) => event_id)).toEqual(
      events.map(({ event_id }) => event_id),
    );
  });

  test("goes on from batch to batch and from recorder to recorder, past what was refused", async () => {
    await recording(database.url, async (to) => {
      await to.apply([created(3), created(5)], "1-0");
      await expect(to.apply([created(6, { ended_at: NOON })], "1-0")).rejects.toThrow();
      await to.apply([created(4), created(7)], "1-0");
    });
    await apply([created(1), created(9)]);
    await apply([created(8)]);
    expect((await recordedIds()).map(({ seq }) => seq)).toEqual([3, 5, 4, 7, 1, 9, 8]);
  });

  test("is that of its event in every movement, those of outside before the event's own", async () => {
    await apply([created(1), stockEvent(4, "STOCK_COUNTED"), created(6)]);
    const rows = await query<{ kind: string; moved: string; recorded: string; type: string }>(
      database.url,
      `select kind, stock_movements.recorded_id as moved, processed_events.recorded_id as recorded, type
       from stock_movements join processed_events using (event_id)
       order by stock_movements.recorded_id, sku, movement_id`,
    );
    expect(rows.filter(({ moved, recorded }) => moved !== recorded)).toEqual([]);
    expect(rows.map(({ kind }) => kind)).toEqual([
      ...["EXTERNAL", "HOLD_CREATED", "EXTERNAL", "HOLD_CREATED"],
      ...["EXTERNAL", "STOCK_COUNTED"],
      ...["EXTERNAL", "HOLD_CREATED", "EXTERNAL", "HOLD_CREATED"],
    ]);
  });
});

test("each event's payload is kept letter by letter, beside those of others", async () => {
  const grown = (seq: number, json: string) => {
    const { event_id, type, payload_json } = stockEvent(seq, "STOCK_ADJUSTED");
    const payload = `${json}${payload_json.slice(1)}`;
    return parseEvent({ event_id, type, seq: String(seq), payload });
  };
  const events = [
    grown(1, '{"big":12345678901234567890.10e+400,'),
    grown(2, '  {\n\t"a" : [ 1,2 , {} ],'),
    grown(3, '{"nul":"\\u0000","record":"\\u001e","half":"\\ud83e","quote":"\\"","duck":"🦆",'),
    grown(4, '{"twice":1,"twice":2,"{}":"\\\\",'),
  ];
  await apply(events);
  const rows = await query(
    database.url,
    "select payload::text as payload_json from processed_events order by seq",
  );
  expect(rows).toEqual(events.map(({ payload_json }) => ({ payload_json })));
});
