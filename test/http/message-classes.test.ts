import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openShop, type Shop } from "./shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

test("Express finds requests and answers as it would make them", async () => {
  const seen: { message: object; prototype: unknown }[] = [];
  shop.api.server.prependListener("request", (...messages) => {
    for (const message of messages) {
      seen.push({ message, prototype: Object.getPrototypeOf(message) });
    }
  });
  await shop.hold();
  expect(seen).toHaveLength(2);
  for (const { message, prototype } of seen) {
    expect(Object.getPrototypeOf(message)).toBe(prototype);
    expect(message).toHaveProperty("get"); // what only Express's have
  }
});
