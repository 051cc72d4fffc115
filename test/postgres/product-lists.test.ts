import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newCall, openCatalogue, stockLevel } from "./catalogue-side.ts";

const side = await openCatalogue();

beforeEach(() => side.empty());

afterAll(() => side.close());

const add = async (...products: [sku: string, name: string][]) => {
  for (const [sku, name] of products) {
    await side.createProduct({ sku, name }, newCall("create_product"));
  }
};
const skusOf = ({ items }: { items: { sku: string }[] }) => items.map(({ sku }) => sku);

describe("listProducts", () => {
  test("is empty when there is no product", async () => {
    expect(await side.listProducts({ limit: 10, offset: 0 })).toEqual({ items: [], total: 0 });
    expect(await side.listProducts({ q: "tea", limit: 10, offset: 0 })).toEqual({
      ...{ items: [], total: 0 },
    });
  });

  test("has whole products in the order of their skus", async () => {
    await add(["tea", "Tea"], ["cup", "Cup"], ["pot", "Pot"]);
    const { items, total } = await side.listProducts({ limit: 10, offset: 0 });
    expect(items).toEqual(await Promise.all(["cup", "pot", "tea"].map(side.readProduct)));
    expect(total).toBe(3);
  });

  test.each([
    [1, 0, ["a"]],
    [2, 0, ["a", "b"]],
    [2, 2, ["c", "d"]],
    [2, 4, ["e"]],
    [4, 0, ["a", "b", "c", "d"]],
    [5, 0, ["a", "b", "c", "d", "e"]],
    [6, 0, ["a", "b", "c", "d", "e"]],
    [2, 5, []],
    [2, 10_000_000, []],
  ])("of five with limit %d and offset %d has %j, and the total", async (limit, offset, skus) => {
    await add(["c", "Blue"], ["a", "Blue"], ["e", "Blue"], ["b", "Blue"], ["d", "Blue"]);
    for (const q of [undefined, "blue"]) {
      const page = await side.listProducts({ q, limit, offset });
      expect([skusOf(page), page.total]).toEqual([skus, 5]);
    }
  });
});

describe("a search", () => {
  const products: [string, string][] = [
    ["TEA-1", "Green tea"],
    ["tea_2", "Black Tea 100%"],
    ["cup.3", "Cup\\saucer"],
    ["pot-4", "Kännchen"],
    ["pot-5", "Samowar"],
  ];

  test.each([
    ["tea", ["TEA-1", "tea_2"]],
    ["TeA", ["TEA-1", "tea_2"]],
    ["tea-1", ["TEA-1"]],
    ["EEN TEA", ["TEA-1"]],
    ["pot", ["pot-4", "pot-5"]],
    ["KÄNN", ["pot-4"]],
    ["ännchen", ["pot-4"]],
    ["p", ["cup.3", "pot-4", "pot-5"]],
    ["%", ["tea_2"]],
    ["100%", ["tea_2"]],
    ["_", ["tea_2"]],
    ["a_2", ["tea_2"]],
    ["t_a", []],
    ["\\", ["cup.3"]],
    ["up\\sau", ["cup.3"]],
    ["cup%", []],
    ["%%", []],
    ["\\%", []],
    ["'; drop table products; --", []],
    ["tea ", ["tea_2"]],
    ["none", []],
  ])("for %j finds %j", async (q, skus) => {
    await add(...products);
    const found = await side.listProducts({ q, limit: 10, offset: 0 });
    expect(skusOf(found).sort()).toEqual(skus.toSorted());
    expect(found.total).toBe(skus.length);
    const totals = await side.readTotals({ q, page: 1, size: 10 });
    expect([skusOf(totals), totals.total]).toEqual([skusOf(found), skus.length]);
  });
});

describe("readTotals", () => {
  test("adds up what all stores have of each product", async () => {
    await add(["tea", "Tea"], ["cup", "Cup"], ["pot", "Pot"]);
    await stockLevel(side.url, "tea", "main", { available: 5, held: 2 });
    await stockLevel(side.url, "tea", "north", { available: 999_999_999_999, held: 1 });
    await stockLevel(side.url, "pot", "north", { available: 0, held: 3 });
    await stockLevel(side.url, "unlisted", "north", { available: 9 });
    expect(await side.readTotals({ page: 1, size: 10 })).toEqual({
      items: [
        { sku: "cup", name: "Cup", total_on_hand: 0, total_held: 0, total_available: 0 },
        { sku: "pot", name: "Pot", total_on_hand: 3, total_held: 3, total_available: 0 },
        {
          ...{ sku: "tea", name: "Tea", total_on_hand: 1_000_000_000_007 },
          ...{ total_held: 3, total_available: 1_000_000_000_004 },
        },
      ],
      total: 3,
    });
  });

  test.each([
    [1, 2, ["a", "b"]],
    [2, 2, ["c", "d"]],
    [3, 2, ["e"]],
    [4, 2, []],
    [1, 4, ["a", "b", "c", "d"]],
    [1, 5, ["a", "b", "c", "d", "e"]],
    [1, 6, ["a", "b", "c", "d", "e"]],
  ])("of five has on page %d of size %d %j, and the total", async (page, size, skus) => {
    await add(["c", "Blue"], ["a", "Blue"], ["e", "Blue"], ["b", "Blue"], ["d", "Blue"]);
    for (const q of [undefined, "BLUE"]) {
      const totals = await side.readTotals({ q, page, size });
      expect([skusOf(totals), totals.total]).toEqual([skus, 5]);
    }
  });
});
