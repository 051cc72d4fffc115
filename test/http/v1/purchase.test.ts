import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

const ID = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice();
});
afterAll(() => office.close());

/** A sku of its own with so many units in each of these stores. */
async function stockIn(units: Record<string, number>): Promise<string> {
  const sku = fresh("sku");
  for (const [storeId, onHand] of Object.entries(units)) {
    const counted = await office.post("/v1/items:set-absolute", { sku, storeId, onHand });
    expect(counted.status).toBe(202);
  }
  return sku;
}

const buy = (body: Record<string, unknown>) => office.post("/v1/purchase", body);

/** From which stores so many purchases of one unit were sold, in turn. */
async function storesOf(sku: string, policy: string, count: number): Promise<unknown[]> {
  const stores: unknown[] = [];
  for (let i = 0; i < count; i += 1) {
    const { status, body } = await buy({ sku, qty: 1, policy });
    stores.push(status === 202 ? body.storeId : body.code);
  }
  return stores;
}

describe("a purchase", () => {
  test("sells from the default store that was seeded by hand, and says all about it", async () => {
    const sku = await office.shop.stock(5);
    const { status, headers, body } = await buy({ sku, qty: 2, customerId: "ada" });
    expect(status).toBe(202);
    expect(body).toEqual({
      reservationId: expect.stringMatching(new RegExp(`^H-${ID}$`)),
      orderId: expect.stringMatching(new RegExp(`^O-${ID}$`)),
      sku,
      qty: 2,
      storeId: "main",
      customerId: "ada",
      status: "CONFIRMED",
      purchasedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    expect(headers.get("location")).toBe(`/v1/reservations/${body.reservationId}`);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 3, held: 0 });
  });

  test("is a reservation that is confirmed, at once and in the ledger", async () => {
    const sku = await office.shop.stock(5);
    const { body } = await buy({ sku, qty: 2 });
    expect(body).not.toHaveProperty("customerId");
    const path = `/v1/reservations/${body.reservationId}`;
    const expected = {
      status: "CONFIRMED",
      storeId: "main",
      lines: [{ sku, qty: 2 }],
      orderId: body.orderId,
    };
    expect((await office.get(path)).body).toMatchObject(expected);
    await office.record();
    await office.shop.api.redis.del(`hold:${body.reservationId}`);
    expect((await office.get(path)).body).toMatchObject(expected);
    const order = await office.get(`/v1/orders/${body.orderId}`);
    expect(order.status).toBe(200);
  });

  test("can't be cancelled", async () => {
    const { body } = await buy({ sku: await office.shop.stock(1), qty: 1 });
    const refused = await office.post(`/v1/reservations/${body.reservationId}:cancel`, {});
    expect([refused.status, refused.body.code]).toEqual([409, "HOLD_ALREADY_CONFIRMED"]);
  });

  test.each([1, 999, 1_000])("may be of %d units", async (qty) => {
    const sku = await office.shop.stock(1_000);
    expect((await buy({ sku, qty })).status).toBe(202);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 1_000 - qty, held: 0 });
  });

  test("of more than any store has says how many the best has, and all together", async () => {
    const sku = await stockIn({ main: 2, berlin: 3 });
    const refused = await buy({ sku, qty: 4 });
    const members = { sku, requested: 4, available: 3, totalAvailable: 5, held: 0 };
    expectProblem(refused, { status: 409, code: "SOLD_OUT", members });
    expect((await buy({ sku, qty: 3 })).body.storeId).toBe("berlin");
  });

  test("of a sku that nobody has stocked is refused, whatever it is called", async () => {
    for (const sku of [fresh("unknown"), "__proto__", "constructor"]) {
      const refused = await buy({ sku, qty: 1 });
      expectProblem(refused, { status: 404, code: "UNKNOWN_SKU", members: { sku } });
    }
  });

  test("never sells what is reserved", async () => {
    const sku = await office.shop.stock(3);
    const reserved = await office.post("/v1/reservations", { lines: [{ sku, qty: 2 }] });
    expect(reserved.status).toBe(202);
    const refused = await buy({ sku, qty: 2 });
    const members = { sku, requested: 2, available: 1, totalAvailable: 1, held: 2 };
    expectProblem(refused, { status: 409, code: "ALL_HELD", members });
    expect((await buy({ sku, qty: 1 })).status).toBe(202);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 2 });
  });
});

describe("the store is picked", () => {
  test("by the most units, unless the policy says otherwise", async () => {
    const sku = await stockIn({ main: 2, berlin: 4 });
    expect((await buy({ sku, qty: 1 })).body.storeId).toBe("berlin");
    const policy = "highest-available";
    expect((await buy({ sku, qty: 1, policy })).body.storeId).toBe("berlin");
  });

  test("by the lowest rank of those that have enough", async () => {
    const stores = { near: 1, far: 9 };
    for (const [storeId, latencyRank] of Object.entries(stores)) {
      const made = await office.post("/v1/stores", { storeId, name: storeId, latencyRank });
      expect(made.status).toBe(202);
    }
    const sku = await stockIn({ far: 10, near: 2 });
    const policy = "lowest-latency";
    expect((await buy({ sku, qty: 3, policy })).body.storeId).toBe("far");
    expect(await storesOf(sku, policy, 4)).toEqual(["near", "near", "far", "far"]);
  });

  test("in turn, passing over those that have not enough", async () => {
    const sku = await stockIn({ main: 2, berlin: 2, rome: 1 });
    const stores = await storesOf(sku, "round-robin", 6);
    expect(stores.slice(0, 3).sort()).toEqual(["berlin", "main", "rome"]);
    expect(stores.slice(3, 5).sort()).toEqual(["berlin", "main"]);
    expect(stores[5]).toBe("SOLD_OUT");
  });
});

test("purchases at once sell all there is in all stores, and not one unit more", async () => {
  const sku = await stockIn({ main: 20, berlin: 30, rome: 10 });
  const policies = ["highest-available", "lowest-latency", "round-robin"];
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => buy({ sku, qty: 1, policy: policies[i % 3] })),
  );
  const sold = answers.filter(({ status }) => status === 202);
  expect(sold).toHaveLength(60);
  expect(Object.groupBy(sold, ({ body }) => String(body.storeId))).toMatchObject({
    main: { length: 20 },
    berlin: { length: 30 },
    rome: { length: 10 },
  });
  for (const answer of answers.filter(({ status }) => status !== 202)) {
    const members = { sku, requested: 1, available: 0, totalAvailable: 0, held: 0 };
    expectProblem(answer, { status: 409, code: "SOLD_OUT", members });
  }
});
