import { expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  planBatch,
  type RecordedEvent,
  type StockLevel,
  stockOf,
} from "../../src/domain/batch-plan.ts";
import {
  HOLD_EVENTS,
  type HoldEventType,
  MOVING_EVENTS,
  STOCK_EVENTS,
} from "../../src/domain/event.ts";
import { changesOf, holdDeltas } from "../../src/domain/line-changes.ts";
import { eventOf, stockEventOf } from "./events.ts";

const holdTypes = MOVING_EVENTS.filter((type) => type in HOLD_EVENTS) as HoldEventType[];

/** A history as Redis makes it: every change of two stocks, some of them by hand. */
const history = fc
  .array(
    fc.record({
      sku: fc.constantFrom("a", "b"),
      type: fc.constantFrom(...holdTypes, ...STOCK_EVENTS),
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
    return steps.map(({ sku, type, quantity, byHand }, i): RecordedEvent => {
      const stock = stocks.get(sku) ?? { available: 1_000, held: 500, version: 0 };
      const isHold = type in HOLD_EVENTS;
      const own = isHold
        ? holdDeltas(type as HoldEventType, quantity) // it is one of its keys
        : { available_delta: 3 - quantity, held_delta: 0 };
      stock.available += own.available_delta + byHand;
      stock.held += own.held_delta;
      stock.version += 1;
      stocks.set(sku, stock);
      const after = { sku, quantity, ...stock };
      return isHold
        ? eventOf(i + 1, type as HoldEventType, after) // likewise
        : stockEventOf(i + 1, type as (typeof STOCK_EVENTS)[number], { ...after, ...own }); // the rest
    });
  });

/** Records batch after batch, as the recorder does, and returns the ledger. */
function record(batches: RecordedEvent[][]) {
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
        for (const event of came) {
          const [line] = changesOf(event);
          const known = line && ledger.levels.get(stockOf(line));
          expect(known?.version ?? 0).toBeGreaterThanOrEqual(line?.version ?? 0);
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
        events.flatMap((event) => changesOf(event).map((line) => [stockOf(line), line])),
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
