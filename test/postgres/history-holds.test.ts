import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Hold } from "../../src/domain/hold.ts";
import { lineOf, openHistory, readToEnd } from "./history-side.ts";
import { holdEvent, NOON, recording } from "./recorded.ts";

const ledger = await openHistory();
const { addHold } = ledger;

beforeEach(() => ledger.empty());

afterAll(() => ledger.close());

const idsOf = (holds: { hold_id: string }[]) => holds.map(({ hold_id }) => hold_id);
const idAt = (i: number) => `H-${String(i).padStart(3, "0")}`;

describe("listHolds", () => {
  type Filter = Pick<Parameters<typeof ledger.listHolds>[0], "user_id" | "sku" | "status">;
  const listed = async (filter: Filter = {}, limit = 100) =>
    idsOf((await ledger.listHolds({ ...filter, limit })).items);

  test("is empty when there is none", async () => {
    expect(await ledger.listHolds({ limit: 10 })).toEqual({ items: [], next: null });
  });

  test("has whole holds, newest first", async () => {
    const sold = await addHold("H-1", {
      ...{ status: "CONFIRMED", payment_ref: "pay", version: 2, expires_at: NOON + 9 },
    });
    const active = await addHold("H-3", { user_id: "", lines: [lineOf("cup"), lineOf("tea")] });
    const expired = await addHold("H-2", { status: "EXPIRED", version: 2 });
    expect((await ledger.listHolds({ limit: 10 })).items).toEqual([active, expired, sold]);
  });

  test("has the lines of each by sku and store", async () => {
    const lines = [lineOf("tea", "north", 3), lineOf("tea", "east"), lineOf("cup", "west", 2)];
    await addHold("H-1", { lines });
    const [hold] = (await ledger.listHolds({ limit: 10 })).items;
    expect(hold?.lines).toEqual([lines[2], lines[1], lines[0]]);
  });

  // Which of these a hold is, is told by its number: all 24 combinations are there, twice.
  const users = ["ann", "bob"];
  const skus = ["tea", "cup", "pot"];
  const statuses = ["ACTIVE", "CONFIRMED", "CANCELLED", "EXPIRED"] as const;
  const nth = <T>(values: readonly T[], i: number) => values[i % values.length] as T; // never empty
  const holdAt = (i: number) => ({
    user_id: nth(users, i),
    sku: nth(skus, Math.floor(i / 2)),
    status: nth(statuses, Math.floor(i / 6)),
  });
  const numbers = Array.from({ length: 48 }, (_, i) => i);
  const addAll = async () => {
    for (const i of numbers) {
      const { user_id, sku, status } = holdAt(i);
      // In two stores, and beside something that all of them have.
      const lines = [lineOf(sku), lineOf(sku, "north"), lineOf("bag")];
      await addHold(idAt(i), { user_id, status, lines });
    }
  };
  const fitting = (filter: Filter) =>
    numbers
      .filter((i) =>
        (["user_id", "status"] as const).every(
          (name) => filter[name] === undefined || filter[name] === holdAt(i)[name],
        ),
      )
      .filter((i) => [undefined, "bag", holdAt(i).sku].includes(filter.sku))
      .map(idAt)
      .reverse();

  const filters = [undefined, ...users, "eve", ""].flatMap((user_id) =>
    [undefined, ...skus, "bag", "none"].flatMap((sku) =>
      [undefined, ...statuses].map((status): Filter => ({ user_id, sku, status })),
    ),
  );

  test("has what fits all of its filters, each hold once, on pages of any size", async () => {
    await addAll();
    for (const filter of filters) {
      const wanted = fitting(filter);
      for (const limit of [1, 3, 7]) {
        const all = await readToEnd<Hold, string>((before) =>
          ledger.listHolds({ ...filter, limit, before }),
        );
        expect({ filter, limit, ids: idsOf(all) }).toEqual({ filter, limit, ids: wanted });
      }
    }
    expect(fitting({ user_id: "bob", sku: "cup", status: "EXPIRED" })).toHaveLength(2);
  });

  test("of four, with limits around it, tells where to go on", async () => {
    for (const id of ["H-1", "H-2", "H-3", "H-4"]) await addHold(id);
    const page = async (limit: number, before?: string) => {
      const { items, next } = await ledger.listHolds({ limit, before });
      return [idsOf(items), next];
    };
    expect(await page(3)).toEqual([["H-4", "H-3", "H-2"], "H-2"]);
    expect(await page(4)).toEqual([["H-4", "H-3", "H-2", "H-1"], null]);
    expect(await page(5)).toEqual([["H-4", "H-3", "H-2", "H-1"], null]);
    expect(await page(3, "H-2")).toEqual([["H-1"], null]);
    expect(await page(3, "H-1")).toEqual([[], null]);
  });

  test.each<Filter>([
    {},
    { user_id: "ann" },
    { sku: "tea" },
    { status: "ACTIVE" },
    { sku: "tea", status: "ACTIVE" },
    { user_id: "ann", sku: "tea" },
    { user_id: "ann", sku: "tea", status: "ACTIVE" },
  ])("of %j has no gap and nothing twice while holds are made", async (filter) => {
    for (let i = 0; i < 20; i += 1) await addHold(idAt(i));
    let made = 20;
    const all = await readToEnd<Hold, string>(
      (before) => ledger.listHolds({ ...filter, limit: 3, before }),
      () => addHold(idAt(made++)),
    );
    expect(idsOf(all)).toEqual(Array.from({ length: 20 }, (_, i) => idAt(19 - i)));
    expect(made).toBeGreaterThan(25);
    expect((await listed(filter)).length).toBe(made);
  });

  test("does not mind any text in a filter or a place", async () => {
    await addHold("H-1", { user_id: "it's; --" });
    expect(await listed({ user_id: "it's; --" })).toEqual(["H-1"]);
    expect(await listed({ user_id: "' or true; --", sku: "' or true; --" })).toEqual([]);
    expect((await ledger.listHolds({ limit: 1, before: "' or true; --" })).items).toEqual([]);
  });

  test("finds whom nobody named", async () => {
    await addHold("H-1", { user_id: "" });
    await addHold("H-2");
    expect(await listed({ user_id: "" })).toEqual(["H-1"]);
  });
});

describe("orders", () => {
  const addSold = (i: number, more: Partial<Hold> = {}) =>
    addHold(idAt(i), { status: "CONFIRMED", version: 2, ...more });
  const ordersOf = (orders: { order_id: string }[]) => orders.map(({ order_id }) => order_id);

  test("are listed whole, newest first, and read one by one", async () => {
    await addSold(1, { payment_ref: "pay", lines: [lineOf("tea", "north", 2), lineOf("cup")] });
    await addSold(2, { user_id: "", ended_at: NOON + 5 });
    await addHold(idAt(3));
    const orders = [
      {
        ...{ order_id: "O-002", hold_id: "H-002", user_id: "", payment_ref: null },
        ...{ lines: [lineOf("tea")], returns: [], late: false, confirmed_at: NOON + 5 },
      },
      {
        ...{ order_id: "O-001", hold_id: "H-001", user_id: "ann", payment_ref: "pay" },
        ...{
          lines: [lineOf("cup"), lineOf("tea", "north", 2)],
          returns: [],
          late: false,
          confirmed_at: NOON + 2,
        },
      },
    ];
    expect(await ledger.listOrders({ limit: 10 })).toEqual({ items: orders, next: null });
    expect(await ledger.readOrder("O-002")).toEqual(orders[0]);
    expect(await ledger.readOrder("O-001")).toEqual(orders[1]);
    expect(await ledger.readOrder("O-003")).toBeNull();
    expect(await ledger.readOrder("H-001")).toBeNull();
  });

  test("of four, with limits around it, tell where to go on", async () => {
    for (const i of [1, 2, 3, 4]) await addSold(i);
    const page = async (limit: number, before?: string) => {
      const { items, next } = await ledger.listOrders({ limit, before });
      return [ordersOf(items), next];
    };
    expect(await page(3)).toEqual([["O-004", "O-003", "O-002"], "O-002"]);
    expect(await page(4)).toEqual([["O-004", "O-003", "O-002", "O-001"], null]);
    expect(await page(5)).toEqual([["O-004", "O-003", "O-002", "O-001"], null]);
    expect(await page(3, "O-002")).toEqual([["O-001"], null]);
  });

  test.each([undefined, "ann"])(
    "of user %p have no gap and nothing twice while more are made",
    async (user_id) => {
      for (let i = 0; i < 10; i += 1) await addSold(i);
      let made = 10;
      const all = await readToEnd(
        (before?: string) => ledger.listOrders({ user_id, limit: 3, before }),
        () => addSold(made++),
      );
      expect(ordersOf(all)).toEqual(Array.from({ length: 10 }, (_, i) => `O-00${9 - i}`));
      expect(made).toBeGreaterThan(12);
    },
  );

  test("are found by who bought them", async () => {
    const users = ["ann", "bob", "", "ann", "bob", "ann"];
    for (const [i, user_id] of users.entries()) await addSold(i, { user_id });
    for (const user_id of ["ann", "bob", "", "eve"]) {
      const all = await readToEnd((before?: string) =>
        ledger.listOrders({ user_id, limit: 2, before }),
      );
      const wanted = users.flatMap((user, i) => (user === user_id ? [`O-00${i}`] : []));
      expect(ordersOf(all)).toEqual(wanted.reverse());
    }
  });
});

test("what was recorded is what is listed", async () => {
  const created = holdEvent(1, "HOLD_CREATED");
  const { payload } = created;
  const { hold_id } = payload;
  const ending = { hold_id, version: 2, ended_at: NOON + 7, order_id: "O-1" };
  const confirmed = holdEvent(2, "HOLD_CONFIRMED", { ...ending, payment_ref: "pay" });
  await recording(ledger.url, async (to) => {
    await to.apply([created], "1-0");
    await to.apply([confirmed], "2-0");
  });
  const lines = [lineOf("cup", "shop-1"), lineOf("tea", "main", 2)];
  expect((await ledger.listHolds({ sku: "cup", user_id: "ann", limit: 10 })).items).toEqual([
    {
      ...{ hold_id, status: "CONFIRMED", user_id: "ann", lines, version: 2, payment_ref: "pay" },
      ...{ created_at: NOON, expires_at: NOON + 1, ended_at: NOON + 7, order_id: "O-1" },
    },
  ]);
  expect((await ledger.listOrders({ limit: 10 })).items).toEqual([
    {
      ...{ order_id: "O-1", hold_id, user_id: "ann", payment_ref: "pay", lines },
      ...{ returns: [], late: false, confirmed_at: NOON + 7 },
    },
  ]);
});
