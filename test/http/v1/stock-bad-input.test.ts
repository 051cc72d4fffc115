import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { type RawRequest, send } from "../raw.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { invalid, objectOf } from "./back-office.ts";
import { BAD_CHOICES, BAD_CODES, BAD_UNITS, badTexts, NO_NUMBERS } from "./bad-values.ts";

type Texts = Record<string, string | undefined>;

/** What refuses a request as a whole. */
const INVALID = { status: 400, code: "INVALID_REQUEST" };

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
  await shop.api.redis.set("stock:tea", 100);
});
afterAll(() => shop.close());

/** Sends it, and expects just this refusal and a Redis in which nothing has changed. */
async function expectRefused(
  request: RawRequest,
  refusal: Parameters<typeof expectProblem>[1],
): Promise<Headers> {
  const before = await dump(shop.api.redis);
  const answer = await send(shop.api.url, request);
  expectProblem(answer, refusal);
  expect(await dump(shop.api.redis)).toEqual(before);
  return answer.headers;
}

const headers = (more: RawRequest["headers"] = {}) => ({
  "Content-Type": "application/json",
  "Idempotency-Key": fresh("key"),
  ...more,
});

const UNITS = ["0", "-0", "-1", ...BAD_UNITS];
const DELTAS = ["0", "-0", "1000000001", "-1000000001", ...BAD_UNITS];
const ON_HANDS = ["-1", "1000000001", ...BAD_UNITS];
const TEXTS = badTexts(255);
const line = (texts: Texts) => `[${objectOf({ sku: '"tea"', qty: "1", ...texts })}]`;
const longList = (count: number) => `[${Array(count).fill('{"sku":"tea","qty":1}').join(",")}]`;
const LISTS = ["[]", longList(101), "{}", "null", '"x"', "5"];
/** Of 1,000 skus and one more. */
const TOO_MANY_SKUS = objectOf(
  Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`s${i}`, "1"])),
);

/** Of each route a good body, and for each place in it the texts that must not stand there. */
const ROUTES: {
  path: string;
  good: Texts;
  bad: Record<string, { put: (text: string) => Texts; texts: string[] }>;
  /** What must be there, in the order of the schema. */
  required: string[];
}[] = [
  {
    path: "/v1/reservations",
    good: { lines: line({}) },
    bad: {
      "#/lines": { put: (text) => ({ lines: text }), texts: LISTS },
      "#/lines/0": { put: (text) => ({ lines: `[${text}]` }), texts: ["5", "null", '"tea"', "[]"] },
      "#/lines/0/sku": { put: (sku) => ({ lines: line({ sku }) }), texts: BAD_CODES },
      "#/lines/0/qty": { put: (qty) => ({ lines: line({ qty }) }), texts: [...UNITS, "1001"] },
      "#/lines/0/storeId": {
        put: (storeId) => ({ lines: line({ storeId }) }),
        texts: ['"main"'], // a reservation has one store
      },
      "#/storeId": { put: (storeId) => ({ storeId }), texts: BAD_CODES },
      "#/customerId": { put: (customerId) => ({ customerId }), texts: badTexts(128) },
      "#/ttlSeconds": { put: (ttlSeconds) => ({ ttlSeconds }), texts: [...UNITS, "86401"] },
    },
    required: ["lines"],
  },
  {
    path: "/v1/purchase",
    good: { sku: '"tea"', qty: "1" },
    bad: {
      "#/sku": { put: (sku) => ({ sku }), texts: BAD_CODES },
      "#/qty": { put: (qty) => ({ qty }), texts: [...UNITS, "1001"] },
      "#/customerId": { put: (customerId) => ({ customerId }), texts: badTexts(128) },
      "#/policy": { put: (policy) => ({ policy }), texts: BAD_CHOICES },
      "#/storeId": { put: (storeId) => ({ storeId }), texts: ['"main"'] }, // it is ours to choose
    },
    required: ["sku", "qty"],
  },
  {
    path: "/v1/adjustments",
    good: { sku: '"tea"', delta: "1", reason: '"manual"' },
    bad: {
      "#/sku": { put: (sku) => ({ sku }), texts: BAD_CODES },
      "#/storeId": { put: (storeId) => ({ storeId }), texts: BAD_CODES },
      "#/delta": { put: (delta) => ({ delta }), texts: DELTAS },
      "#/reason": { put: (reason) => ({ reason }), texts: [...BAD_CHOICES, '"SALE"'] },
      "#/reference": { put: (reference) => ({ reference }), texts: TEXTS },
      "#/notes": { put: (notes) => ({ notes }), texts: badTexts(1_000) },
      "#/traceId": { put: (traceId) => ({ traceId }), texts: badTexts(128) },
    },
    required: ["sku", "delta", "reason"],
  },
  {
    path: "/v1/items:set-absolute",
    good: { sku: '"tea"', onHand: "1" },
    bad: {
      "#/sku": { put: (sku) => ({ sku }), texts: BAD_CODES },
      "#/storeId": { put: (storeId) => ({ storeId }), texts: BAD_CODES },
      "#/onHand": { put: (onHand) => ({ onHand }), texts: ON_HANDS },
      "#/countRef": { put: (countRef) => ({ countRef }), texts: TEXTS },
      "#/delta": { put: (delta) => ({ delta }), texts: ["1"] },
    },
    required: ["sku", "onHand"],
  },
  {
    path: "/v1/transfers",
    good: { fromStore: '"main"', toStore: '"berlin"', lines: line({}) },
    bad: {
      "#/fromStore": { put: (fromStore) => ({ fromStore }), texts: BAD_CODES },
      "#/toStore": { put: (toStore) => ({ toStore }), texts: [...BAD_CODES, '"main"'] },
      "#/lines": { put: (text) => ({ lines: text }), texts: LISTS },
      "#/lines/0/sku": { put: (sku) => ({ lines: line({ sku }) }), texts: BAD_CODES },
      "#/lines/0/qty": {
        put: (qty) => ({ lines: line({ qty }) }),
        texts: [...UNITS, "1000000001"],
      },
      "#/traceId": { put: (traceId) => ({ traceId }), texts: badTexts(128) },
    },
    required: ["fromStore", "toStore", "lines"],
  },
  {
    path: "/v1/reconciliations",
    good: { snapshotOnHand: '{"tea":1}' },
    bad: {
      "#/storeId": { put: (storeId) => ({ storeId }), texts: BAD_CODES },
      "#/source": { put: (source) => ({ source }), texts: TEXTS },
      "#/snapshotOnHand": {
        put: (snapshotOnHand) => ({ snapshotOnHand }),
        texts: ["{}", "[]", '["tea"]', "5", "null", '"tea"', TOO_MANY_SKUS],
      },
      "#/snapshotOnHand/tea": {
        put: (units) => ({ snapshotOnHand: `{"mug":1,"tea":${units}}` }),
        texts: ON_HANDS,
      },
      "#/snapshotOnHand/__proto__": {
        put: (units) => ({ snapshotOnHand: `{"__proto__":${units},"constructor":1}` }),
        texts: ["-1", '{"tea":1}', "null"],
      },
    },
    required: ["snapshotOnHand"],
  },
];

describe.each(ROUTES)("POST $path", ({ path, good, bad, required }) => {
  const post = (texts: Texts, more?: RawRequest["headers"]): RawRequest => ({
    path,
    headers: headers(more),
    body: objectOf({ ...good, ...texts }),
  });

  describe.each(Object.entries(bad))("is refused with a %s that is", (pointer, { put, texts }) => {
    test.each(texts.map((text) => [text]))("%.40s", (text) =>
      expectRefused(post(put(text)), invalid(pointer)),
    );
  });

  test("is refused when it is no JSON for its numbers", async () => {
    const place = Object.values(bad).find(({ texts }) => texts.includes("1e400"));
    for (const text of NO_NUMBERS) {
      await expectRefused(post(place?.put(text) ?? {}), INVALID);
    }
  });

  test("is refused for a number that is not whole and too big at once", () => {
    const [pointer, place] =
      Object.entries(bad).find(([, { texts }]) => texts.includes("1e400")) ?? [];
    return expectRefused(
      post(place?.put("9007199254740993") ?? {}),
      invalid(String(pointer), String(pointer)),
    );
  });

  test("is refused naming all that is missing, and all that nobody knows", async () => {
    const pointers = required.map((name) => `#/${name}`);
    await expectRefused({ path, headers: headers(), body: "{}" }, invalid(...pointers));
    for (const name of ["Sku", "__proto__", "constructor", ""]) {
      await expectRefused(post({ [name]: '{"sku":"tea"}' }), invalid(`#/${name}`));
    }
  });

  test.each(["[]", "[{}]", '"x"', "5", "null", "true"])("is refused with the body %s", (body) =>
    expectRefused({ path, headers: headers(), body }, invalid("#")),
  );

  test.each(["", " ", "{", "sku=tea", "{}{}", '{"sku":"tea","sku":"tea"}', "\ufeff{}"])(
    "is refused with a body that is no proper JSON: %j",
    (body) => expectRefused({ path, headers: headers(), body }, INVALID),
  );

  test("is refused without a key, and under a malformed one", async () => {
    const missing = { status: 400, code: "IDEMPOTENCY_KEY_MISSING" };
    const body = objectOf(good);
    const type = { "Content-Type": "application/json" };
    await expectRefused({ path, headers: type, body }, missing);
    await expectRefused(post({}, { "Idempotency-Key": "" }), missing);
    const bad_keys = ['""', '"key', '"a"b"', "k".repeat(256), "schlüssel", "a\tb", ["one", "two"]];
    for (const key of bad_keys) {
      await expectRefused(post({}, { "Idempotency-Key": key }), INVALID);
    }
  });

  test("is refused with a query or another media type", async () => {
    await expectRefused({ ...post({}), path: `${path}?dryrun=true` }, invalid("?dryrun"));
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/x-ndjson",
    ]) {
      await expectRefused(post({}, { "Content-Type": type }), {
        status: 415,
        code: "UNSUPPORTED_MEDIA_TYPE",
      });
    }
  });

  test("is refused when its body is too large", async () => {
    const most = path === "/v1/reconciliations" ? 1024 * 1024 : 16 * 1024;
    const request = post({});
    const too_large = { status: 413, code: "BODY_TOO_LARGE" };
    const body = String(request.body).padEnd(most + 1, " ");
    await expectRefused({ ...request, body }, too_large);
    const chunks = body.match(/.{1,8000}/gs) ?? [];
    await expectRefused({ path, headers: headers(), chunks }, too_large);
  });

  test("is all there is at its address", async () => {
    for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
      if (path === "/v1/reservations" && method === "GET") continue;
      const refusal = { status: 405, code: "METHOD_NOT_ALLOWED" };
      const answer = await expectRefused({ method, path }, refusal);
      expect(answer.get("allow")).toContain("POST");
    }
  });

  // Last, since it changes what is there.
  test("is served when nothing is wrong, as large as it may be", async () => {
    await shop.api.redis.set("stock:tea", 100); // the routes before this one have taken some
    const most = path === "/v1/reconciliations" ? 1024 * 1024 : 16 * 1024;
    const request = post({});
    const body = String(request.body).padEnd(most, " ");
    expect((await send(shop.api.url, { ...request, body })).status).toBe(202);
  });
});

test.each(BAD_CODES.filter((text) => text.startsWith('"')).map((text) => [text]))(
  "a snapshot is refused with a sku named %.40s",
  (text) => {
    const name = String(JSON.parse(text)).replaceAll("/", "~1");
    const body = `{"snapshotOnHand":{"tea":1,${text}:1}}`;
    const request = { path: "/v1/reconciliations", headers: headers(), body };
    return expectRefused(request, invalid(`#/snapshotOnHand/${name}`));
  },
);

describe("If-Match is refused that is", () => {
  const routes = ROUTES.filter(({ path }) => /adjust|absolute/.test(path));
  test.each([
    '"',
    '""',
    '"1',
    "1,2",
    '"1", "2"',
    'W/"1"',
    "abc",
    "-1",
    "1.5",
    '"1234567890123456"',
  ])("%s", async (if_match) => {
    for (const { path, good } of routes) {
      const request = { path, headers: headers({ "If-Match": if_match }), body: objectOf(good) };
      await expectRefused(request, INVALID);
    }
  });
});

describe("the address of a read is refused with", () => {
  const get = (path: string) => ({ method: "GET", path });
  test.each([
    ["neither sku nor skus", "", "?sku"],
    ["both", "?sku=tea&skus=tea", "?sku"],
    ["a bad sku", "?sku=a%20b", "?sku"],
    ["no sku", "?sku=", "?sku"],
    ["two skus in turn", "?sku=a&sku=b", "?sku"],
    ["no skus", "?skus=", "?skus/0"],
    ["a bad one among several", "?skus=tea,a:b,mug", "?skus/1"],
    ["an empty one among several", "?skus=tea,,mug", "?skus/1"],
    ["a space behind a comma", "?skus=tea,%20mug", "?skus/1"],
    ["101 skus", `?skus=${Array(101).fill("a").join(",")}`, "?skus"],
    ["a bad store", "?sku=tea&storeId=%7B%7D", "?storeId"],
    ["a parameter nobody knows", "?sku=tea&store=main", "?store"],
  ])("%s", (_, query, pointer) => expectRefused(get(`/v1/availability${query}`), invalid(pointer)));

  test("a bad sku in the path, or a bad key", async () => {
    for (const sku of ["a%20b", "%7B%7D", "a:b", "%00", "a".repeat(65), "%F0%9F%93%B1"]) {
      await expectRefused(get(`/v1/items/${sku}/availability`), invalid("{sku}"));
    }
    await expectRefused(get("/v1/items/tea/availability?sku=tea"), invalid("?sku"));
    await expectRefused(get("/v1/items/%E0%A4/availability"), INVALID);
    for (const key of ["%00", "%0A", "schl%C3%BCssel", "k".repeat(256)]) {
      await expectRefused(get(`/v1/idempotency/${key}`), invalid("{key}"));
    }
    await expectRefused(get("/v1/idempotency/a?b=c"), invalid("?b"));
  });
});
