import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newEventId } from "../../src/domain/ids.ts";
import { query } from "../worker/query.ts";
import { openHistory, readToEnd } from "./history-side.ts";
import { holdEvent, NOON, recording, stockEvent } from "./recorded.ts";

const ledger = await openHistory();
const add = (...stocks: [sku: string, store_id: string][]) => ledger.addEvent(newEventId(), stocks);

beforeEach(() => ledger.empty());

afterAll(() => ledger.close());

type Place = { recorded_id: number; movement_id: number };

describe("listMovements", () => {
  test("is empty for a sku that never moved", async () => {
    await add(["cup", "main"]);
    for (const store_id of [undefined, "main"]) {
      expect(await ledger.listMovements({ sku: "tea", store_id, limit: 10 })).toEqual({
        ...{ items: [], next: null },
      });
    }
    expect((await ledger.listMovements({ sku: "cup", store_id: "x", limit: 10 })).items).toEqual(
      [],
    );
  });

  // As the recorder writes them: also what nobody said (EXTERNAL), and units that changed their store.
  test("tells all that was recorded of each, newest first", async () => {
    const line = { sku: "tea", store_id: "main" };
    const seeded = holdEvent(1, "HOLD_CREATED", {
      lines: [{ ...line, quantity: 2, available: 8, held: 2, version: 1 }],
    });
    const { hold_id } = seeded.payload;
    const cancelled = holdEvent(2, "HOLD_CANCELLED", {
      ...{ hold_id, version: 2, ended_at: NOON + 5, occurred_at: NOON + 5, reason: "timeout" },
      lines: [{ ...line, quantity: 2, available: 10, held: 0, version: 2 }],
    });
    const moved = stockEvent(3, "STOCK_TRANSFERRED", {
      ...{
        from_store: "main",
        to_store: "north",
        reference: "ref",
        notes: "note",
        reason: "manual",
      },
      lines: [
        { ...line, available_delta: -4, available: 6, held: 0, version: 3 },
        { sku: "tea", store_id: "north", available_delta: 4, available: 4, held: 0, version: 1 },
      ],
    });
    await recording(ledger.url, async (to) => {
      for (const [i, event] of [seeded, cancelled, moved].entries()) {
        await to.apply([event], `${i + 1}-0`);
      }
    });

    const { items, next } = await ledger.listMovements({ sku: "tea", limit: 10 });

    expect(next).toBeNull();
    const ids = { movement_id: expect.any(Number), recorded_id: expect.any(Number) };
    const of = (event: { event_id: string }, store_id = "main") => ({
      ...{ ...ids, sku: "tea", store_id, event_id: event.event_id },
    });
    const none = { reference: null, notes: null, reason: null, actor: null };
    const told = { reference: "ref", notes: "note", reason: "manual", actor: "api" };
    const kind = "STOCK_TRANSFERRED";
    const both = expect.arrayContaining([
      {
        ...{ ...of(moved, "north"), ...told, kind, available_delta: 4, held_delta: 0, version: 1 },
        occurred_at: NOON,
      },
      {
        ...{ ...of(moved), ...told, kind, available_delta: -4, held_delta: 0, version: 3 },
        occurred_at: NOON,
      },
    ]);
    expect(items).toHaveLength(5);
    expect(items.slice(0, 2)).toEqual(both);
    expect(items.slice(2)).toEqual([
      {
        ...{ ...of(cancelled), ...none, kind: "HOLD_CANCELLED", version: 2, occurred_at: NOON + 5 },
        ...{
          available_delta: 2,
          held_delta: -2,
          actor: "ann",
          reason: "timeout",
          reference: hold_id,
        },
      },
      {
        ...{ ...of(seeded), ...none, kind: "HOLD_CREATED", version: 1, occurred_at: NOON },
        ...{ available_delta: -2, held_delta: 2, actor: "ann", reference: hold_id },
      },
      {
        ...{ ...of(seeded), kind: "EXTERNAL", available_delta: 10, held_delta: 0, version: null },
        ...{ occurred_at: NOON, reason: null, actor: "outside" },
        ...{ reference: items[4]?.reference, notes: expect.any(String) },
      },
    ]);
    const sum = items.reduce((units, { available_delta }) => units + available_delta, 0);
    expect(sum).toBe(6 + 4);
  });

  test("is of one store or of all", async () => {
    const first = await add(["tea", "main"], ["tea", "north"], ["cup", "main"]);
    const second = await add(["tea", "north"]);
    await add(["cup", "north"]);
    const last = await add(["tea", "main"]);
    const listed = async (store_id?: string) =>
      (await ledger.listMovements({ sku: "tea", store_id, limit: 10 })).items.map(
        ({ recorded_id, store_id }) => [recorded_id, store_id],
      );
    const [newest, north, main] = [
      [last, "main"],
      [second, "north"],
      [first, "main"],
    ];
    expect(await listed()).toEqual([newest, north, [first, "north"], main]);
    expect(await listed("main")).toEqual([newest, main]);
    expect(await listed("north")).toEqual([north, [first, "north"]]);
  });

  test("is in the order of recording, whatever the events' times and months", async () => {
    await query(ledger.url, "select make_movement_partitions('2026-05-01', 2)");
    const june = Date.UTC(2026, 5, 15);
    const times = [june, NOON, 0, june + 1, NOON - 1];
    for (const occurred_at of times) {
      await ledger.addEvent(newEventId(), [["tea", "main"]], { occurred_at });
    }
    for (const store_id of [undefined, "main"]) {
      const all = await readToEnd((before?: Place) =>
        ledger.listMovements({ sku: "tea", store_id, limit: 2, before }),
      );
      expect(all.map(({ occurred_at }) => occurred_at)).toEqual(times.toReversed());
    }
  });

  test("of four, with limits around it, tells where to go on", async () => {
    const added: number[] = [];
    for (let i = 0; i < 4; i += 1) added.unshift(await add(["tea", "main"]));
    for (const store_id of [undefined, "main"]) {
      const page = async (limit: number, before?: Place) => {
        const { items, next } = await ledger.listMovements({ sku: "tea", store_id, limit, before });
        return { ids: items.map(({ recorded_id }) => recorded_id), next };
      };
      const first = await page(3);
      expect(first).toEqual({
        ids: added.slice(0, 3),
        next: { recorded_id: added[2], movement_id: expect.any(Number) },
      });
      expect(await page(3, first.next ?? undefined)).toEqual({ ids: added.slice(3), next: null });
      expect(await page(4)).toEqual({ ids: added, next: null });
      expect(await page(5)).toEqual({ ids: added, next: null });
    }
  });

  // Of one event there are several, which a page may part.
  const lists = [undefined, "main"].flatMap((store_id) =>
    [1, 2, 3, 5].map((limit) => ({ store_id, limit })),
  );
  test.each(lists)("of %j has no gap and nothing twice while more are recorded", async (list) => {
    const addSome = () => add(["tea", "main"], ["tea", "north"], ["tea", "main"]);
    for (let i = 0; i < 6; i += 1) await addSome();
    const whole = await ledger.listMovements({ ...list, sku: "tea", limit: 100 });
    expect(whole.items).toHaveLength(list.store_id === undefined ? 18 : 12);
    const all = await readToEnd(
      (before?: Place) => ledger.listMovements({ ...list, sku: "tea", before }),
      addSome,
    );
    expect(all).toEqual(whole.items);
  });
});

describe("readLevels", () => {
  const level = (store_id: string, available: number, more: object = {}) => ({
    ...{ store_id, available, held: 0, version: 1, changed_at: NOON },
    ...more,
  });

  test("tells what each store has of each sku that was asked for", async () => {
    await query(
      ledger.url,
      `insert into stock_levels (sku, store_id, available, held, version, updated_at)
       select sku, store_id, available, held, version, to_timestamp(${NOON}::float8 / 1000)
       from (values ('tea', 'north', 999999999999, 0, 1), ('tea', 'main', 3, 2, 7), ('cup', 'main', 0, 0, 1),
         ('pot', 'main', 1, 0, 1)) as level (sku, store_id, available, held, version)`,
    );
    expect(await ledger.readLevels(["tea", "cup", "none"])).toEqual(
      new Map([
        ["tea", [level("main", 3, { held: 2, version: 7 }), level("north", 999_999_999_999)]],
        ["cup", [level("main", 0)]],
        ["none", []],
      ]),
    );
    expect(await ledger.readLevels(["tea", "cup"], "north")).toEqual(
      new Map([
        ["tea", [level("north", 999_999_999_999)]],
        ["cup", []],
      ]),
    );
    expect(await ledger.readLevels(["tea", "tea"], "none")).toEqual(new Map([["tea", []]]));
    expect(await ledger.readLevels([])).toEqual(new Map());
  });

  test("has what was recorded", async () => {
    await recording(ledger.url, (to) =>
      to.apply([stockEvent(1, "STOCK_ADJUSTED", { occurred_at: NOON + 9 })], "1-0"),
    );
    expect(await ledger.readLevels(["tea"])).toEqual(
      new Map([["tea", [level("main", 5, { changed_at: NOON + 9 })]]]),
    );
  });
});
