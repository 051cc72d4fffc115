import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createCounts } from "../../../src/redis/counts.ts";
import { createCounter } from "../../../worker/counter.ts";
import { openAuditor } from "../../worker/audit-side.ts";
import { type BackOffice, invalid, openBackOffice } from "./back-office.ts";

let office: BackOffice;
let auditor: Awaited<ReturnType<typeof openAuditor>>;
beforeAll(async () => {
  office = await openBackOffice();
  const { redis, database } = office.shop;
  auditor = await openAuditor({ redisUrl: redis.url, databaseUrl: database.url });
});
afterAll(async () => {
  await auditor.close();
  await office.close();
});
const ISO_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

async function audited() {
  await office.record();
  await auditor.lookAround();
  const { status, body } = await office.get("/v1/audit?sku=tea");
  expect(status).toBe(200);
  return body.items;
}

test("a count that drifts is told with a recount, which puts it right", async () => {
  const { redis, keys, batcher, pool } = office.shop.api;
  await office.adjust("tea", "main", 10);
  expect((await office.put("/v1/rules/tea", { maxPerCustomer: 5 })).status).toBe(202);
  const bought = { sku: "tea", qty: 2, user_id: "ann", idempotency_key: "ann-1" };
  expect((await office.shop.reserve(bought)).status).toBe(201);
  await redis.hset(keys.customers, "tea ann", "5 1");
  const recount = { sku: "tea", customerId: "ann" };
  const told = {
    ...{ sku: "tea", storeId: null, customerId: "ann", kind: "CUSTOMER_COUNT", alarm: true },
    ...{ ledgerSays: "2 1", redisSays: "5 1", foundAt: ISO_TIME, lastSeenAt: ISO_TIME },
    ...{ advice: expect.stringContaining("recount"), recount, recountRequested: false },
  };
  expect(await audited()).toEqual([told]);

  const asked = await office.post("/v1/audit:recount", recount, { key: "recount-1" });
  expect([asked.status, asked.body]).toEqual([202, { sku: "tea", customers: 1 }]);
  const again = await office.post("/v1/audit:recount", recount, { key: "recount-1" });
  expect([again.status, again.body]).toEqual([202, { sku: "tea", customers: 1 }]);
  expect(await audited()).toEqual([]);
  await createCounter({ pool, counts: createCounts({ batcher, redis, keys }) }).runOnce();
  expect(await redis.hget(keys.customers, "tea ann")).toBe("2 1");
  expect(await audited()).toEqual([]);
  await office.expectRefused(() => office.post("/v1/audit:recount", { sku: "tea" }), {
    ...{ status: 404, code: "NOT_FOUND" },
  });
});

test("rules that drift are told, and gone when they were PUT again", async () => {
  const { redis, keys } = office.shop.api;
  await redis.hset(keys.rules, "tea", "version=9 counts=1 paused=1");
  expect(await audited()).toMatchObject([
    {
      ...{ kind: "RULES", storeId: null, customerId: null, recount: null },
      redisSays: "version=9 counts=1 paused=1",
    },
  ]);
  expect((await office.put("/v1/rules/tea", { maxPerCustomer: 5 })).status).toBe(202);
  expect(await audited()).toEqual([]);
});

test.each([
  [{}, "#/sku"],
  [{ sku: "a b" }, "#/sku"],
  [{ sku: "tea", customerId: "" }, "#/customerId"],
])("a recount is refused with %j", (body, pointer) =>
  office.expectRefused(() => office.post("/v1/audit:recount", body), invalid(pointer)),
);
