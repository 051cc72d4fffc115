import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 5_000 });
});
afterAll(() => office.close());

const path = (sku: string) => `/v1/rules/${sku}`;

test("skus with rules are listed in their order, and those that are paused alone", async () => {
  const [first, second, third] = ["a", "b", "c"].map((letter) => fresh(letter));
  for (const sku of [third, first]) await office.put(path(String(sku)), { paused: true });
  await office.put(path(String(second)), { maxPerOrder: 2 });
  await office.put(path(String(third)), { maxPerOrder: 3 });
  const list = async (query: string) => Object((await office.get(`/v1/rules?${query}`)).body);
  await office.record();
  expect((await list("limit=200")).items).toMatchObject([
    { sku: first, paused: true, version: expect.any(Number) },
    { sku: second, maxPerOrder: 2 },
    { sku: third, maxPerOrder: 3 },
  ]);
  const { items: paused, nextCursor } = await list("paused=true&limit=1");
  expect(paused).toMatchObject([{ sku: first, paused: true }]);
  expect(nextCursor).toBeNull();
  const { nextCursor: behind } = await list("limit=2");
  expect((await list(`limit=2&cursor=${behind}`)).items).toMatchObject([{ sku: third }]);
  expect((await office.get("/v1/rules?paused=false")).status).toBe(400);
});
