import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startApi } from "../../setup/api.ts";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { callsTo } from "./back-office.ts";
import { WRITES } from "./writes.ts";

let shop: Shop;
let other: Awaited<ReturnType<typeof startApi>>;
let calls: ReturnType<typeof callsTo>;
beforeAll(async () => {
  const request_budget_ms = 20_000; // what is asked here must be answered, however slow the machine
  shop = await openShop({ request_budget_ms });
  const [redisUrl, databaseUrl] = [shop.redis.url, shop.database.url];
  other = await startApi({ redisUrl, databaseUrl, request_budget_ms });
  calls = callsTo(shop.api.url);
});
afterAll(async () => {
  await other.close();
  await shop.close();
});

describe.each(WRITES)("%s under one key", (_, prepare) => {
  test("gives the first answer again, byte for byte, and has no second effect", async () => {
    const { path, body } = await prepare(shop);
    const key = fresh("key");
    const first = await calls.post(path, body, { key });
    expect(first.status).toBe(202);
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    const before = await dump(shop.api.redis);
    const again = await calls.post(path, body, { key: `"${key}"` });
    expect(again.status).toBe(202);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("is the same request in another order, with other white space", async () => {
    const { path, body } = await prepare(shop);
    const key = fresh("key");
    const first = await calls.post(path, body, { key });
    const again = await calls.post(path, `\n ${JSON.stringify(reversed(body), null, 3)}\t`, {
      key,
    });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  });

  test("is refused for any other request, without effect", async () => {
    const { path, body, others } = await prepare(shop);
    const key = fresh("key");
    expect((await calls.post(path, body, { key })).status).toBe(202);
    const before = await dump(shop.api.redis);
    expect(Object.keys(others).length).toBeGreaterThan(1);
    for (const different of Object.values(others)) {
      const refused = await calls.post(path, different, { key });
      expectProblem(refused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
      expect(refused.headers.get("idempotent-replayed")).toBeNull();
    }
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("asked 50 times at once of two processes has one effect and 50 equal answers", async () => {
    const { path, body, events } = await prepare(shop);
    const key = fresh("key");
    const before = await shop.api.redis.xlen("inventory.events");
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        callsTo(i % 2 ? other.url : shop.api.url).post(path, body, { key }),
      ),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(202);
    expect(await shop.api.redis.xlen("inventory.events")).toBe(before + events);
    const firsts = answers.filter(({ headers }) => headers.get("idempotent-replayed") === null);
    expect(firsts.length).toBeGreaterThanOrEqual(1);
    expect(firsts.length).toBeLessThanOrEqual(events);
  });
});

describe("a key is free again after a refusal", () => {
  test("of an adjustment: too few, then more came, then taken", async () => {
    const key = fresh("key");
    const taken = { sku: await shop.stock(1), delta: -3, reason: "sale" };
    const refused = await calls.post("/v1/adjustments", taken, { key });
    expect([refused.status, refused.body.code]).toEqual([409, "WOULD_GO_NEGATIVE"]);
    await calls.post("/v1/adjustments", { ...taken, delta: 2, reason: "receipt" });
    const done = await calls.post("/v1/adjustments", taken, { key });
    expect(done.status).toBe(202);
    expect(done.headers.get("idempotent-replayed")).toBeNull();
  });

  test("of a purchase, and for another request too", async () => {
    const key = fresh("key");
    const sku = await shop.stock(2);
    expect((await calls.post("/v1/purchase", { sku, qty: 3 }, { key })).status).toBe(409);
    expect((await calls.post("/v1/purchase", { sku, qty: 2 }, { key })).status).toBe(202);
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
  });
});

test("one word may be the key of one request of each kind", async () => {
  const key = fresh("key");
  for (const [, prepare] of WRITES) {
    const { path, body } = await prepare(shop);
    expect((await calls.post(path, body, { key })).status).toBe(202);
  }
});

function reversed(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(reversed).reverse();
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, member]) => [name, reversed(member)] as const)
      .reverse(),
  );
}
