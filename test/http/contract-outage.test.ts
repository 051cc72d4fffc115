import { describe, expect, test } from "@jest/globals";
import { readDocument } from "../../scripts/read-document.ts";
import { freshPostgres } from "../setup/stack.ts";
import { createCalls, isOfInventory, nameOf } from "./contract-calls.ts";
import { openShop } from "./shop.ts";

/** All ask at once, also on a busy machine. */
const BUDGET_MS = 4_000;
const { operations } = readDocument();

/** What each operation is answered with its examples; that the document has the answer was looked at. */
async function answersOfAll(url: string) {
  const { call } = createCalls(url);
  const calls = operations
    .filter(isOfInventory)
    .map(async (operation) => [nameOf(operation), (await call(operation)).status] as const);
  return new Map(await Promise.all(calls));
}

describe("every answer is in the document, and none is a 500,", () => {
  test("while Redis is away", async () => {
    const shop = await openShop({ request_budget_ms: BUDGET_MS });
    try {
      await shop.redis.kill();
      await shop.untilRedis("gone");
      const answers = await answersOfAll(shop.api.url);
      expect([...answers].filter(([, status]) => status === 500)).toEqual([]);
      expect(answers.get("POST /holds/reserve")).toBe(503);
      expect(answers.get("POST /v1/adjustments")).toBe(503);
      expect(answers.get("GET /v1/products")).toBe(200);
    } finally {
      await shop.close();
    }
  });

  test("while Postgres is away", async () => {
    const postgres = await freshPostgres();
    const shop = await openShop({ request_budget_ms: BUDGET_MS, databaseUrl: postgres.url });
    try {
      await shop.api.redis.mset("stock:tea", 1_000, "stock:mug", 1_000);
      await postgres.stop();
      const answers = await answersOfAll(shop.api.url);
      expect([...answers].filter(([, status]) => status === 500)).toEqual([]);
      expect(answers.get("POST /holds/reserve")).toBe(201);
      expect(answers.get("POST /v1/products")).toBe(503);
      expect(answers.get("GET /v1/orders")).toBe(503);
    } finally {
      await shop.close();
      await postgres.close();
    }
  }, 120_000);
});
