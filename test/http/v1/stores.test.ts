import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { query } from "../../worker/query.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, type Items, invalid, objectOf, openBackOffice } from "./back-office.ts";
import { BAD_CODES, badTexts } from "./bad-values.ts";

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 3_000 });
});
afterAll(() => office.close());

const registered = (storeId: string) => office.shop.api.redis.hget("inventory.stores", storeId);
async function listed(storeId: string) {
  const { body } = await office.get("/v1/stores");
  return (body.items as Items).find((store) => store.storeId === storeId); // what a list answers
}

test("the default store is listed before anybody has named it", async () => {
  const { status, body } = await office.get("/v1/stores");
  const items = [{ storeId: "main", name: "main", latencyRank: 0, createdAt: null }];
  expect([status, body]).toEqual([200, { items }]);
});

describe("a store is made", () => {
  test("with a name, in Postgres and in Redis", async () => {
    const storeId = fresh("store");
    const { status, body } = await office.post("/v1/stores", { storeId, name: "North" });
    expect(status).toBe(202);
    const createdAt = expect.stringMatching(ISO_TIME);
    expect(body).toEqual({ storeId, name: "North", latencyRank: 0, createdAt });
    expect(await listed(storeId)).toEqual(body);
    expect(await registered(storeId)).toBe("0");
  });

  test.each([0, 1_000_000])("with the rank %d", async (latencyRank) => {
    const storeId = fresh("store");
    const body = { storeId, name: "n".repeat(200), latencyRank };
    expect((await office.post("/v1/stores", body)).body).toMatchObject(body);
    expect(await registered(storeId)).toBe(String(latencyRank));
  });

  test("and is known to every call at once", async () => {
    const storeId = fresh("store");
    const reservation = { storeId, lines: [{ sku: fresh("sku"), qty: 1 }] };
    const before = await office.post("/v1/reservations", reservation);
    expectProblem(before, { status: 404, code: "STORE_NOT_FOUND", members: { storeId } });
    await office.post("/v1/stores", { storeId, name: "North" });
    const after = await office.post("/v1/reservations", reservation);
    expect([after.status, after.body.code]).toEqual([404, "UNKNOWN_SKU"]);
  });

  test("by a change of stock, and is named later", async () => {
    const storeId = fresh("store");
    await office.adjust(fresh("sku"), storeId, 1);
    await office.record();
    const first = await listed(storeId);
    expect(first).toMatchObject({ name: storeId, latencyRank: 0 });
    const { body } = await office.post("/v1/stores", { storeId, name: "North", latencyRank: 7 });
    expect(body).toEqual({ ...first, name: "North", latencyRank: 7 });
    expect(await registered(storeId)).toBe("7");
  });
});

describe("a store is changed", () => {
  test("and keeps its rank when none is given", async () => {
    const storeId = fresh("store");
    const first = await office.post("/v1/stores", { storeId, name: "A", latencyRank: 7 });
    const second = await office.post("/v1/stores", { storeId, name: "B" });
    expect(second.body).toEqual({ ...first.body, name: "B" });
    expect(await listed(storeId)).toEqual(second.body);
    expect(await registered(storeId)).toBe("7");
  });

  test("even the default one", async () => {
    const { body } = await office.post("/v1/stores", { storeId: "main", name: "Main Street" });
    expect(body).toMatchObject({ name: "Main Street", createdAt: expect.stringMatching(ISO_TIME) });
    const { body: list } = await office.get("/v1/stores");
    expect((list.items as Items).filter(({ storeId }) => storeId === "main")).toEqual([body]);
  });

  test("to be taken from first, as its rank says", async () => {
    const sku = fresh("sku");
    const [near, far] = [fresh("store"), fresh("store")];
    for (const store of [near, far]) await office.adjust(sku, store, 5);
    const buy = async () => {
      const wish = { sku, qty: 1, policy: "lowest-latency" };
      return (await office.post("/v1/purchase", wish)).body.storeId;
    };
    await office.post("/v1/stores", { storeId: near, name: "Near", latencyRank: 1 });
    await office.post("/v1/stores", { storeId: far, name: "Far", latencyRank: 2 });
    expect(await buy()).toBe(near);
    await office.post("/v1/stores", { storeId: near, name: "Near", latencyRank: 3 });
    expect(await buy()).toBe(far);
  });
});

describe("a store that is asked for again", () => {
  test("under the same key is answered as the first time, and its newer rank stays", async () => {
    const storeId = fresh("store");
    const key = fresh("key");
    const first = await office.post("/v1/stores", { storeId, name: "A", latencyRank: 1 }, { key });
    await office.post("/v1/stores", { storeId, name: "B", latencyRank: 2 });
    const again = await office.post("/v1/stores", { storeId, name: "A", latencyRank: 1 }, { key });
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await listed(storeId)).toMatchObject({ name: "B", latencyRank: 2 });
    expect(await registered(storeId)).toBe("2");
  });

  test.each([
    ["storeId", { storeId: "other" }],
    ["name", { name: "Other" }],
    ["latencyRank", { latencyRank: 1 }],
  ])("under the same key with another %s is refused", async (_, change) => {
    const key = fresh("key");
    const body = { storeId: fresh("store"), name: "A" };
    await office.post("/v1/stores", body, { key });
    const reused = await office.post("/v1/stores", { ...body, ...change }, { key });
    expectProblem(reused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
  });

  test("20 times at once is one store and one answer", async () => {
    const key = fresh("key");
    const body = { storeId: fresh("store"), name: "A", latencyRank: 4 };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => office.post("/v1/stores", body, { key })),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(202);
    expect(answers.filter(({ headers }) => !headers.has("idempotent-replayed"))).toHaveLength(1);
  });

  test("after Redis was away is then told to Redis", async () => {
    const key = fresh("key");
    const body = { storeId: fresh("store"), name: "A", latencyRank: 4 };
    await office.shop.redis.stop();
    await office.shop.untilRedis("gone");
    const unknown = await office.post("/v1/stores", body, { key });
    const rows = await query(
      office.shop.database.url,
      "select latency_rank from stores where store_id = $1",
      [body.storeId],
    );
    await office.shop.startRedis();
    expectProblem(unknown, { status: 504, code: "OUTCOME_UNKNOWN" });
    expect(rows).toEqual([{ latency_rank: 4 }]);
    expect(await registered(body.storeId)).toBeNull();
    expect((await office.post("/v1/stores", body, { key })).status).toBe(202);
    expect(await registered(body.storeId)).toBe("4");
  });
});

describe("a store is refused that has", () => {
  const refused = (texts: Record<string, string | undefined>, ...pointers: string[]) =>
    office.expectRefused(
      () => office.post("/v1/stores", objectOf({ storeId: '"north"', name: '"N"', ...texts })),
      invalid(...pointers),
    );

  test.each(BAD_CODES.map((text) => [text]))("the id %s", (text) =>
    refused({ storeId: text }, "#/storeId"),
  );
  test.each(badTexts(200).map((text) => [text]))("the name %s", (text) =>
    refused({ name: text }, "#/name"),
  );
  test("a name of 201 characters", () => refused({ name: `"${"🛒".repeat(201)}"` }, "#/name"));
  test.each('-1 0.5 1000001 1e400 null true [] {} "5"'.split(" ").map((text) => [text]))(
    "the rank %s",
    (text) => refused({ latencyRank: text }, "#/latencyRank"),
  );
  test("nothing", () => refused({ storeId: undefined, name: undefined }, "#/storeId", "#/name"));
  test("a member that there is not", () => refused({ createdAt: '"now"' }, "#/createdAt"));
  test("no Idempotency-Key", () =>
    office.expectRefused(
      () => office.post("/v1/stores", { storeId: "north", name: "N" }, { key: null }),
      { status: 400, code: "IDEMPOTENCY_KEY_MISSING" },
    ));
});

describe("the list of stores", () => {
  test("is in the order of their ids, and a 304 until one changes", async () => {
    await office.post("/v1/stores", { storeId: "zz", name: "Z" });
    await office.record();
    const { headers, body } = await office.get("/v1/stores");
    const ids = (body.items as Items).map(({ storeId }) => storeId);
    expect(ids).toContain("zz");
    expect(ids).toEqual([...ids].sort());
    expect(headers.get("x-projection-lag-ms")).toBe("0");
    const etag = String(headers.get("etag"));
    const ask = () => office.get("/v1/stores", { "if-none-match": etag });
    expect((await ask()).status).toBe(304);
    await office.post("/v1/stores", { storeId: "zz", name: "ZZ" });
    expect((await ask()).status).toBe(200);
  });

  test.each(["limit", "cursor", "storeId"])("has no parameter %s", (name) =>
    office.expectRefused(() => office.get(`/v1/stores?${name}=1`), invalid(`?${name}`)),
  );
});
