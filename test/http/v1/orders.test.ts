import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, invalid, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
  await office.shop.api.redis.mset("stock:tea", 1_000, "stock:cup", 1_000);
});
afterAll(() => office.close());

const LINES = [
  { sku: "tea", qty: 2 },
  { sku: "cup", qty: 1 },
];

/** Sells, and returns what the sale was told. */
async function sold(customerId?: string, paymentRef?: string) {
  const reserved = await office.post("/v1/reservations", { lines: LINES, customerId });
  const path = `/v1/reservations/${reserved.body.reservationId}:confirm`;
  const { status, body } = await office.post(path, { paymentRef });
  expect(status).toBe(202);
  return body;
}

describe("an order", () => {
  test("is there once its sale is recorded, whole", async () => {
    const sale = await sold("ann", "pay-1");
    const path = `/v1/orders/${sale.orderId}`;
    expectProblem(await office.get(path), { status: 404, code: "NOT_FOUND" });
    await office.record();
    const { status, headers, body } = await office.get(path);
    expect(status).toBe(200);
    expect(body).toEqual({
      orderId: sale.orderId,
      reservationId: sale.reservationId,
      customerId: "ann",
      paymentRef: "pay-1",
      confirmedAt: sale.confirmedAt,
      late: false,
      lines: [
        { sku: "cup", storeId: "main", qty: 1, returned: 0, returns: [] },
        { sku: "tea", storeId: "main", qty: 2, returned: 0, returns: [] },
      ],
    });
    expect(headers.get("x-projection-lag-ms")).toBe("0");
    const etag = String(headers.get("etag"));
    expect((await office.get(path, { "if-none-match": etag })).status).toBe(304);
  });

  test("of a purchase by nobody, without a payment, leaves both out", async () => {
    await office.adjust("mug", "north", 5);
    const { body: sale } = await office.post("/v1/purchase", { sku: "mug", qty: 2 });
    await office.record();
    const { body } = await office.get(`/v1/orders/${sale.orderId}`);
    expect(body).toEqual({
      orderId: sale.orderId,
      reservationId: expect.stringMatching(/^H-/),
      confirmedAt: expect.stringMatching(/Z$/),
      late: false,
      lines: [{ sku: "mug", storeId: "north", qty: 2, returned: 0, returns: [] }],
    });
  });

  test.each([
    "O-01890000-0000-7000-8000-000000000000",
    "O-1",
    "H-01890000-0000-7000-8000-000000000000",
    "%00",
    "a".repeat(2_000),
    "%F0%9F%93%B1",
  ])("%s is not found", async (id) => {
    expectProblem(await office.get(`/v1/orders/${id}`), { status: 404, code: "NOT_FOUND" });
  });
});

describe("the list of orders", () => {
  test("is paged to its end, newest first, of one customer or of all", async () => {
    const [ann, bob] = [fresh("ann"), fresh("bob")];
    const ids: Record<string, unknown[]> = { [ann]: [], [bob]: [] };
    for (let i = 0; i < 5; i += 1) {
      for (const customer of [ann, bob]) ids[customer]?.unshift((await sold(customer)).orderId);
    }
    await office.record();
    for (const [customer, expected] of Object.entries(ids)) {
      for (const limit of [1, 2, 4, 5, 6]) {
        const pages = await office.pages(`/v1/orders?customerId=${customer}`, limit);
        expect(pages.flat().map(({ orderId }) => orderId)).toEqual(expected);
        expect(pages).toHaveLength(Math.ceil(5 / limit));
      }
    }
    const all = (await office.pages("/v1/orders", 3)).flat().map(({ orderId }) => orderId);
    expect(all).toEqual([...all].sort().reverse());
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(10);
    expect(all).toEqual(expect.arrayContaining(Object.values(ids).flat()));
  });

  test("is not disturbed by what is sold while it is read", async () => {
    const customer = fresh("eve");
    const expected = [];
    for (let i = 0; i < 3; i += 1) expected.unshift((await sold(customer)).orderId);
    await office.record();
    const first = await office.get(`/v1/orders?customerId=${customer}&limit=2`);
    await sold(customer);
    await office.record();
    const second = await office.get(
      `/v1/orders?customerId=${customer}&limit=2&cursor=${first.body.nextCursor}`,
    );
    const read = [first, second].flatMap(({ body }) => body.items as { orderId: string }[]);
    expect(read.map(({ orderId }) => orderId)).toEqual(expected);
    expect(second.body.nextCursor).toBeNull();
  });

  test("shows each as it is shown alone, and says how far it is behind", async () => {
    const customer = fresh("dan");
    const { orderId } = await sold(customer, "pay");
    await office.record();
    await sold(customer);
    const { headers, body } = await office.get(`/v1/orders?customerId=${customer}`);
    const { body: alone } = await office.get(`/v1/orders/${orderId}`);
    expect(body).toEqual({ items: [alone], nextCursor: null });
    expect(Number(headers.get("x-projection-lag-ms"))).toBeGreaterThan(0);
  });

  test("of a customer without orders is empty", async () => {
    const { body } = await office.get("/v1/orders?customerId=nobody");
    expect(body).toEqual({ items: [], nextCursor: null });
  });

  const other = Buffer.from("H-01890000-0000-7000-8000-000000000000").toString("base64url");
  test.each([
    ["limit", "0"],
    ["limit", "201"],
    ["limit", "1.5"],
    ["limit", ""],
    ["customerId", ""],
    ["customerId", "a".repeat(129)],
    ["customerId", "a%00"],
    ["cursor", ""],
    ["cursor", "*"],
    ["cursor", "AAAA"],
    ["cursor", other],
    ["cursor", "a".repeat(204)],
    ["status", "CONFIRMED"],
  ])("refuses %s=%s", (name, value) =>
    office.expectRefused(() => office.get(`/v1/orders?${name}=${value}`), invalid(`?${name}`)),
  );
});
