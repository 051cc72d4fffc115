import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newEventId } from "../../src/domain/ids.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import type { EventsSince } from "../../src/postgres/history-events.ts";
import { query } from "../worker/query.ts";
import { openHistory, readToEnd } from "./history-side.ts";
import { holdEvent, NOON, recording, stockEvent } from "./recorded.ts";

const ledger = await openHistory();

beforeEach(() => ledger.empty());

afterAll(() => ledger.close());

type Stock = [sku: string, store_id: string];
const ids = Array.from({ length: 50 }, newEventId).reverse(); // not in the order of recording
const idAt = (i: number) => ids[i] ?? "";
const add = (i: number, stocks: Stock[] = [["tea", "main"]], more = {}) =>
  ledger.addEvent(idAt(i), stocks, more);
const numbersOf = (events: { event_id: string }[]) =>
  events.map(({ event_id }) => ids.indexOf(event_id));
const FILTERS = [
  {},
  { sku: "tea" },
  { store_id: "main" },
  { sku: "tea", store_id: "main" },
] as const;

describe("listEvents", () => {
  const listed = async (
    filter: { sku?: string; store_id?: string } = {},
    since?: EventsSince,
    limit = 100,
  ) => numbersOf((await ledger.listEvents({ ...filter, since, limit })).items);

  test("is empty when nothing was recorded", async () => {
    for (const filter of FILTERS) {
      expect(await ledger.listEvents({ ...filter, limit: 10 })).toEqual({ items: [], next: null });
      expect(await listed(filter, { at_ms: NOON })).toEqual([]);
    }
  });

  test("has what was recorded, whole, in the order of recording", async () => {
    const events = [
      holdEvent(1, "HOLD_PURCHASED", { order_id: "O-1", ended_at: NOON, occurred_at: NOON + 9 }),
      stockEvent(2, "STOCK_ADJUSTED", { reason: "count", notes: `"a" \\ 🦆` }),
      stockEvent(3, "STOCK_COUNTED", { on_hand: 5 }),
    ];
    await recording(ledger.url, async (to) => {
      await to.apply(events.slice(0, 2), "2-0");
      await to.apply(events.slice(2), "3-0");
    });
    const { items, next } = await ledger.listEvents({ limit: 10 });
    expect(items).toEqual(
      events.map(({ event_id, type, payload }) => ({
        ...{ event_id, type, payload, occurred_at: payload.occurred_at },
        recorded_id: expect.any(Number),
      })),
    );
    expect(next).toBeNull();
    for (const filter of FILTERS) {
      expect((await ledger.listEvents({ ...filter, limit: 10 })).items).toEqual(items);
    }
    expect((await ledger.listEvents({ sku: "cup", limit: 10 })).items).toEqual(items.slice(0, 1));
  });

  test("is of a sku, a store, or both, and has each event once", async () => {
    await add(0, [
      ["tea", "main"],
      ["tea", "main"],
      ["tea", "north"],
      ["cup", "main"],
    ]);
    await add(1, [["cup", "north"]]);
    await add(2, [["tea", "north"]]);
    await add(3, [["cup", "main"]]);
    await add(4, [
      ["tea", "main"],
      ["cup", "north"],
    ]);
    expect(await listed()).toEqual([0, 1, 2, 3, 4]);
    expect(await listed({ sku: "tea" })).toEqual([0, 2, 4]);
    expect(await listed({ store_id: "main" })).toEqual([0, 3, 4]);
    expect(await listed({ sku: "tea", store_id: "main" })).toEqual([0, 4]);
    expect(await listed({ sku: "cup", store_id: "north" })).toEqual([1, 4]);
    expect(await listed({ sku: "none" })).toEqual([]);
    expect(await listed({ store_id: "none" })).toEqual([]);
    expect(await listed({ sku: "tea", store_id: "none" })).toEqual([]);
  });

  test.each(FILTERS)(
    "of %j goes on behind an event, also one that does not fit",
    async (filter) => {
      for (const i of [0, 1, 2]) await add(i);
      await add(3, [["cup", "north"]]);
      await add(4);
      const behind = (i: number) => listed(filter, { event_id: idAt(i) });
      const all = await listed(filter);
      expect(all).toEqual("sku" in filter || "store_id" in filter ? [0, 1, 2, 4] : [0, 1, 2, 3, 4]);
      for (const i of [0, 1, 2, 3, 4]) expect(await behind(i)).toEqual(all.filter((n) => n > i));
    },
  );

  test.each(FILTERS)("of %j refuses to go on behind an event that is not there", async (filter) => {
    await add(0);
    const event_id = newEventId();
    const refused = ledger.listEvents({ ...filter, since: { event_id }, limit: 10 });
    await expect(refused).rejects.toBeInstanceOf(Rejection);
    await expect(refused).rejects.toMatchObject({ code: "NOT_FOUND", members: { event_id } });
  });

  test("takes an event's id in capitals too", async () => {
    await add(0);
    await add(1);
    expect(await listed({}, { event_id: idAt(0).toUpperCase() })).toEqual([1]);
  });

  test.each(FILTERS)("of %j begins at a time, to the millisecond", async (filter) => {
    for (const i of [0, 1, 2]) {
      await add(i, [["tea", "main"]], { recorded_at: NOON + 10 * i, occurred_at: NOON - 10 * i });
    }
    expect(await listed(filter, { at_ms: 0 })).toEqual([0, 1, 2]);
    expect(await listed(filter, { at_ms: NOON + 9 })).toEqual([1, 2]);
    expect(await listed(filter, { at_ms: NOON + 10 })).toEqual([1, 2]);
    expect(await listed(filter, { at_ms: NOON + 11 })).toEqual([2]);
    expect(await listed(filter, { at_ms: NOON + 20 })).toEqual([2]);
    expect(await listed(filter, { at_ms: NOON + 21 })).toEqual([]);
  });

  test.each(FILTERS)("of %j skips what was recorded without a payload", async (filter) => {
    const none = { payload: null };
    for (const i of [0, 1, 3, 4, 6]) await add(i, [["tea", "main"]], none);
    for (const i of [2, 5, 7]) await add(i);
    expect(await listed(filter)).toEqual([2, 5, 7]);
    expect(await listed(filter, { event_id: idAt(0) }, 1)).toEqual([2]);
    const all = await readToEnd((event_id?: string) =>
      ledger.listEvents({ ...filter, since: event_id ? { event_id } : undefined, limit: 1 }),
    );
    expect(numbersOf(all)).toEqual([2, 5, 7]);
  });

  test.each(FILTERS)("of %j is without events that are no longer kept", async (filter) => {
    for (const i of [0, 1, 2, 3]) await add(i);
    await query(ledger.url, "delete from processed_events where event_id = any($1)", [
      [idAt(0), idAt(2)],
    ]);
    expect(await listed(filter)).toEqual([1, 3]);
    await expect(listed(filter, { event_id: idAt(0) })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await query(ledger.url, "delete from processed_events");
    expect(await listed(filter)).toEqual([]);
  });

  test.each(FILTERS)("of four %j, with limits around it, tells where to go on", async (filter) => {
    for (const i of [0, 1, 2, 3]) await add(i);
    const page = async (limit: number, since?: EventsSince) => {
      const { items, next } = await ledger.listEvents({ ...filter, limit, since });
      return [numbersOf(items), next === null ? null : ids.indexOf(next)];
    };
    expect(await page(3)).toEqual([[0, 1, 2], 2]);
    expect(await page(4)).toEqual([[0, 1, 2, 3], null]);
    expect(await page(5)).toEqual([[0, 1, 2, 3], null]);
    expect(await page(3, { event_id: idAt(2) })).toEqual([[3], null]);
    expect(await page(3, { event_id: idAt(3) })).toEqual([[], null]);
  });

  test.each(FILTERS)(
    "of %j has no gap and nothing twice while more are recorded",
    async (filter) => {
      for (let i = 0; i < 10; i += 1)
        await add(i, [
          ["tea", i % 2 ? "main" : "north"],
          ["tea", "main"],
        ]);
      let made = 10;
      const all = await readToEnd(
        (event_id?: string) =>
          ledger.listEvents({ ...filter, since: event_id ? { event_id } : undefined, limit: 3 }),
        async () => {
          if (made < 20) await add(made++);
        },
      );
      expect(numbersOf(all)).toEqual(Array.from({ length: made }, (_, i) => i));
      expect(made).toBeGreaterThan(12);
    },
  );

  test("of a sku in many stores has a page of all of them together", async () => {
    for (let i = 0; i < 20; i += 1) await add(i, [["tea", `store-${(i * 7) % 5}`]]);
    const all = await readToEnd((event_id?: string) =>
      ledger.listEvents({ sku: "tea", since: event_id ? { event_id } : undefined, limit: 3 }),
    );
    expect(numbersOf(all)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});
