import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type BackOffice, type Items, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
  const names = ["Green tea", "green TEA, 2nd", "Coffee", "100% cocoa", "a_b", "back\\slash"];
  for (const [i, name] of names.entries()) {
    const { status } = await office.post("/v1/products", { sku: `p-${i}`, name, price: i });
    if (status !== 202) throw new Error(name);
  }
  for (let i = 0; i < 5; i += 1) {
    await office.post("/v1/products", { sku: `Zz.${i}`, name: `Last ${i}` });
  }
});
afterAll(() => office.close());

const skusOf = (items: unknown) => (items as Items).map(({ sku }) => sku); // what a list answers

describe("the list of products", () => {
  test("has all of them, each as it is shown alone", async () => {
    const { body, headers } = await office.get("/v1/products");
    expect(body).toMatchObject({ total: 11, limit: 50, offset: 0 });
    expect(skusOf(body.items)).toEqual(skusOf(body.items).sort());
    for (const item of body.items as Items) {
      const { stock: _, ...alone } = (await office.get(`/v1/products/${item.sku}`)).body;
      expect(item).toEqual(alone);
    }
    expect(headers.get("x-projection-lag-ms")).toBe("0");
  });

  test("is paged to its end, and beyond it is empty and knows the total", async () => {
    const all = skusOf((await office.get("/v1/products")).body.items);
    const paged: unknown[] = [];
    for (let offset = 0; offset < 12; offset += 4) {
      const { body } = await office.get(`/v1/products?limit=4&offset=${offset}`);
      expect(body).toMatchObject({ total: 11, limit: 4, offset });
      paged.push(...skusOf(body.items));
    }
    expect(paged).toEqual(all);
    const { body } = await office.get("/v1/products?limit=4&offset=11");
    expect(body).toEqual({ items: [], total: 11, limit: 4, offset: 11 });
  });

  test.each([
    ["tea", ["p-0", "p-1"]],
    ["TEA,", ["p-1"]],
    ["P-2", ["p-2"]],
    ["%", ["p-3"]],
    ["_", ["p-4"]],
    ["\\", ["p-5"]],
    ["zz.", ["Zz.0", "Zz.1", "Zz.2", "Zz.3", "Zz.4"]],
    ["nothing like it", []],
  ])("is searched for %s", async (q, expected) => {
    const path = `/v1/products?q=${encodeURIComponent(q)}`;
    const { body } = await office.get(path);
    expect([new Set(skusOf(body.items)), body.total]).toEqual([new Set(expected), expected.length]);
    const { body: totals } = await office.get(path.replace("?", "/totals?"));
    expect([skusOf(totals.items), totals.total]).toEqual([skusOf(body.items), expected.length]);
  });

  test("is a 304 until one changes", async () => {
    const first = await office.get("/v1/products");
    const etag = String(first.headers.get("etag"));
    const same = await office.get("/v1/products", { "if-none-match": etag });
    expect([same.status, same.text, same.headers.get("etag")]).toEqual([304, "", etag]);
    await office.put("/v1/products/p-2", { name: "Coffee, ground" });
    expect((await office.get("/v1/products", { "if-none-match": etag })).status).toBe(200);
  });
});

describe("a product", () => {
  test("is shown with its stock in each store, from Redis, before anything is recorded", async () => {
    await office.shop.api.redis.set("stock:p-0", 10);
    await office.adjust("p-0", "north", 5);
    const reservation = { lines: [{ sku: "p-0", qty: 2 }] };
    expect((await office.post("/v1/reservations", reservation)).status).toBe(202);
    const { status, headers, body } = await office.get("/v1/products/p-0");
    expect([status, headers.get("x-projection-lag-ms")]).toEqual([200, "0"]);
    expect(body).toMatchObject({ sku: "p-0", name: "Green tea", price: 0, version: 1 });
    const lastEventAt = expect.stringMatching(/Z$/);
    const main = { onHand: 10, reserved: 2, available: 8, level: "LOW", version: 1 };
    const north = { onHand: 5, reserved: 0, available: 5, level: "LOW", version: 1 };
    expect(body.stock).toEqual({
      totalAvailable: 13,
      level: "IN_STOCK",
      perStore: [
        { sku: "p-0", storeId: "main", ...main, lastEventAt },
        { sku: "p-0", storeId: "north", ...north, lastEventAt },
      ],
    });
    const { body: alone } = await office.get("/v1/availability?sku=p-0");
    expect(alone).toEqual({ sku: "p-0", ...(body.stock as object) });
  });

  test("is a 304 until it or its stock changes", async () => {
    const ask = (etag: string) => office.get("/v1/products/p-2", { "if-none-match": etag });
    let etag = String((await ask("")).headers.get("etag"));
    expect((await ask(etag)).status).toBe(304);
    expect((await ask(`W/${etag}, "other"`)).status).toBe(304);
    await office.adjust("p-2", "main", 1);
    const stocked = await ask(etag);
    expect(stocked.status).toBe(200);
    etag = String(stocked.headers.get("etag"));
    await office.put("/v1/products/p-2", { name: "Coffee, whole" });
    expect((await ask(etag)).status).toBe(200);
  });
});

describe("the totals", () => {
  test("sum up all stores of each product, as recorded, with the lag of that", async () => {
    await office.record();
    await office.adjust("p-3", "north", 3);
    await office.adjust("p-3", "south", 4);
    await office.post("/v1/reservations", { storeId: "south", lines: [{ sku: "p-3", qty: 2 }] });
    const late = await office.get("/v1/products/totals?q=p-3");
    expect(late.body.items).toEqual([
      { sku: "p-3", name: "100% cocoa", totalOnHand: 0, totalReserved: 0, totalAvailable: 0 },
    ]);
    expect(Number(late.headers.get("x-projection-lag-ms"))).toBeGreaterThan(0);
    await office.record();
    const { body, headers } = await office.get("/v1/products/totals?q=p-3");
    expect(body).toEqual({
      items: [
        { sku: "p-3", name: "100% cocoa", totalOnHand: 7, totalReserved: 2, totalAvailable: 5 },
      ],
      ...{ page: 1, size: 50, total: 1 },
    });
    expect(headers.get("x-projection-lag-ms")).toBe("0");
    const { etag = "" } = Object.fromEntries(headers);
    const same = await office.get("/v1/products/totals?q=p-3", { "if-none-match": etag });
    expect([same.status, same.headers.get("x-projection-lag-ms")]).toEqual([304, "0"]);
  });

  test("are paged to their end", async () => {
    const all = skusOf((await office.get("/v1/products/totals")).body.items);
    expect(all).toHaveLength(11);
    const paged: unknown[] = [];
    for (let page = 1; page <= 4; page += 1) {
      const { body } = await office.get(`/v1/products/totals?page=${page}&size=3`);
      expect(body).toMatchObject({ page, size: 3, total: 11 });
      paged.push(...skusOf(body.items));
    }
    expect(paged).toEqual(all);
    const { body } = await office.get("/v1/products/totals?page=5&size=3");
    expect(body).toEqual({ items: [], page: 5, size: 3, total: 11 });
  });
});
