import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newEventId } from "../../src/domain/ids.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import type { NewProduct } from "../../src/postgres/products.ts";
import { countRows, query } from "../worker/query.ts";
import { FULL, initial, newCall, openCatalogue, settle, TEA } from "./catalogue-side.ts";

const side = await openCatalogue();

beforeEach(() => side.empty());

afterAll(() => side.close());

const create = (input: NewProduct = TEA, call = newCall("create_product")) =>
  side.createProduct(input, call);
const refusal = (code: string, members: object) => expect.objectContaining({ code, members });
const promises = () => countRows(side.url, "initial_stocks");

describe("createProduct", () => {
  test("makes a product of its sku and name", async () => {
    const before = Date.now();
    const made = await create();
    expect(made).toEqual({
      product: {
        ...{ sku: "tea", name: "Tea", description: null, price: null, category: null },
        ...{ location: null, version: 1, created_at: expect.any(Number) },
        updated_at: made.product.created_at,
      },
      initial: null,
      replayed: false,
    });
    expect(Math.abs(made.product.created_at - before)).toBeLessThan(60_000);
    expect(await side.readProduct("tea")).toEqual(made.product);
    expect(await promises()).toBe(0);
  });

  test("keeps everything that is told of it", async () => {
    const { product } = await create(FULL);
    expect(product).toMatchObject(FULL);
    expect(await side.readProduct("tea")).toMatchObject(FULL);
  });

  test.each([0, 0.01, 0.1, 19.99, 1_234.5, 999_999_999_999.99])(
    "keeps a price of %d",
    async (price) => {
      expect((await create({ ...TEA, price })).product).toMatchObject({ price });
      expect(await side.readProduct("tea")).toMatchObject({ price });
    },
  );

  test("keeps any text as it is", async () => {
    const name = `it's "quoted" \\ 100 % _ ; -- 🦆 Ü`;
    expect((await create({ ...TEA, name, description: name })).product).toMatchObject({
      ...{ name, description: name },
    });
  });

  test("refuses a sku that is there", async () => {
    await create();
    await expect(create({ ...TEA, name: "Other" })).rejects.toEqual(
      refusal("PRODUCT_EXISTS", { sku: "tea" }),
    );
    expect(await side.readProduct("tea")).toMatchObject({ name: "Tea", version: 1 });
  });

  test("tells skus apart by their capitals", async () => {
    await create();
    await create({ sku: "TEA", name: "Loud tea" });
    expect(await side.readProduct("tea")).toMatchObject({ name: "Tea" });
    expect(await side.readProduct("TEA")).toMatchObject({ name: "Loud tea" });
  });

  test("does not remember a refusal", async () => {
    await create();
    const call = newCall("create_product");
    await expect(create(TEA, call)).rejects.toBeInstanceOf(Rejection);
    await side.deleteProduct("tea", undefined, newCall("delete_product"));
    expect(await create(TEA, call)).toMatchObject({ replayed: false });
  });

  test("gives the first answer again, whatever has become of the product", async () => {
    const call = newCall("create_product");
    const first = await create({ ...FULL, initial: initial() }, call);
    const again = () => create({ ...FULL, initial: initial() }, call);
    expect(await again()).toEqual({ ...first, replayed: true });
    await side.updateProduct("tea", { name: "Other" }, undefined, newCall("update_product"));
    expect(await again()).toEqual({ ...first, replayed: true });
    await side.deleteProduct("tea", undefined, newCall("delete_product"));
    expect(await again()).toEqual({ ...first, replayed: true });
    expect(await side.readProduct("tea")).toBeNull();
    expect(await promises()).toBe(0);
  });

  test("of twenty at once under keys of their own makes one, with one promise", async () => {
    const calls = Array.from({ length: 20 }, (_, i) => create({ ...TEA, initial: initial(i + 1) }));
    const { granted, codes } = await settle(calls);
    expect(granted).toHaveLength(1);
    expect(codes).toEqual(Array.from({ length: 19 }, () => "PRODUCT_EXISTS"));
    const rows = await query(side.url, "select event_id, units::int from initial_stocks");
    expect(rows).toEqual([
      { event_id: granted[0]?.initial?.event_id, units: granted[0]?.initial?.units },
    ]);
  });

  test("of twenty at once under one key makes one, and gives all of them the same answer", async () => {
    const call = newCall("create_product");
    const { granted } = await settle(
      Array.from({ length: 20 }, () => create({ ...TEA, initial: initial() }, call)),
    );
    expect(granted).toHaveLength(20);
    expect(new Set(granted.map((made) => made.initial?.event_id)).size).toBe(1);
    expect(granted.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await promises()).toBe(1);
  });
});

describe("the stock a product begins with", () => {
  test("is promised in the same transaction, for a store and under its event", async () => {
    const wanted = initial(7);
    const { product, initial: promised } = await create({ ...TEA, initial: wanted });
    const { event_id } = wanted;
    expect(product.sku).toBe("tea");
    expect(promised).toEqual({ event_id, store_id: "main", units: 7 });
    expect(
      await query(
        side.url,
        "select event_id, sku, store_id, units::int, request_id from initial_stocks",
      ),
    ).toEqual([{ event_id, sku: "tea", store_id: "main", units: 7, request_id: "request-1" }]);
  });

  test("is not promised when the product is refused", async () => {
    await create();
    await expect(create({ ...TEA, initial: initial() })).rejects.toMatchObject({
      code: "PRODUCT_EXISTS",
    });
    expect(await promises()).toBe(0);
  });

  test("does not leave a product without it behind when it can't be promised", async () => {
    const wanted = initial();
    await create({ sku: "cup", name: "Cup", initial: wanted });
    await expect(create({ ...TEA, initial: wanted })).rejects.toMatchObject({ code: "23505" });
    expect(await side.readProduct("tea")).toBeNull();
  });

  test("is promised until its event is recorded", async () => {
    const wanted = initial();
    expect(await side.isPromised(wanted.event_id)).toBe(false);
    await create({ ...TEA, initial: wanted });
    expect(await side.isPromised(wanted.event_id)).toBe(true);
    expect(await side.isPromised(newEventId())).toBe(false);
    await query(side.url, "delete from initial_stocks where event_id = $1", [wanted.event_id]);
    expect(await side.isPromised(wanted.event_id)).toBe(false);
  });
});

test("a product that is not there reads as null", async () => {
  expect(await side.readProduct("tea")).toBeNull();
  expect(await side.readProduct("'; drop table products; --")).toBeNull();
});
