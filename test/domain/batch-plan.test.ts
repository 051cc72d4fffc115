import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isSold, planBatch, type StockLevel, stockOf } from "../../src/domain/batch-plan.ts";
import { HOLD_EVENTS, type InventoryEvent, stockDeltas } from "../../src/domain/event.ts";
import { eventOf, payloadOf } from "./events.ts";

const level = (more: Partial<StockLevel> = {}): StockLevel => ({
  sku: "phone",
  store_id: "main",
  available: 10,
  held: 0,
  version: 4,
  updated_at: 1,
  ...more,
});
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
        sku: "phone",
        store_id: "main",
        kind: "HOLD_CREATED",
        available_delta: -1,
        held_delta: 1,
        event_id: event.event_id,
        reference: event.payload.hold_id,
        notes: null,
      })),
    );
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
    expect(plan.movements[1]).toMatchObject({ kind: "HOLD_CANCELLED", notes: "why" });
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
  });

  test("of none changes nothing", () => {
    expect(planBatch([], new Map(), 7)).toEqual({
      holds: [],
      levels: [],
      movements: [],
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
  const movementsOf = (event: InventoryEvent, known: StockLevel[]) =>
    planBatch([event], levelsOf(...known), event.seq - 1).movements.map(
      ({ kind, available_delta, held_delta, reference, notes }) => ({
        kind,
        deltas: [available_delta, held_delta],
        reference,
        notes,
      }),
    );
  const own = {
    kind: "HOLD_CREATED",
    deltas: [-1, 1],
    reference: payloadOf().hold_id,
    notes: null,
  };

  test("is the first stocking of a sku the ledger has not met", () => {
    expect(movementsOf(created(1, 99, 1, 1), [])).toEqual([
      {
        kind: "EXTERNAL",
        deltas: [100, 0],
        reference: null,
        notes: "changed from outside, between two events",
      },
      own,
    ]);
  });

  test("is a change from outside between two events", () => {
    const [external, ...rest] = movementsOf(created(1, 29, 1, 5), [level()]);
    expect(external).toMatchObject({ kind: "EXTERNAL", deltas: [20, 0], reference: null });
    expect(external?.notes).toMatch(/from outside/);
    expect(rest).toEqual([own]);
  });

  test("is a change whose events never came, and its versions are named", () => {
    const [external, ...rest] = movementsOf(created(1, 4, 6, 10), [level()]);
    expect(external).toMatchObject({ kind: "EXTERNAL", deltas: [-5, 5] });
    expect(external?.notes).toBe("versions 5 to 9 never came");
    expect(rest).toEqual([own]);
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
  const sold = Object.values(HOLD_EVENTS).filter((status) => isSold(payloadOf({ status })));
  expect(sold).toEqual(["CONFIRMED"]);
});

/** A history as Redis makes it: every change of two stocks, some of them by hand. */
const history = fc
  .array(
    fc.record({
      sku: fc.constantFrom("a", "b"),
      type: fc.constantFrom(...(Object.keys(HOLD_EVENTS) as InventoryEvent["type"][])), // its own keys
      quantity: fc.integer({ min: 1, max: 5 }),
      byHand: fc.oneof(
        { weight: 4, arbitrary: fc.constant(0) },
        { arbitrary: fc.nat(50), weight: 1 },
      ),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map((steps) => {
    const stocks = new Map<string, { available: number; held: number; version: number }>();
    return steps.map(({ sku, type, quantity, byHand }, i) => {
      const stock = stocks.get(sku) ?? { available: 1_000, held: 500, version: 0 };
      const { available_delta, held_delta } = stockDeltas(type, quantity);
      stock.available += available_delta + byHand;
      stock.held += held_delta;
      stock.version += 1;
      stocks.set(sku, stock);
      return eventOf(i + 1, type, { sku, quantity, ...stock });
    });
  });

/** Records batch after batch, as the recorder does, and returns the ledger. */
function record(batches: InventoryEvent[][]) {
  const levels = new Map<string, StockLevel>();
  const sums = new Map<string, { available: number; held: number }>();
  const externals: number[] = [];
  let applied_seq = 0;
  for (const batch of batches) {
    const plan = planBatch(batch, levels, applied_seq);
    applied_seq = plan.applied_seq;
    for (const item of plan.levels) levels.set(stockOf(item), item);
    for (const move of plan.movements) {
      const sum = sums.get(stockOf(move)) ?? { available: 0, held: 0 };
      sum.available += move.available_delta;
      sum.held += move.held_delta;
      sums.set(stockOf(move), sum);
      if (move.kind === "EXTERNAL") externals.push(move.available_delta);
    }
  }
  return { levels, sums, externals, applied_seq };
}

function expectSumsToBeLevels({ levels, sums }: ReturnType<typeof record>) {
  for (const [stock, { available, held }] of levels) {
    expect([stock, sums.get(stock)]).toEqual([stock, { available, held }]);
  }
  expect(sums.size).toBe(levels.size);
}

test("movements add up to the level, however events are shuffled, doubled, dropped and cut", () => {
  fc.assert(
    fc.property(
      history.chain((events) =>
        fc.record({
          came: fc.array(fc.constantFrom(...events), { minLength: 1, maxLength: 60 }),
          size: fc.integer({ min: 1, max: 20 }),
        }),
      ),
      ({ came, size }) => {
        const batches = Array.from({ length: Math.ceil(came.length / size) }, (_, i) =>
          came.slice(i * size, (i + 1) * size),
        );
        const ledger = record(batches);
        expectSumsToBeLevels(ledger);
        // The newest version that came decides, whenever it came.
        for (const { payload } of came) {
          const [line] = payload.lines;
          const known = line && ledger.levels.get(stockOf(line));
          expect(known?.version).toBeGreaterThanOrEqual(line?.version ?? 0);
        }
        expect(ledger.applied_seq).toBe(Math.max(...came.map(({ seq }) => seq)));
      },
    ),
  );
});

test("a history recorded in order ends where Redis is, and only changes by hand are EXTERNAL", () => {
  fc.assert(
    fc.property(history, fc.integer({ min: 1, max: 20 }), (events, size) => {
      const batches = Array.from({ length: Math.ceil(events.length / size) }, (_, i) =>
        events.slice(i * size, (i + 1) * size),
      );
      const ledger = record(batches);
      expectSumsToBeLevels(ledger);
      const last = new Map(
        events.flatMap(({ payload }) => payload.lines.map((l) => [stockOf(l), l])),
      );
      for (const [stock, line] of last) {
        expect(ledger.levels.get(stock)).toMatchObject({
          available: line.available,
          held: line.held,
          version: line.version,
        });
      }
      const inOneGo = record([events]);
      expect(ledger.externals).toEqual(inOneGo.externals);
      expect([...ledger.levels]).toEqual([...inOneGo.levels]);
    }),
  );
});
