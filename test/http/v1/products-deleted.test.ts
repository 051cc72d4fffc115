import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
});
afterAll(() => office.close());

async function made(): Promise<string> {
  const sku = fresh("sku");
  const { status, text } = await office.post("/v1/products", { sku, name: "Tea" });
  if (status !== 202) throw new Error(text);
  return sku;
}

describe("a product is deleted", () => {
  test("when nobody has ever stocked it, and is made anew under its sku", async () => {
    const sku = await made();
    const { status, body } = await office.remove(`/v1/products/${sku}`);
    expect([status, body]).toEqual([202, { sku, deleted: true }]);
    expectProblem(await office.get(`/v1/products/${sku}`), {
      status: 404,
      code: "PRODUCT_NOT_FOUND",
      members: { sku },
    });
    const anew = await office.post("/v1/products", { sku, name: "Tea" });
    expect([anew.status, anew.body.version]).toEqual([202, 1]);
  });

  test("when all of its stock is gone", async () => {
    const sku = await made();
    await office.adjust(sku, "north", 3);
    await office.adjust(sku, "north", -3);
    expect((await office.remove(`/v1/products/${sku}`)).status).toBe(202);
  });

  test("once under one key, though it is there and stocked again", async () => {
    const sku = await made();
    const key = fresh("key");
    const first = await office.remove(`/v1/products/${sku}`, { key });
    await office.post("/v1/products", { sku, name: "Tea" });
    await office.adjust(sku, "north", 1);
    const again = await office.remove(`/v1/products/${sku}`, { key });
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await office.get(`/v1/products/${sku}`)).status).toBe(200);
  });

  test("by one of 20 at once", async () => {
    const sku = await made();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => office.remove(`/v1/products/${sku}`)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([202, ...Array(19).fill(404)]);
  });

  test("only at the version that If-Match names", async () => {
    const sku = await made();
    await office.put(`/v1/products/${sku}`, { name: "Second" });
    expectProblem(await office.remove(`/v1/products/${sku}`, { "if-match": '"1"' }), {
      status: 409,
      code: "VERSION_CONFLICT",
      members: { sku, version: 2 },
    });
    expect((await office.remove(`/v1/products/${sku}`, { "if-match": '"2"' })).status).toBe(202);
  });
});

describe("a product is not deleted", () => {
  const inUse = (sku: string, available: number, reserved: number, store = "north") => ({
    status: 409,
    code: "PRODUCT_IN_USE",
    members: {
      sku,
      available,
      reserved,
      stocks: [{ storeId: store, available, reserved }],
    },
  });

  test("while a unit is available in any store", async () => {
    const sku = await made();
    const key = fresh("key");
    await office.adjust(sku, "north", 1);
    expectProblem(await office.remove(`/v1/products/${sku}`, { key }), inUse(sku, 1, 0));
    expect((await office.get(`/v1/products/${sku}`)).status).toBe(200);
    await office.adjust(sku, "north", -1);
    // A refusal is not remembered.
    expect((await office.remove(`/v1/products/${sku}`, { key })).status).toBe(202);
  });

  test("while a unit is reserved, though the ledger knows of none", async () => {
    const sku = await made();
    await office.shop.api.redis.set(`stock:${sku}`, 1);
    const body = { storeId: "main", lines: [{ sku, qty: 1 }] };
    const reservation = await office.post("/v1/reservations", body);
    expectProblem(await office.remove(`/v1/products/${sku}`), inUse(sku, 0, 1, "main"));
    await office.post(`/v1/reservations/${reservation.body.reservationId}:confirm`);
    expect((await office.remove(`/v1/products/${sku}`)).status).toBe(202);
  });

  test("when there is none, stocked or not", async () => {
    const [sku, stocked] = [fresh("sku"), await office.shop.stock(5)];
    for (const missing of [sku, stocked]) {
      expectProblem(await office.remove(`/v1/products/${missing}`), {
        status: 404,
        code: "PRODUCT_NOT_FOUND",
        members: { sku: missing },
      });
    }
  });

  test("under a key that was used for another one, or another version", async () => {
    const [sku, another] = [await made(), await made()];
    const key = fresh("key");
    await office.remove(`/v1/products/${sku}`, { key });
    for (const reused of [
      await office.remove(`/v1/products/${another}`, { key }),
      await office.remove(`/v1/products/${sku}`, { key, "if-match": '"1"' }),
    ]) {
      expectProblem(reused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
    }
    expect((await office.get(`/v1/products/${another}`)).status).toBe(200);
  });
});
