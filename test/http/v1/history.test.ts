import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, type Items, openBackOffice } from "./back-office.ts";

const STORES = ["main", "north", "south"];

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
  for (const storeId of STORES) await office.post("/v1/stores", { storeId, name: storeId });
});
afterAll(() => office.close());

const redis = () => office.shop.api.redis;
const stockKey = (sku: string, store: string) =>
  store === "main" ? `stock:${sku}` : `stock:${sku}@${store}`;

/** Asks for a write and expects that it is done. */
async function done(path: string, body?: unknown) {
  const answer = await office.post(path, body);
  if (answer.status !== 202) throw new Error(`${path}: ${answer.text}`);
  return answer.body;
}

const reserved = async (sku: string, storeId: string, qty: number, ttlSeconds = 900) =>
  String(
    (await done("/v1/reservations", { storeId, lines: [{ sku, qty }], ttlSeconds })).reservationId,
  );

async function expire(reservationId: string) {
  const { body } = await office.get(`/v1/reservations/${reservationId}`);
  const due = Date.parse(String(body.expiresAt));
  await until("the deadline has passed", () =>
    office.shop.api.inventory.now() > due ? true : undefined,
  );
  await office.shop.sweep(reservationId);
}

/** What Redis holds of a sku in a store. */
async function held(sku: string, store: string) {
  const [available, units] = await Promise.all([
    redis().get(stockKey(sku, store)),
    redis().hget(stockKey(sku, store).replace("stock:", "item:"), "held"),
  ]);
  return { available: Number(available), held: Number(units ?? 0) };
}

const sum = (items: Items, member: string) =>
  items.reduce((total, item) => total + Number(item[member]), 0);

/** Reads the whole history of a sku, page by page, and holds it against Redis and all that shows stock. */
async function expectBooksToAgree(sku: string): Promise<Items> {
  await office.record();
  const movements = (await office.pages(`/v1/products/${sku}/movements`, 7)).flat();
  const { body } = await office.get(`/v1/availability?sku=${sku}`);
  const totals = await office.get(`/v1/products/totals?q=${sku}`);
  for (const store of STORES) {
    const of_store = movements.filter(({ storeId }) => storeId === store);
    const { available, held: reserved } = await held(sku, store);
    expect({
      available: sum(of_store, "availableDelta"),
      reserved: sum(of_store, "heldDelta"),
    }).toEqual({ available, reserved });
    expect(sum(of_store, "onHandDelta")).toBe(available + reserved);
    // Newest first: whoever adds up from the oldest never finds less than nothing.
    let running = 0;
    for (const { onHandDelta } of [...of_store].reverse()) {
      running += Number(onHandDelta);
      expect(running).toBeGreaterThanOrEqual(0);
    }
    const shown = (body.perStore as Items).find(({ storeId }) => storeId === store);
    expect(shown ?? { available: 0, reserved: 0 }).toMatchObject({ available, reserved });
  }
  const [total] = totals.body.items as Items;
  expect(total).toMatchObject({
    totalOnHand: sum(movements, "onHandDelta"),
    totalReserved: sum(movements, "heldDelta"),
    totalAvailable: sum(movements, "availableDelta"),
  });
  return movements;
}

test("the movements of a sku that was seeded by redis-cli, sold, cancelled, expired, adjusted, transferred, recounted and seeded again add up to what Redis holds", async () => {
  const sku = fresh("story");
  await done("/v1/products", { sku, name: "Tea" });
  await redis().set(stockKey(sku, "main"), 100);

  const [sold, cancelled, expired, kept] = [
    await reserved(sku, "main", 10),
    await reserved(sku, "main", 7),
    await reserved(sku, "main", 5, 1),
    await reserved(sku, "main", 3),
  ];
  await done(`/v1/reservations/${sold}:confirm`, { paymentRef: "pay" });
  await done(`/v1/reservations/${cancelled}:cancel`, { reason: "user_cancel" });
  await expire(expired);
  await done("/v1/adjustments", { sku, storeId: "main", delta: -4, reason: "damage" });
  await done("/v1/adjustments", { sku, storeId: "north", delta: 20, reason: "receipt" });
  const lines = [{ sku, qty: 30 }];
  await done("/v1/transfers", { fromStore: "main", toStore: "south", lines });
  await done("/v1/items:set-absolute", { sku, storeId: "main", onHand: 50 });
  await done("/v1/items:set-absolute", { sku, storeId: "north", onHand: 2 });
  await done("/v1/purchase", { sku, qty: 6, policy: "highest-available" });
  await redis().incrby(stockKey(sku, "south"), 11);
  await redis().decrby(stockKey(sku, "main"), 1);
  // What was done by hand is noticed with the next event of the stock.
  await done("/v1/adjustments", { sku, storeId: "south", delta: 1, reason: "manual" });
  await done("/v1/adjustments", { sku, storeId: "main", delta: -1, reason: "sale" });

  expect(await held(sku, "main")).toEqual({ available: 50 - 3 - 6 - 1 - 1, held: 3 });
  expect(await held(sku, "north")).toEqual({ available: 2, held: 0 });
  expect(await held(sku, "south")).toEqual({ available: 30 + 11 + 1, held: 0 });

  const movements = await expectBooksToAgree(sku);
  expect(new Set(movements.map(({ kind }) => kind))).toEqual(
    new Set([
      ...["HOLD_CREATED", "HOLD_CONFIRMED", "HOLD_CANCELLED", "HOLD_EXPIRED", "HOLD_PURCHASED"],
      ...["STOCK_ADJUSTED", "STOCK_COUNTED", "STOCK_TRANSFERRED", "EXTERNAL"],
    ]),
  );
  const external = movements.filter(({ kind }) => kind === "EXTERNAL");
  expect(external.map(({ onHandDelta }) => onHandDelta)).toEqual([-1, 11, 100]);
  const { body } = await office.get(`/v1/reservations/${kept}`);
  expect(body.status).toBe("CREATED");
});

test("so they do after everything at once", async () => {
  const sku = fresh("rush");
  await done("/v1/products", { sku, name: "Rush", initialOnHand: 50 });
  await redis().set(stockKey(sku, "main"), 500);
  const pick = (i: number) => STORES[i % STORES.length] ?? "main";
  const work = (i: number) => {
    const [storeId, other] = [pick(i), pick(i + 1)];
    switch (i % 8) {
      case 0:
        return office.post("/v1/adjustments", { sku, storeId, delta: 5, reason: "receipt" });
      case 1:
        return office.post("/v1/adjustments", { sku, storeId, delta: -3, reason: "sale" });
      case 2:
        return office.post("/v1/transfers", {
          ...{ fromStore: storeId, toStore: other },
          lines: [{ sku, qty: 2 }],
        });
      case 3:
        return office.post("/v1/items:set-absolute", { sku, storeId, onHand: 40 + (i % 30) });
      case 4:
        return office.post("/v1/purchase", { sku, qty: 1, policy: "round-robin" });
      default:
        return office.post("/v1/reservations", { storeId, lines: [{ sku, qty: 1 + (i % 3) }] });
    }
  };
  const answers = await Promise.all(Array.from({ length: 240 }, (_, i) => work(i)));
  const refused = answers.filter(({ status }) => status !== 202).map(({ body }) => body.code);
  for (const code of refused) {
    expect(["SOLD_OUT", "ALL_HELD", "WOULD_GO_NEGATIVE", "UNKNOWN_SKU"]).toContain(code);
  }
  expect(refused.length).toBeLessThan(120);
  const ids = answers.flatMap(({ body }) =>
    body.status === "CREATED" ? [body.reservationId] : [],
  );
  expect(ids.length).toBeGreaterThan(30);
  await Promise.all(
    ids.map((id, i) => {
      if (i % 3 === 0) return done(`/v1/reservations/${id}:confirm`);
      if (i % 3 === 1) return done(`/v1/reservations/${id}:cancel`);
      return office.post("/v1/items:set-absolute", { sku, storeId: pick(i), onHand: 30 });
    }),
  );
  const movements = await expectBooksToAgree(sku);
  expect(movements.length).toBeGreaterThan(150);
});
