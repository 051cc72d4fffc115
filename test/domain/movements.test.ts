import { describe, expect, test } from "@jest/globals";
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
import { holdDeltas } from "../../src/domain/line-changes.ts";
import { eventOf, levelOf as level, payloadOf, stockEventOf } from "./events.ts";

const levelsOf = (...list: StockLevel[]) => new Map(list.map((item) => [stockOf(item), item]));

describe("who did it, and why", () => {
  const onlyMovement = (event: RecordedEvent, before: Partial<StockLevel> = {}) => {
    const { movements } = planBatch([event], levelsOf(level(before)), 0);
    expect(movements).toHaveLength(1);
    return movements[0];
  };
  const hold = (type: HoldEventType, user_id: string, reason?: string) =>
    eventOf(
      1,
      type,
      { available: 10, held: 3, version: 5 },
      { status: HOLD_EVENTS[type], user_id, reason },
    );
  const levelBefore = (type: HoldEventType) => {
    const { available_delta, held_delta } = holdDeltas(type, 1);
    return { available: 10 - available_delta, held: 3 - held_delta };
  };

  test.each(MOVING_EVENTS.filter((type) => type in HOLD_EVENTS) as HoldEventType[])(
    "%s: its user, or nobody, unless time did it",
    (type) => {
      const expires = type === "HOLD_EXPIRED";
      expect(onlyMovement(hold(type, "ann", "late"), levelBefore(type))).toMatchObject({
        ...{ kind: type, version: 5, ...holdDeltas(type, 1) },
        ...{ reference: payloadOf().hold_id, reason: "late", notes: null },
        actor: expires ? "worker" : "ann",
      });
      const unnamed = onlyMovement(hold(type, ""), levelBefore(type));
      expect(unnamed).toMatchObject({ reason: null, actor: expires ? "worker" : null });
    },
  );

  test.each(STOCK_EVENTS)("%s: as it says itself", (type) => {
    const stock = { available_delta: -3, available: 7, held: 0, version: 5 };
    const words = { actor: "eve", reason: "damage", reference: "R-1", notes: "two broke" };
    expect(onlyMovement(stockEventOf(1, type, stock, words))).toEqual({
      ...{ recorded_id: 2, occurred_at: 1_001, sku: "phone", store_id: "main", kind: type },
      ...{ available_delta: -3, held_delta: 0, version: 5, ...words },
      event_id: "0192b3a4-0000-7000-8000-000000000001",
    });
    expect(onlyMovement(stockEventOf(1, type, stock))).toMatchObject({
      ...{ actor: "api", reason: null, reference: null, notes: null },
    });
  });
});

describe("a change of stock", () => {
  const adjusted = stockEventOf(8, "STOCK_ADJUSTED", {
    ...{ available_delta: 5, available: 15, held: 0, version: 5 },
  });
  const counted = stockEventOf(
    9,
    "STOCK_COUNTED",
    { available_delta: -15, available: 0, held: 2, version: 7 },
    { on_hand: 1 },
  );

  test("has no hold, and moves its level like any other event", () => {
    const plan = planBatch([adjusted], levelsOf(level()), 7);
    expect(plan.holds).toEqual([]);
    expect(plan.levels).toEqual([level({ available: 15, version: 5, updated_at: 1_008 })]);
    expect(plan.gaps).toEqual([]);
  });

  test("that only counted fewer than are held takes what was available, and no more", () => {
    const plan = planBatch([counted], levelsOf(level({ available: 15, held: 2, version: 6 })), 8);
    expect(plan.levels).toEqual([level({ available: 0, held: 2, version: 7, updated_at: 1_009 })]);
    expect(plan.movements).toEqual([expect.objectContaining({ available_delta: -15 })]);
  });

  test("may be what a new product was promised when it is an adjustment", () => {
    const events = [
      eventOf(7, "HOLD_CREATED", { available: 9, held: 1, version: 4 }),
      adjusted,
      counted,
    ];
    expect(planBatch(events, new Map(), 6).adjustments).toEqual([adjusted.event_id]);
  });

  test("that goes from a store to another has a movement in each", () => {
    const lines = [
      { sku: "a", store_id: "main", available_delta: -2, available: 8, held: 1, version: 5 },
      { sku: "b", store_id: "main", available_delta: -1, available: 0, held: 0, version: 2 },
      { sku: "a", store_id: "north", available_delta: 2, available: 2, held: 0, version: 1 },
      { sku: "b", store_id: "north", available_delta: 1, available: 5, held: 3, version: 9 },
    ];
    const moved = stockEventOf(
      1,
      "STOCK_TRANSFERRED",
      { available_delta: 0, available: 0, held: 0, version: 1 },
      { lines },
    );
    const known = lines.map(({ sku, store_id, available_delta, available, held, version }) =>
      level({ sku, store_id, available: available - available_delta, held, version: version - 1 }),
    );
    const plan = planBatch([moved], levelsOf(...known), 0);
    expect(
      plan.movements.map(({ available_delta, ...move }) => [stockOf(move), available_delta]),
    ).toEqual(lines.map((line) => [stockOf(line), line.available_delta]));
    expect(plan.movements.every((move) => move.kind === "STOCK_TRANSFERRED")).toBe(true);
    expect(plan.levels).toEqual(
      lines.map(({ available_delta: _, ...line }) => ({ ...line, updated_at: 1_001 })),
    );
    expect(plan.stores).toEqual(["main", "north"]);
  });
});
