import { describe, expect, test } from "@jest/globals";
import { Rejection } from "../../src/domain/rejection.ts";
import { allotReturn } from "../../src/domain/returns.ts";

const line = (sku: string, store_id: string, quantity: number, returned = 0) => ({
  ...{ sku, store_id, quantity, returned },
});
const TEA = [line("tea", "main", 3, 1)];

function refusalOf(work: () => unknown): Rejection {
  try {
    work();
  } catch (error) {
    if (error instanceof Rejection) return error;
  }
  throw new Error("It was not refused.");
}

describe("of three that were sold, of which one came back,", () => {
  test.each([1, 2])("%i may come back", (qty) => {
    expect(allotReturn(TEA, [{ sku: "tea", qty }])).toEqual([
      { sku: "tea", store_id: "main", quantity: qty },
    ]);
  });

  test.each([3, 4])("%i are refused", (qty) => {
    const numbers = { sku: "tea", sold: 3, returned: 1, requested: qty };
    expect(refusalOf(() => allotReturn(TEA, [{ sku: "tea", qty }]))).toMatchObject({
      code: "RETURN_EXCEEDS_SOLD",
      members: { ...numbers, lines: [numbers] },
    });
  });
});

test("a refusal names every line that is short, also what was never sold, and no other", () => {
  const sold = [line("cup", "main", 1), ...TEA, line("mug", "main", 2, 2)];
  const wanted = ["cup", "ghost", "mug", "tea"].map((sku) => ({ sku, qty: 1 }));
  expect(refusalOf(() => allotReturn(sold, wanted)).members.lines).toEqual([
    { sku: "ghost", sold: 0, returned: 0, requested: 1 },
    { sku: "mug", sold: 2, returned: 2, requested: 1 },
  ]);
});

test("units of several stores come back to the first that still misses some", () => {
  const sold = [
    line("tea", "east", 2, 2),
    line("tea", "main", 3, 1),
    line("cup", "main", 9),
    line("tea", "north", 4),
  ];
  const back = (qty: number) =>
    allotReturn(sold, [{ sku: "tea", qty }]).map(({ store_id, quantity }) => [store_id, quantity]);
  expect(back(1)).toEqual([["main", 1]]);
  expect(back(2)).toEqual([["main", 2]]);
  expect(back(3)).toEqual([
    ["main", 2],
    ["north", 1],
  ]);
  expect(back(6)).toEqual([
    ["main", 2],
    ["north", 4],
  ]);
  expect(() => back(7)).toThrow();
});
