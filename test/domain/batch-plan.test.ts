import { describe, expect, test } from "@jest/globals";
import {
  isSold,
  planBatch,
  type RecordedEvent,
  type StockLevel,
  stockOf,
} from "../../src/domain/batch-plan.ts";
import { HOLD_STATUSES } from "../../src/domain/hold.ts";
import { eventOf, levelOf as level, payloadOf, stockEventOf } from "./events.ts";

const levelsOf = (...list: StockLevel[]) => new Map(list.map((item) => [stockOf(item), item]));
const created = (seq: number, available: number, held: number, version: number) =>
  eventOf(seq, "HOLD_CREATED", { available, held, version });

describe("a batch of events in order", () => {
  test("becomes the newest level, one movement for each event, and the last seq", () => {
    const events = [created(8, 9, 1, 5), created(9, 8, 2, 6)];
    const plan = planBatch(events, levelsOf(level()), 7);
    expect(plan.levels).toEqual([level({ available: 8, held: 2, version: 6, updated_at: 1_009 })]);
    expect(plan.movements).toEqual(
      events.map((event) => ({
        occurred_at: event.payload.occurred_at,
        recorded_id: event.recorded_id,
        sku: "phone",
        store_id: "main",
        kind: "HOLD_CREATED",
        available_delta: -1,
        held_delta: 1,
        version: event.seq - 3,
        event_id: event.event_id,
        reference: event.payload.hold_id,
        reason: null,
        notes: null,
        actor: "user-1",
      })),
    );
    expect(plan).toMatchObject({ stores: ["main"], adjustments: [] });
    expect(plan).toMatchObject({ gaps: [], late_seqs: [], applied_seq: 9 });
  });

  test("keeps the newest state of each hold, whatever their order", () => {
    const older = eventOf(8, "HOLD_CREATED", { available: 9, held: 1, version: 5 });
    const newer = eventOf(
      9,
      "HOLD_CANCELLED",
      { available: 10, held: 0, version: 6 },
      { status: "CANCELLED", version: 2, reason: "why" },
    );
    const plan = planBatch([older, newer], levelsOf(level()), 7);
    expect(plan.holds).toEqual([newer.payload]);
    expect(plan.movements[1]).toMatchObject({ kind: "HOLD_CANCELLED", reason: "why" });
    expect(planBatch([newer, older], levelsOf(level()), 7).holds).toEqual([newer.payload]);
  });

  test("moves each line's stock by itself", () => {
    const event = eventOf(1, "HOLD_CREATED", { available: 0, held: 0, version: 1 });
    event.payload.lines = [
      { sku: "a", store_id: "main", quantity: 1, available: 4, held: 1, version: 1 },
      { sku: "a", store_id: "north", quantity: 2, available: 3, held: 2, version: 1 },
    ];
    const plan = planBatch(
      [event],
      levelsOf(
        level({ sku: "a", available: 5, version: 0 }),
        level({ sku: "a", store_id: "north", available: 5, version: 0 }),
      ),
      0,
    );
    expect(plan.movements.map((move) => [move.store_id, move.available_delta])).toEqual([
      ["main", -1],
      ["north", -2],
    ]);
    expect(plan.levels.map(stockOf)).toEqual(["a@main", "a@north"]);
    expect(plan.stores).toEqual(["main", "north"]);
  });

  test("of none changes nothing", () => {
    expect(planBatch([], new Map(), 7)).toEqual({
      holds: [],
      relined: [],
      rules: [],
      payments: [],
      unmoved: [],
      waiters: [],
      levels: [],
      movements: [],
      stores: [],
      adjustments: [],
      deeds: [],
      returns: [],
      gaps: [],
      late_seqs: [],
      applied_seq: 7,
    });
  });
});

describe("seqs", () => {
  const seqs = (list: number[], applied: number) => {
    const events = list.map((seq) => created(seq, 1, 1, seq));
    const { gaps, late_seqs, applied_seq } = planBatch(events, new Map(), applied);
    return { gaps, late_seqs, applied_seq };
  };

  test.each([
    { events: [8], gaps: [], late_seqs: [], applied_seq: 8 },
    { events: [9], gaps: [{ first: 8, last: 8 }], late_seqs: [], applied_seq: 9 },
    { events: [7], gaps: [], late_seqs: [7], applied_seq: 7 },
    { events: [6, 8], gaps: [], late_seqs: [6], applied_seq: 8 },
    {
      events: [8, 10, 11, 15],
      gaps: [
        { first: 9, last: 9 },
        { first: 12, last: 14 },
      ],
      late_seqs: [],
      applied_seq: 15,
    },
    { events: [1, 2], gaps: [], late_seqs: [1, 2], applied_seq: 7 },
  ])("$events after 7: gaps and late ones are noticed", ({ events, ...expected }) => {
    expect(seqs(events, 7)).toEqual(expected);
  });

  test("that begin with 1 on an empty ledger have no gap, and with 3 they have", () => {
    expect(seqs([1], 0).gaps).toEqual([]);
    expect(seqs([3], 0).gaps).toEqual([{ first: 1, last: 2 }]);
  });
});

describe("what no event explains", () => {
  const movementsOf = (event: RecordedEvent, known: StockLevel[]) =>
    planBatch([event], levelsOf(...known), event.seq - 1).movements.map(
      ({ kind, available_delta, held_delta, version, reference, reason, notes, actor }) => ({
        kind,
        deltas: [available_delta, held_delta],
        version,
        reference,
        reason,
        notes,
        actor,
      }),
    );
  const outside = {
    kind: "EXTERNAL",
    version: null,
    reference: null,
    reason: null,
    actor: "outside",
  };
  const own = (version: number) => ({
    kind: "HOLD_CREATED",
    deltas: [-1, 1],
    version,
    reference: payloadOf().hold_id,
    reason: null,
    notes: null,
    actor: "user-1",
  });

  test("is the first stocking of a sku the ledger has not met", () => {
    expect(movementsOf(created(1, 99, 1, 1), [])).toEqual([
      { ...outside, deltas: [100, 0], notes: "changed from outside, between two events" },
      own(1),
    ]);
  });

  test("is a change from outside between two events", () => {
    const [external, ...rest] = movementsOf(created(1, 29, 1, 5), [level()]);
    expect(external).toMatchObject({ ...outside, deltas: [20, 0] });
    expect(external?.notes).toMatch(/from outside/);
    expect(rest).toEqual([own(5)]);
  });

  test("is the same before a change of stock, which keeps its own delta and words", () => {
    const counted = stockEventOf(
      1,
      "STOCK_COUNTED",
      { available_delta: -4, available: 20, held: 0, version: 5 },
      { reason: "count", on_hand: 20 },
    );
    expect(movementsOf(counted, [level()])).toEqual([
      { ...outside, deltas: [14, 0], notes: "changed from outside, between two events" },
      expect.objectContaining({
        kind: "STOCK_COUNTED",
        deltas: [-4, 0],
        reason: "count",
        actor: "api",
      }),
    ]);
  });

  test("is a change whose events never came, and its versions are named", () => {
    const [external, ...rest] = movementsOf(created(1, 4, 6, 10), [level()]);
    expect(external).toMatchObject({ kind: "EXTERNAL", deltas: [-5, 5] });
    expect(external?.notes).toBe("versions 5 to 9 never came");
    expect(rest).toEqual([own(10)]);
  });

  test("is taken out again when its event comes late, and the level stays", () => {
    const late = created(1, 9, 1, 3);
    const plan = planBatch([late], levelsOf(level()), 5);
    expect(plan.levels).toEqual([level()]);
    expect(plan.movements.map((move) => [move.kind, move.available_delta])).toEqual([
      ["EXTERNAL", 1],
      ["HOLD_CREATED", -1],
    ]);
    expect(plan.movements[0]?.notes).toBe("version 3 came after 4");
  });

  test.each([3, 4, 5])(
    "of version %d against a known 4 moves the level only if newer",
    (version) => {
      const { levels } = planBatch([created(1, 9, 1, version)], levelsOf(level()), 0);
      expect(levels[0]?.version).toBe(Math.max(4, version));
      expect(levels[0]?.available).toBe(version > 4 ? 9 : 10);
    },
  );
});

test("a hold is sold when it is confirmed, and only then", () => {
  const sold = HOLD_STATUSES.filter((status) => isSold(payloadOf({ status })));
  expect(sold).toEqual(["CONFIRMED"]);
});
