import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { fresh } from "../shop.ts";
import { type BackOffice, type Items, invalid, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
});
afterAll(() => office.close());

/** Asks for a write and expects that it is done. */
async function done(path: string, body?: unknown) {
  const answer = await office.post(path, body);
  if (answer.status !== 202) throw new Error(answer.text);
  return answer.body;
}

async function movementsOf(sku: string, query = ""): Promise<Items> {
  await office.record();
  const { status, text, body } = await office.get(`/v1/products/${sku}/movements${query}`);
  if (status !== 200) throw new Error(text);
  return body.items as Items; // what a list answers
}

describe("a movement says what caused it", () => {
  test("when units are reserved and then sold", async () => {
    const sku = await office.shop.stock(10);
    const reservation = { lines: [{ sku, qty: 3 }], customerId: "ann" };
    const { reservationId } = await done("/v1/reservations", reservation);
    const sale = await done(`/v1/reservations/${reservationId}:confirm`, { paymentRef: "pay" });
    const common = {
      ...{ sku, storeId: "main", reference: reservationId, reason: null, notes: null },
      ...{ actor: "ann", occurredAt: expect.stringMatching(/Z$/) },
    };
    const eventId = expect.stringMatching(/^[0-9a-f-]{36}$/);
    const movements = await movementsOf(sku);
    expect(movements).toEqual([
      {
        ...{ ...common, kind: "HOLD_CONFIRMED", eventId, occurredAt: sale.confirmedAt },
        ...{ availableDelta: 0, heldDelta: -3, onHandDelta: -3, version: 2 },
      },
      {
        ...{ ...common, kind: "HOLD_CREATED", eventId },
        ...{ availableDelta: -3, heldDelta: 3, onHandDelta: 0, version: 1 },
      },
      // What redis-cli has put there is noticed with the first event.
      {
        ...{ ...common, kind: "EXTERNAL", eventId: movements[1]?.eventId, reference: null },
        ...{ availableDelta: 10, heldDelta: 0, onHandDelta: 10, version: null },
        ...{ actor: "outside", notes: expect.stringMatching(/./) },
      },
    ]);
  });

  test("when a reservation is cancelled, for a reason", async () => {
    const sku = await office.shop.stock(10);
    const { reservationId } = await done("/v1/reservations", { lines: [{ sku, qty: 3 }] });
    await done(`/v1/reservations/${reservationId}:cancel`, { reason: "payment_failed" });
    expect((await movementsOf(sku))[0]).toMatchObject({
      ...{ kind: "HOLD_CANCELLED", reason: "payment_failed", reference: reservationId },
      ...{ availableDelta: 3, heldDelta: -3, onHandDelta: 0, actor: null },
    });
  });

  test("when stock is adjusted, in the words of who did it", async () => {
    const sku = fresh("sku");
    const said = { reason: "damage", reference: "PO-1", notes: "fell off a shelf" };
    await office.adjust(sku, "north", 10);
    await done("/v1/adjustments", { sku, storeId: "north", delta: -4, ...said });
    const [damage, receipt] = await movementsOf(sku);
    expect(damage).toMatchObject({
      ...{ kind: "STOCK_ADJUSTED", storeId: "north", actor: "api", version: 2, ...said },
      ...{ availableDelta: -4, heldDelta: 0, onHandDelta: -4 },
    });
    expect(receipt).toMatchObject({ onHandDelta: 10, reason: "receipt", reference: null });
  });

  test("when it is recounted, moved and sold at once", async () => {
    const sku = fresh("sku");
    await done("/v1/items:set-absolute", { sku, storeId: "north", onHand: 10, countRef: "C-1" });
    const lines = [{ sku, qty: 4 }];
    await done("/v1/transfers", { fromStore: "north", toStore: "south", lines });
    const policy = "highest-available";
    const sale = await done("/v1/purchase", { sku, qty: 1, customerId: "bob", policy });
    expect(sale.storeId).toBe("north");
    const movements = await movementsOf(sku);
    const [purchase, ...before] = movements;
    expect(purchase).toMatchObject({
      ...{ kind: "HOLD_PURCHASED", storeId: "north", actor: "bob", version: 3 },
      ...{ availableDelta: -1, heldDelta: 0, onHandDelta: -1 },
    });
    const transfers = before.slice(0, 2);
    expect(new Set(transfers.map(({ eventId }) => eventId)).size).toBe(1);
    expect(transfers).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: "STOCK_TRANSFERRED", storeId: "north", onHandDelta: -4 }),
        expect.objectContaining({ kind: "STOCK_TRANSFERRED", storeId: "south", onHandDelta: 4 }),
      ]),
    );
    expect(before[2]).toMatchObject({ kind: "STOCK_COUNTED", reference: "C-1", onHandDelta: 10 });
    expect(before).toHaveLength(3);
  });
});

describe("the list of movements", () => {
  let sku: string;
  beforeAll(async () => {
    sku = fresh("sku");
    for (let i = 1; i <= 5; i += 1) {
      for (const store of ["north", "south", "main"]) await office.adjust(sku, store, i);
    }
    await office.record();
  });

  test("is of one store when it is asked for", async () => {
    for (const store of ["north", "south", "main"]) {
      const movements = await movementsOf(sku, `?storeId=${store}`);
      expect(movements.map(({ storeId }) => storeId)).toEqual(Array(5).fill(store));
      expect(movements.map(({ onHandDelta }) => onHandDelta)).toEqual([5, 4, 3, 2, 1]);
      expect(movements.map(({ version }) => version)).toEqual([5, 4, 3, 2, 1]);
    }
    expect(await movementsOf(sku, "?storeId=west")).toEqual([]);
  });

  test("is paged to its end, newest first", async () => {
    const all = await movementsOf(sku);
    expect(all.map(({ onHandDelta }) => onHandDelta)).toEqual(
      [5, 4, 3, 2, 1].flatMap((n) => [n, n, n]),
    );
    for (const limit of [1, 2, 4, 14, 15, 16]) {
      const pages = await office.pages(`/v1/products/${sku}/movements`, limit);
      expect(pages.flat()).toEqual(all);
      expect(pages).toHaveLength(Math.ceil(15 / limit));
      const north = await office.pages(`/v1/products/${sku}/movements?storeId=north`, limit);
      expect(north.flat()).toEqual(all.filter(({ storeId }) => storeId === "north"));
    }
  });

  test("loses none of an event's movements where a page ends between them", async () => {
    const moved = await office.shop.stock(10); // so the first event has an EXTERNAL one too
    for (const [fromStore, toStore] of [
      ["main", "north"],
      ["north", "south"],
      ["south", "main"],
    ]) {
      await done("/v1/transfers", { fromStore, toStore, lines: [{ sku: moved, qty: 1 }] });
    }
    const all = await movementsOf(moved);
    expect(all).toHaveLength(7);
    for (const limit of [1, 2, 3, 4, 6]) {
      expect((await office.pages(`/v1/products/${moved}/movements`, limit)).flat()).toEqual(all);
    }
    const main = await office.pages(`/v1/products/${moved}/movements?storeId=main`, 1);
    expect(main.flat().map(({ onHandDelta }) => onHandDelta)).toEqual([1, -1, 10]);
  });

  test("goes on where it was, though there are newer ones", async () => {
    const other = fresh("sku");
    for (const delta of [1, 2, 3]) await office.adjust(other, "north", delta);
    await office.record();
    const path = `/v1/products/${other}/movements?limit=2`;
    const first = await office.get(path);
    await office.adjust(other, "north", 4);
    await office.record();
    const second = await office.get(`${path}&cursor=${first.body.nextCursor}`);
    const read = [first, second].flatMap(({ body }) => body.items as Items);
    expect(read.map(({ onHandDelta }) => onHandDelta)).toEqual([3, 2, 1]);
    expect(second.body.nextCursor).toBeNull();
  });

  test("of a sku nobody has heard of is empty", async () => {
    const { status, body } = await office.get("/v1/products/never/movements");
    expect([status, body]).toEqual([200, { items: [], nextCursor: null }]);
  });

  test("is a 304 until something moves, and says how far it is behind", async () => {
    const path = `/v1/products/${sku}/movements?limit=1`;
    const first = await office.get(path);
    expect(first.headers.get("x-projection-lag-ms")).toBe("0");
    const ask = () => office.get(path, { "if-none-match": String(first.headers.get("etag")) });
    expect((await ask()).status).toBe(304);
    await office.adjust(sku, "north", 9);
    const late = await ask();
    expect(late.status).toBe(304);
    expect(Number(late.headers.get("x-projection-lag-ms"))).toBeGreaterThan(0);
    await office.record();
    expect((await ask()).status).toBe(200);
  });

  const cursorOf = (text: string) => Buffer.from(text).toString("base64url");
  test.each([
    ["limit", "0"],
    ["limit", "201"],
    ["limit", "x"],
    ["storeId", ""],
    ["storeId", "a%40b"],
    ["cursor", "*"],
    ["cursor", cursorOf("1")],
    ["cursor", cursorOf("1.")],
    ["cursor", cursorOf("-1.1")],
    ["cursor", cursorOf("1.9999999999999999")],
    ["cursor", cursorOf("O-01890000-0000-7000-8000-000000000000")],
    ["sku", "tea"],
    ["offset", "1"],
  ])("refuses %s=%s", (name, value) =>
    office.expectRefused(
      () => office.get(`/v1/products/tea/movements?${name}=${value}`),
      invalid(`?${name}`),
    ),
  );

  test("serves the smallest and the largest page", async () => {
    for (const limit of [1, 200]) {
      expect((await office.get(`/v1/products/${sku}/movements?limit=${limit}`)).status).toBe(200);
    }
  });
});
