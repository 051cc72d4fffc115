import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { fresh } from "../shop.ts";
import { type BackOffice, invalid, objectOf, openBackOffice } from "./back-office.ts";
import { BAD_CODES, badTexts } from "./bad-values.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
  await office.post("/v1/products", { sku: "tea", name: "Tea" });
});
afterAll(() => office.close());

/** Members of a product, as JSON texts. */
type Texts = Record<string, string | undefined>;

const refusedPost = (texts: Texts, ...pointers: string[]) =>
  office.expectRefused(
    () =>
      office.post(
        "/v1/products",
        objectOf({ sku: JSON.stringify(fresh("sku")), name: '"n"', ...texts }),
      ),
    invalid(...pointers),
  );

/** A member that a product is made with, and replaced by, is bad for both. */
async function refusedBoth(texts: Texts, ...pointers: string[]) {
  await refusedPost(texts, ...pointers);
  await office.expectRefused(
    () => office.put("/v1/products/tea", objectOf({ name: '"n"', ...texts })),
    invalid(...pointers),
  );
}

describe("a sku is refused that is", () => {
  test.each(BAD_CODES.map((text) => [text]))("%s", (text) => refusedPost({ sku: text }, "#/sku"));

  test("the name of a list", () => refusedPost({ sku: '"totals"' }, "#/sku"));

  test.each(["a%20b", "a%3Ab", "a%40main", "%F0%9F%93%B1", "a".repeat(65), "a%00b"])(
    "%s, in an address",
    async (sku) => {
      const path = `/v1/products/${sku}`;
      const refusal = invalid("{sku}");
      await office.expectRefused(() => office.get(path), refusal);
      await office.expectRefused(() => office.put(path, { name: "n" }), refusal);
      await office.expectRefused(() => office.remove(path), refusal);
      await office.expectRefused(() => office.get(`${path}/movements`), refusal);
    },
  );
});

describe("a text of a product is refused", () => {
  const LENGTHS = { name: 200, description: 2_000, category: 100, location: 100 };
  test.each(Object.entries(LENGTHS))("as its %s", async (member, most) => {
    const too_long = JSON.stringify("🛒".repeat(most + 1));
    for (const text of [...badTexts(most), too_long]) {
      await refusedBoth({ [member]: text }, `#/${member}`);
    }
  });
});

describe("a price is refused that is", () => {
  test.each(
    '-0.01 -1 0.001 4.955 1e400 1000000000000 null true [] {} "4.95"'
      .split(" ")
      .map((text) => [text]),
  )("%s", (text) => refusedBoth({ price: text }, "#/price"));
});

describe("an initial stock is refused that is", () => {
  test.each('-1 0.5 1000000001 1e400 null true [] {} "5"'.split(" ").map((text) => [text]))(
    "%s",
    (text) => refusedPost({ initialOnHand: text }, "#/initialOnHand"),
  );

  test("in a replacement, where there is none", () =>
    office.expectRefused(
      () => office.put("/v1/products/tea", { name: "n", initialOnHand: 5 }),
      invalid("#/initialOnHand"),
    ));
});

describe("a body of a product is refused that", () => {
  test("has nothing", async () => {
    await office.expectRefused(() => office.post("/v1/products", {}), invalid("#/sku", "#/name"));
    await office.expectRefused(() => office.put("/v1/products/tea", {}), invalid("#/name"));
  });

  test.each(["version", "Name", "initial_on_hand", "__proto__", ""])(
    "has a member %p, which there is not",
    (name) => refusedBoth({ [name]: "5" }, `#/${name}`),
  );

  test.each(["[]", '"x"', "5", "null"])("is %s", async (text) => {
    await office.expectRefused(() => office.post("/v1/products", text), invalid("#"));
    await office.expectRefused(() => office.put("/v1/products/tea", text), invalid("#"));
  });

  test("is bad in several places, all at once", () =>
    refusedPost(
      { sku: '"a b"', name: "5", price: "-1", initialOnHand: "-1", more: "1" },
      "#/sku",
      "#/name",
      "#/initialOnHand",
      "#/price",
      "#/more",
    ));

  test("is not there", async () => {
    const refusal = { status: 415, code: "UNSUPPORTED_MEDIA_TYPE" };
    await office.expectRefused(() => office.post("/v1/products"), refusal);
    await office.expectRefused(() => office.put("/v1/products/tea"), refusal);
  });
});

describe("a header of a write of a product is refused that is", () => {
  const writes = (sent: Record<string, string | null>) => [
    () => office.put("/v1/products/tea", { name: "n" }, sent),
    () => office.remove("/v1/products/tea", sent),
  ];

  test("no Idempotency-Key", async () => {
    const refusal = { status: 400, code: "IDEMPOTENCY_KEY_MISSING" };
    const body = { sku: fresh("sku"), name: "n" };
    const post = () => office.post("/v1/products", body, { key: null });
    for (const write of [post, ...writes({ key: null })]) {
      await office.expectRefused(write, refusal);
    }
  });

  test.each(['"key', "k".repeat(256)])("the Idempotency-Key %s", async (key) => {
    const refusal = { status: 400, code: "INVALID_REQUEST" };
    const body = { sku: fresh("sku"), name: "n" };
    const post = () => office.post("/v1/products", body, { key });
    for (const write of [post, ...writes({ key })]) await office.expectRefused(write, refusal);
  });

  test.each(["-1", '"a"', 'W/"1"', '"1", "2"', '""', "1.5"])("the If-Match %s", async (version) => {
    const refusal = { status: 400, code: "INVALID_REQUEST" };
    for (const write of writes({ "if-match": version })) {
      await office.expectRefused(write, refusal);
    }
  });
});

describe("a parameter of a list of products is refused that is", () => {
  const WHOLE = ["", "-1", "1.5", "a", "1e2", "0x1", "01", "%201", "99999999999999999999"];
  const cases: [path: string, name: string, values: string[]][] = [
    ["/v1/products", "limit", [...WHOLE, "0", "201"]],
    ["/v1/products", "offset", [...WHOLE, "10000001"]],
    ["/v1/products", "q", ["", "a%00b", "%0A", "a".repeat(201)]],
    ["/v1/products/totals", "page", [...WHOLE, "0", "10000001"]],
    ["/v1/products/totals", "size", [...WHOLE, "0", "201"]],
    ["/v1/products/totals", "q", ["", "a%00b", "%0A", "a".repeat(201)]],
    ["/v1/products", "cursor", ["x"]],
    ["/v1/products/totals", "limit", ["5"]],
    ["/v1/products/tea", "storeId", ["main"]],
  ];
  const all = cases.flatMap(([path, name, values]) =>
    values.map((value) => [path, name, value] as const),
  );
  test.each(all)("%s?%s=%s", (path, name, value) =>
    office.expectRefused(() => office.get(`${path}?${name}=${value}`), invalid(`?${name}`)),
  );

  test("given twice", async () => {
    await office.expectRefused(() => office.get("/v1/products?q=a&q=b"), invalid("?q"));
    await office.expectRefused(() => office.get("/v1/products?limit=1&limit=2"), invalid("?limit"));
  });

  test("not in its bounds, while those at them are fine", async () => {
    for (const path of [
      "/v1/products?limit=1&offset=0",
      "/v1/products?limit=200&offset=10000000",
      "/v1/products/totals?page=1&size=1",
      "/v1/products/totals?page=10000000&size=200",
      `/v1/products?q=${"a".repeat(200)}`,
    ]) {
      expect((await office.get(path)).status).toBe(200);
    }
  });
});

test("the list of totals can't be written to", async () => {
  const refusal = { status: 405, code: "METHOD_NOT_ALLOWED" };
  await office.expectRefused(() => office.put("/v1/products/totals", { name: "n" }), refusal);
  await office.expectRefused(() => office.remove("/v1/products/totals"), refusal);
});
