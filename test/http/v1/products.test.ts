import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startApi } from "../../setup/api.ts";
import { query } from "../../worker/query.ts";
import { expectProblem } from "../expect-problem.ts";
import { type Answer, fresh } from "../shop.ts";
import { type BackOffice, callsTo, openBackOffice } from "./back-office.ts";

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let office: BackOffice;
let other: Awaited<ReturnType<typeof startApi>>;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
  other = await startApi({
    redisUrl: office.shop.redis.url,
    databaseUrl: office.shop.database.url,
    request_budget_ms: 20_000,
  });
});
afterAll(async () => {
  await other.close();
  await office.close();
});

const FULL = { description: "First harvest.", price: 4.95, category: "tea", location: "aisle 7" };

/** Makes a product and returns its sku. */
async function made(more: Record<string, unknown> = {}): Promise<string> {
  const sku = fresh("sku");
  const { status, text } = await office.post("/v1/products", { sku, name: "Tea", ...more });
  if (status !== 202) throw new Error(text);
  return sku;
}

const unitsIn = async (sku: string, store: string) =>
  Number(
    await office.shop.api.redis.get(store === "main" ? `stock:${sku}` : `stock:${sku}@${store}`),
  );
/** Where its initial stock went. */
const storeOf = (answer: Answer | undefined) =>
  String((answer?.body.initialStock as { storeId?: unknown } | undefined)?.storeId); // or "undefined"
const promises = (sku: string) =>
  query(office.shop.database.url, "select * from initial_stocks where sku = $1", [sku]);
const eventsOf = async (sku: string) =>
  (await office.shop.api.redis.xrange("inventory.events", "-", "+")).filter(([, fields]) =>
    fields.join(" ").includes(`"sku":"${sku}"`),
  );

describe("a product is made", () => {
  test("with no more than a name", async () => {
    const sku = fresh("sku");
    const { status, headers, body } = await office.post("/v1/products", { sku, name: "Tea" });
    expect(status).toBe(202);
    expect(body).toEqual({
      sku,
      name: "Tea",
      version: 1,
      createdAt: expect.stringMatching(ISO_TIME),
      updatedAt: body.createdAt,
    });
    expect(headers.get("location")).toBe(`/v1/products/${sku}`);
    expect(headers.get("idempotent-replayed")).toBeNull();
    expect(await unitsIn(sku, "main")).toBe(0);
    expect(await office.shop.api.redis.exists(`stock:${sku}`)).toBe(0);
  });

  test("with everything, and found so", async () => {
    const sku = fresh("sku");
    const answer = await office.post("/v1/products", { sku, name: "Tea", ...FULL });
    expect(answer.body).toMatchObject({ sku, name: "Tea", ...FULL, version: 1 });
    const { body } = await office.get(`/v1/products/${sku}`);
    expect(body).toEqual({
      ...answer.body,
      stock: { totalAvailable: 0, level: "SOLD_OUT", perStore: [] },
    });
  });

  test("with the longest texts and the greatest numbers", async () => {
    const most = {
      sku: "s".repeat(64),
      name: "🛒".repeat(200),
      description: "d".repeat(2_000),
      category: "c".repeat(100),
      location: "l".repeat(100),
      price: 999_999_999_999.99,
    };
    const { status, body } = await office.post("/v1/products", {
      ...most,
      initialOnHand: 1_000_000_000,
    });
    expect([status, body]).toEqual([202, expect.objectContaining(most)]);
    expect(body.initialStock).toMatchObject({ onHand: 1_000_000_000 });
  });

  test.each([0, 0.01, 0.07, 19.99, 4.35, 123_456_789.12])("with the price %d", async (price) => {
    const sku = await made({ price });
    expect((await office.get(`/v1/products/${sku}`)).body.price).toBe(price);
  });

  test("without stock when initialOnHand is 0", async () => {
    const sku = fresh("sku");
    const { body } = await office.post("/v1/products", { sku, name: "Tea", initialOnHand: 0 });
    expect(body).not.toHaveProperty("initialStock");
    expect(await office.shop.api.redis.exists(`stock:${sku}`)).toBe(0);
    expect(await promises(sku)).toEqual([]);
  });

  test("once: another one of the same sku is refused, and its key may be used again", async () => {
    const sku = await made();
    const key = fresh("key");
    const refused = await office.post(
      "/v1/products",
      { sku, name: "Other", initialOnHand: 5 },
      { key },
    );
    expectProblem(refused, { status: 409, code: "PRODUCT_EXISTS", members: { sku } });
    expect(await office.shop.api.redis.exists(`stock:${sku}`)).toBe(0);
    expect(await promises(sku)).toEqual([]);
    const next = await office.post("/v1/products", { sku: fresh("sku"), name: "Other" }, { key });
    expect(next.status).toBe(202);
  });
});

describe("the initial stock", () => {
  test("goes where there is least, is in Redis at once, and in the ledger once", async () => {
    await office.adjust(fresh("sku"), "main", 900_000);
    await office.adjust(fresh("sku"), "emptier", 3);
    await office.record();
    const sku = fresh("sku");
    const { body } = await office.post("/v1/products", { sku, name: "Tea", initialOnHand: 7 });
    expect(body.initialStock).toEqual({ storeId: "emptier", onHand: 7 });
    expect(await unitsIn(sku, "emptier")).toBe(7);
    expect(await promises(sku)).toHaveLength(1);
    await office.record();
    expect(await promises(sku)).toEqual([]);
    const { body: movements } = await office.get(`/v1/products/${sku}/movements`);
    expect(movements.items).toEqual([
      expect.objectContaining({
        kind: "STOCK_ADJUSTED",
        reason: "receipt",
        onHandDelta: 7,
        storeId: "emptier",
        actor: "api",
      }),
    ]);
  });

  test("of a sku that was stocked before is added to it", async () => {
    const sku = fresh("sku");
    for (const store of ["main", "emptier"]) await office.adjust(sku, store, 10);
    const answer = await office.post("/v1/products", { sku, name: "Tea", initialOnHand: 5 });
    expect(await unitsIn(sku, storeOf(answer))).toBe(15);
  });
});

describe("a product that is asked for again", () => {
  const wish = () => ({ sku: fresh("sku"), name: "Tea", ...FULL, initialOnHand: 9 });

  test("under the same key is the same one, in the same words", async () => {
    const body = wish();
    const key = fresh("key");
    const first = await office.post("/v1/products", body, { key });
    const reordered = Object.fromEntries(Object.entries(body).reverse());
    const again = await office.post("/v1/products", reordered, { key: `"${key}"` });
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    const storeId = storeOf(first);
    expect(await unitsIn(body.sku, storeId)).toBe(9);
    await office.record();
    expect((await office.post("/v1/products", body, { key })).text).toBe(first.text);
    expect(await eventsOf(body.sku)).toHaveLength(1);
  });

  test.each([
    ["name", { name: "Coffee" }],
    ["sku", { sku: "another" }],
    ["description", { description: undefined }],
    ["price", { price: 4.96 }],
    ["category", { category: "coffee" }],
    ["location", { location: "aisle 8" }],
    ["initialOnHand", { initialOnHand: 8 }],
    ["initialOnHand, left out", { initialOnHand: undefined }],
  ])("under the same key with another %s is refused", async (_, change) => {
    const body = wish();
    const key = fresh("key");
    await office.post("/v1/products", body, { key });
    const reused = await office.post("/v1/products", { ...body, ...change }, { key });
    expectProblem(reused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
  });

  test("20 times at once, of two processes, is made once and stocked once", async () => {
    const body = wish();
    const key = fresh("key");
    const there = callsTo(other.url);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? office : there).post("/v1/products", body, { key }),
      ),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(202);
    const fresh_ones = answers.filter(({ headers }) => !headers.has("idempotent-replayed"));
    expect(fresh_ones).toHaveLength(1);
    const storeId = storeOf(answers[0]);
    expect(await unitsIn(body.sku, storeId)).toBe(9);
    expect(await eventsOf(body.sku)).toHaveLength(1);
    await office.record();
    const { body: shown } = await office.get(`/v1/products/${body.sku}`);
    expect(shown.stock).toMatchObject({ totalAvailable: 9, perStore: [{ version: 1 }] });
  });

  test("20 times at once under 20 keys is made once and refused 19 times", async () => {
    const body = wish();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => office.post("/v1/products", body)),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 202)) {
      const members = { sku: body.sku };
      expectProblem(answer, { status: 409, code: "PRODUCT_EXISTS", members });
    }
    expect(await eventsOf(body.sku)).toHaveLength(1);
  });

  test("when it is deleted since has its first answer, and brings no stock", async () => {
    const body = wish();
    const key = fresh("key");
    const first = await office.post("/v1/products", body, { key });
    const storeId = storeOf(first);
    await office.adjust(body.sku, storeId, -9);
    expect((await office.remove(`/v1/products/${body.sku}`)).status).toBe(202);
    expect((await office.post("/v1/products", body, { key })).text).toBe(first.text);
    expect(await unitsIn(body.sku, storeId)).toBe(0);
    expect((await office.get(`/v1/products/${body.sku}`)).status).toBe(404);
  });
});

describe("a product is replaced", () => {
  test("whole: what is left out is gone", async () => {
    const sku = await made(FULL);
    const { status, body } = await office.put(`/v1/products/${sku}`, { name: "Coffee", price: 5 });
    expect(status).toBe(202);
    expect(body).toEqual({
      sku,
      name: "Coffee",
      price: 5,
      version: 2,
      createdAt: expect.stringMatching(ISO_TIME),
      updatedAt: expect.stringMatching(ISO_TIME),
    });
    expect(String(body.updatedAt) > String(body.createdAt)).toBe(true);
    const { stock: _, ...shown } = (await office.get(`/v1/products/${sku}`)).body;
    expect(shown).toEqual(body);
  });

  test.each(['"1"', "1", "*"])("when If-Match is %s, its version", async (version) => {
    const sku = await made();
    const sent = { "if-match": version };
    const { status, body } = await office.put(`/v1/products/${sku}`, { name: "New" }, sent);
    expect([status, body.version]).toEqual([202, 2]);
  });

  test.each(['"1"', '"3"', '"0"'])("not when If-Match is %s and it is at 2", async (version) => {
    const sku = await made();
    await office.put(`/v1/products/${sku}`, { name: "Second" });
    const sent = { "if-match": version };
    const refused = await office.put(`/v1/products/${sku}`, { name: "Third" }, sent);
    expectProblem(refused, {
      status: 409,
      code: "VERSION_CONFLICT",
      members: { sku, version: 2 },
    });
    expect((await office.get(`/v1/products/${sku}`)).body).toMatchObject({ name: "Second" });
  });

  test("20 times at once from one version by one of them", async () => {
    const sku = await made();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        office.put(`/v1/products/${sku}`, { name: `Name ${i}` }, { "if-match": '"1"' }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([202, ...Array(19).fill(409)]);
    const { body } = await office.get(`/v1/products/${sku}`);
    expect(body).toMatchObject(answers.find(({ status }) => status === 202)?.body ?? {});
  });

  test("once under one key, though it has changed since", async () => {
    const sku = await made();
    const key = fresh("key");
    const sent = { key, "if-match": '"1"' };
    const first = await office.put(`/v1/products/${sku}`, { name: "Second" }, sent);
    await office.put(`/v1/products/${sku}`, { name: "Third" });
    const again = await office.put(`/v1/products/${sku}`, { name: "Second" }, sent);
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await office.get(`/v1/products/${sku}`)).body).toMatchObject({ name: "Third" });
  });

  test("under a used key only as it was asked for then", async () => {
    const [sku, another] = [await made(), await made()];
    const key = fresh("key");
    await office.put(`/v1/products/${sku}`, { name: "Second" }, { key });
    const reuses = [
      office.put(`/v1/products/${sku}`, { name: "Third" }, { key }),
      office.put(`/v1/products/${another}`, { name: "Second" }, { key }),
      office.put(`/v1/products/${sku}`, { name: "Second" }, { key, "if-match": '"1"' }),
    ];
    for (const reused of await Promise.all(reuses)) {
      expectProblem(reused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
    }
  });

  test("not when there is none", async () => {
    const sku = fresh("sku");
    expectProblem(await office.put(`/v1/products/${sku}`, { name: "Tea" }), {
      status: 404,
      code: "PRODUCT_NOT_FOUND",
      members: { sku },
    });
  });
});
