import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Rejection } from "../../src/domain/rejection.ts";
import { countRows, query } from "../worker/query.ts";
import { FULL, initial, newCall, openCatalogue, settle, TEA } from "./catalogue-side.ts";

const side = await openCatalogue();

beforeEach(() => side.empty());

afterAll(() => side.close());

const create = (input = TEA) => side.createProduct(input, newCall("create_product"));
const refusal = (code: string, members: object) => expect.objectContaining({ code, members });
const promises = () => countRows(side.url, "initial_stocks");

describe("updateProduct", () => {
  const update = (
    changes: Parameters<typeof side.updateProduct>[1],
    if_version?: number,
    call = newCall("update_product"),
    sku = "tea",
  ) => side.updateProduct(sku, changes, if_version, call);

  test.each([
    { name: "Green tea" },
    { description: "Best before 2030" },
    { price: 5.05 },
    { price: 0 },
    { category: "leaves" },
    { location: "B-9" },
    { description: null },
    { price: null },
    { category: null },
    { location: null },
    { description: "", category: "", location: "" },
    { name: "a", description: "b", price: 1, category: "c", location: "d" },
    {},
  ])("changes %j and nothing else", async (changes) => {
    const { product } = await create(FULL);
    const { product: changed, replayed } = await update(changes);
    const { updated_at } = changed;
    expect(changed).toEqual({ ...product, ...changes, version: 2, updated_at });
    expect(updated_at).toBeGreaterThanOrEqual(product.created_at);
    expect(replayed).toBe(false);
    expect(await side.readProduct("tea")).toEqual(changed);
  });

  test("leaves alone what is there but undefined", async () => {
    const { product } = await create(FULL);
    const { product: changed } = await update({
      name: "b",
      description: undefined,
      price: undefined,
    });
    expect(changed).toMatchObject({ name: "b", description: product.description, price: 4.95 });
  });

  test("leaves other products alone", async () => {
    await create();
    const { product: cup } = await create({ sku: "cup", name: "Cup" });
    await update({ name: "Green tea" });
    expect(await side.readProduct("cup")).toEqual(cup);
  });

  test.each([1, 3, 0, Number.MAX_SAFE_INTEGER])(
    "of version 2 refuses version %d",
    async (if_version) => {
      await create();
      await update({ price: 1 });
      await expect(update({ price: 2 }, if_version)).rejects.toEqual(
        refusal("VERSION_CONFLICT", { sku: "tea", version: 2 }),
      );
      expect(await side.readProduct("tea")).toMatchObject({ price: 1, version: 2 });
      expect((await update({ price: 2 }, 2)).product).toMatchObject({ price: 2, version: 3 });
    },
  );

  test.each([undefined, 1])(
    "refuses a product that is not there, if version %p",
    async (if_version) => {
      await expect(update({ name: "x" }, if_version)).rejects.toEqual(
        refusal("PRODUCT_NOT_FOUND", { sku: "tea" }),
      );
      expect(await countRows(side.url, "idempotency_records")).toBe(0);
    },
  );

  test("does not remember a refusal", async () => {
    await create();
    const call = newCall("update_product");
    await expect(update({ price: 1 }, 2, call)).rejects.toMatchObject({ code: "VERSION_CONFLICT" });
    await update({ price: 2 });
    expect(await update({ price: 1 }, 2, call)).toMatchObject({ replayed: false });
  });

  test("gives the first answer again, though its version has passed", async () => {
    await create();
    const call = newCall("update_product");
    const first = await update({ price: 1 }, 1, call);
    await update({ price: 2 });
    expect(await update({ price: 1 }, 1, call)).toEqual({ ...first, replayed: true });
    expect(await side.readProduct("tea")).toMatchObject({ price: 2, version: 3 });
  });

  test("of ten at once with one version lets one through and tells the others the next", async () => {
    await create();
    const { granted, codes } = await settle(
      Array.from({ length: 10 }, (_, i) => update({ price: i }, 1)),
    );
    expect(granted).toHaveLength(1);
    expect(codes).toEqual(Array.from({ length: 9 }, () => "VERSION_CONFLICT"));
    expect(await side.readProduct("tea")).toEqual(granted[0]?.product);
  });

  test("of ten at once without a version carries all out, one after the other", async () => {
    await create();
    const { granted } = await settle(Array.from({ length: 10 }, (_, i) => update({ price: i })));
    expect(granted.map(({ product }) => product.version).sort((a, b) => a - b)).toEqual([
      2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
  });
});

describe("deleteProduct", () => {
  const remove = (if_version?: number, call = newCall("delete_product"), obstacle?: Rejection) =>
    side.deleteProduct("tea", if_version, call, obstacle);

  test("takes a product away and tells what it was", async () => {
    const { product } = await create(FULL);
    await create({ sku: "cup", name: "Cup" });
    expect(await remove()).toEqual({ product, replayed: false });
    expect(await side.readProduct("tea")).toBeNull();
    expect(await side.readProduct("cup")).not.toBeNull();
  });

  test.each([0, 2, Number.MAX_SAFE_INTEGER])(
    "of version 1 refuses version %d",
    async (if_version) => {
      await create();
      await expect(remove(if_version)).rejects.toEqual(
        refusal("VERSION_CONFLICT", { sku: "tea", version: 1 }),
      );
      expect(await side.readProduct("tea")).not.toBeNull();
      expect(await remove(1)).toMatchObject({ replayed: false });
    },
  );

  test("refuses a product that is not there, or no longer", async () => {
    const missing = refusal("PRODUCT_NOT_FOUND", { sku: "tea" });
    await expect(remove()).rejects.toEqual(missing);
    await create();
    await remove();
    await expect(remove(1)).rejects.toEqual(missing);
  });

  test("gives the first answer again, also when there is another such product by now", async () => {
    const { product } = await create(FULL);
    const call = newCall("delete_product");
    await remove(1, call);
    expect(await remove(1, call)).toEqual({ product, replayed: true });
    await create();
    const obstacle = new Rejection("PRODUCT_IN_USE", "It has stock.");
    expect(await remove(1, call, obstacle)).toEqual({ product, replayed: true });
    expect(await side.readProduct("tea")).not.toBeNull();
  });

  test("takes back the stock that was promised to it, and to no other", async () => {
    await create({ ...TEA, initial: initial() });
    const cup = initial();
    await create({ sku: "cup", name: "Cup", initial: cup });
    await remove();
    expect(await query(side.url, "select event_id from initial_stocks")).toEqual([
      { event_id: cup.event_id },
    ]);
  });

  test("is refused by an obstacle, which leaves the product and its promise", async () => {
    const obstacle = new Rejection("PRODUCT_IN_USE", "It has stock.");
    await create({ ...TEA, initial: initial() });
    const call = newCall("delete_product");
    await expect(remove(undefined, call, obstacle)).rejects.toBe(obstacle);
    expect(await side.readProduct("tea")).not.toBeNull();
    expect(await promises()).toBe(1);
    expect(await remove(undefined, call)).toMatchObject({ replayed: false });
  });

  test("tells of a missing product or a stale version before it tells of an obstacle", async () => {
    const obstacle = new Rejection("PRODUCT_IN_USE", "It has stock.");
    const removal = (if_version?: number) =>
      remove(if_version, newCall("delete_product"), obstacle);
    await expect(removal()).rejects.toMatchObject({ code: "PRODUCT_NOT_FOUND" });
    await create();
    await expect(removal(2)).rejects.toMatchObject({ code: "VERSION_CONFLICT" });
    await expect(removal(1)).rejects.toBe(obstacle);
  });

  test("of ten at once lets one through", async () => {
    await create();
    const { granted, codes } = await settle(Array.from({ length: 10 }, () => remove()));
    expect(granted).toHaveLength(1);
    expect(codes).toEqual(Array.from({ length: 9 }, () => "PRODUCT_NOT_FOUND"));
  });

  test("and an update at once: whoever is second is told", async () => {
    await create();
    const { granted, codes } = await settle<{ replayed: boolean }>([
      remove(1),
      side.updateProduct("tea", { name: "x" }, 1, newCall("update_product")),
    ]);
    expect(granted).toHaveLength(1);
    expect(["PRODUCT_NOT_FOUND", "VERSION_CONFLICT"]).toContain(codes[0]);
  });
});
