import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { openBulk, type Result, sendBulk } from "./bulk-client.ts";

const UNSERVED = ["OUTCOME_UNKNOWN", "OVERLOADED", "STORE_UNAVAILABLE"];

let shop: Shop;
let narrow: Shop;
beforeAll(async () => {
  [shop, narrow] = await Promise.all([
    openShop({ request_budget_ms: 1_500 }),
    openShop({ request_budget_ms: 20_000, queue_max: 600 }),
  ]);
});
afterAll(() => Promise.all([shop.close(), narrow.close()]));

const bulk = (lines: object[], key: string) =>
  sendBulk(shop.api.url, lines, { "Idempotency-Key": key });
const statuses = (results: Result[]) => results.map(({ status }) => status);

/** Sends all of it again under its key until each line was done. */
const untilDone = (lines: object[], key: string) =>
  until("all lines are done", async () => {
    const { status, results } = await bulk(lines, key);
    const done = statuses(results).filter((word) => word === "APPLIED" || word === "REPLAYED");
    return status === 202 && done.length === lines.length ? results : undefined;
  });

test("while Redis is gone a bulk request is refused as a whole, and its key is free", async () => {
  const lines = [
    { sku: fresh("sku"), onHand: 1 },
    { sku: fresh("sku"), onHand: 1 },
  ];
  const key = fresh("key");
  await shop.redis.kill();
  await shop.untilRedis("gone");
  const refused = await bulk(lines, key);
  expectProblem(refused, { status: 503, code: "STORE_UNAVAILABLE" });
  expect(refused.headers.get("retry-after")).toMatch(/^[123]$/);
  await shop.startRedis();
  expect(statuses((await bulk(lines, key)).results)).toEqual(["APPLIED", "APPLIED"]);
});

describe.each([
  ["paused", () => shop.redis.kill("SIGSTOP"), () => shop.redis.kill("SIGCONT")],
  ["killed", () => shop.redis.kill().then(() => shop.untilRedis("gone")), () => shop.startRedis()],
])("when Redis is %s in the middle", (_, stop, start) => {
  test("each line behind says that it may not be done, and asked again all are done once", async () => {
    const sku = fresh("sku");
    const lines = Array.from({ length: 8 }, () => ({ sku, delta: 1 }));
    const text = lines.map((line) => `${JSON.stringify(line)}\n`);
    const key = fresh("key");
    const open = openBulk(shop.api.url, { "Idempotency-Key": key });
    open.write(text.slice(0, 3).join(""));
    await open.some(3);
    await stop();
    open.write(text.slice(3).join(""));
    open.end();
    const { over, results } = await open.all();
    await start();
    expect(over).toBe("COMPLETE");
    expect(statuses(results)).toEqual([...Array(3).fill("APPLIED"), ...Array(5).fill("REFUSED")]);
    for (const [i, result] of results.slice(3).entries()) {
      expect(result).toMatchObject({ line: 4 + i, sku, storeId: "main" });
      expect(UNSERVED).toContain(result.code);
    }
    const again = await untilDone(lines, key);
    expect(statuses(again).slice(0, 3)).toEqual(Array(3).fill("REPLAYED"));
    expect(await shop.unitsOf(sku)).toEqual({ available: 8, held: 0 });
    expect(again.map(({ onHand }) => onHand)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

test("bulk requests leave room in the queue for a sale", async () => {
  const sku = await narrow.stock(1_000);
  const lines = Array.from({ length: 2_000 }, (_, i) => ({ sku: `bulk-${i % 100}`, delta: 1 }));
  const bulks = Array.from({ length: 4 }, () => sendBulk(narrow.api.url, lines));
  const reserves: number[] = [];
  let over = false;
  const all = Promise.all(bulks).finally(() => {
    over = true;
  });
  while (!over) {
    const wishes = Array.from({ length: 5 }, () =>
      narrow.reserve({ sku, qty: 1, user_id: "u", idempotency_key: fresh("key") }),
    );
    for (const { status } of await Promise.all(wishes)) reserves.push(status);
  }
  expect(reserves.length).toBeGreaterThan(10);
  expect(new Set(reserves)).toEqual(new Set([201]));
  for (const { results } of await all) {
    expect(results.every(({ status }) => status === "APPLIED")).toBe(true);
  }
});
