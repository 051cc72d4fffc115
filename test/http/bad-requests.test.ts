import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "./dump.ts";
import { expectProblem, memberErrors } from "./expect-problem.ts";
import { type RawRequest, send } from "./raw.ts";
import { ask, fresh, openShop, type Shop } from "./shop.ts";

const JSON_TYPE = { "Content-Type": "application/json" };
const BODY_BYTES_MAX = 16 * 1024;

let shop: Shop;
let sku: string;
beforeAll(async () => {
  shop = await openShop();
  sku = await shop.stock(100);
});
afterAll(() => shop.close());

type Refusal = { status: number; code: string; members?: Record<string, unknown> };
const INVALID = { status: 400, code: "INVALID_REQUEST" };
const TOO_LARGE = { status: 413, code: "BODY_TOO_LARGE" };
const UNSUPPORTED = { status: 415, code: "UNSUPPORTED_MEDIA_TYPE" };

/** Sends it, and expects just this refusal and a Redis in which nothing has changed. */
async function expectRefused(request: RawRequest, refusal: Refusal) {
  const before = await dump(shop.api.redis);
  const answer = await send(shop.api.url, request);
  expectProblem(answer, refusal);
  expect(await dump(shop.api.redis)).toEqual(before);
  return answer;
}

const reserve = (more: Partial<RawRequest>): RawRequest => ({
  path: "/holds/reserve",
  headers: JSON_TYPE,
  ...more,
});

/** A good reserve as text, with more members put in as they are. */
const goodText = (more = "") =>
  `{"sku":"${sku}","qty":1,"user_id":"u","idempotency_key":"${fresh("key")}"${more}}`;

describe("a body is refused that is", () => {
  test.each([
    ["empty", ""],
    ["white space", "  \n"],
    ["not JSON", "sku=a&qty=1"],
    ["two documents", "{}{}"],
    ["open brackets, 10,000 deep", "[".repeat(10_000)],
  ])("%s", (_, body) => expectRefused(reserve({ body }), INVALID));

  test("missing, without a length", () => expectRefused(reserve({}), INVALID));

  test.each([
    ["a list", "[]"],
    ["a list of a good one", null],
    ["a string", '"x"'],
    ["a number", "5"],
    ["null", "null"],
    ["true", "true"],
    ["nested 8,000 deep", `${"[".repeat(8_000)}${"]".repeat(8_000)}`],
  ])("%s", (_, body) =>
    expectRefused(reserve({ body: body ?? `[${goodText()}]` }), {
      ...INVALID,
      members: memberErrors("#"),
    }),
  );

  test("nested deeply in a member", () => {
    const deep = `${'{"a":'.repeat(2_500)}1${"}".repeat(2_500)}`;
    const members = memberErrors("#/more");
    return expectRefused(reserve({ body: goodText(`,"more":${deep}`) }), { ...INVALID, members });
  });

  test("truncated, at each of its bytes", async () => {
    const body = goodText();
    const before = await dump(shop.api.redis);
    const lengths = [...Array(body.length - 1).keys()].map((i) => i + 1);
    const answers = await Promise.all(
      lengths.map((length) => send(shop.api.url, reserve({ body: body.slice(0, length) }))),
    );
    for (const answer of answers) expectProblem(answer, INVALID);
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test.each([
    ["Latin-1", Buffer.from("ü", "latin1")],
    ["a byte that UTF-8 does not have", Buffer.from([0xff])],
    ["an overlong slash", Buffer.from([0xc0, 0xaf])],
    ["a surrogate in UTF-8", Buffer.from([0xed, 0xa0, 0x80])],
    ["half an emoji", Buffer.from("🛒").subarray(0, 2)],
  ])("not UTF-8: %s", (_, bytes) => {
    const [head = "", tail = ""] = goodText().split('"u"');
    const body = Buffer.concat([Buffer.from(`${head}"`), bytes, Buffer.from(`"${tail}`)]);
    return expectRefused(reserve({ body }), INVALID);
  });

  test.each(["utf8", "utf16le"] as const)("marked with a BOM, in %s", (encoding) =>
    expectRefused(reserve({ body: Buffer.from(`\ufeff${goodText()}`, encoding) }), INVALID),
  );

  test.each([
    ["the same value", ',"qty":1'],
    ["another value", ',"qty":2'],
    ["an escaped spelling", ',"\\u0071ty":1'],
    ["white space before the colon", ',"qty" \n : 1'],
    ["one in a nested object", ',"more":{"a":1,"a":2}'],
  ])("naming a member twice, with %s", (_, more) =>
    expectRefused(reserve({ body: goodText(more) }), INVALID),
  );

  test.each(["quantity", "__proto__", "constructor", "toString", "SKU", ""])(
    "with a member named %p, which there is not",
    (name) =>
      expectRefused(reserve({ body: goodText(`,${JSON.stringify(name)}:{"qty":5}`) }), {
        ...INVALID,
        members: memberErrors(`#/${name}`),
      }),
  );
});

describe("a body's size", () => {
  const padded = (bytes: number) => goodText().padEnd(bytes, " ");

  test("may be 16 kB, in one piece or many", async () => {
    const whole = await send(shop.api.url, reserve({ body: padded(BODY_BYTES_MAX) }));
    expect(whole.status).toBe(201);
    const chunks = padded(BODY_BYTES_MAX).match(/.{1,1000}/gs) ?? [];
    expect((await send(shop.api.url, reserve({ chunks }))).status).toBe(201);
  });

  test.each([BODY_BYTES_MAX + 1, 17_000, 1_000_000])(
    "may not be %d, with or without a Content-Length",
    async (bytes) => {
      const body = padded(bytes);
      const { headers } = await expectRefused(reserve({ body }), TOO_LARGE);
      if (bytes > 100_000) expect(headers.get("connection")).toBe("close");
      await expectRefused(reserve({ chunks: body.match(/.{1,8000}/gs) ?? [] }), TOO_LARGE);
    },
  );

  test("counts bytes, not characters", () =>
    expectRefused(reserve({ body: goodText(`,"x":"${"é".repeat(8_200)}"`) }), TOO_LARGE));
});

describe("a media type is refused that is", () => {
  test.each([
    ["missing", {}],
    ["text", { "Content-Type": "text/plain" }],
    ["a form", { "Content-Type": "application/x-www-form-urlencoded" }],
    ["JSON's neighbour", { "Content-Type": "application/jsonx" }],
    ["JSON of some kind", { "Content-Type": "application/problem+json" }],
    ["JSON in Latin-1", { "Content-Type": "application/json; charset=latin1" }],
    ["JSON in UTF-16", { "Content-Type": "application/json;charset=utf-16" }],
    ["JSON with more behind", { "Content-Type": "application/json; charset=utf-8; x=y" }],
    ["compressed", { ...JSON_TYPE, "Content-Encoding": "gzip" }],
    ["compressed twice", { ...JSON_TYPE, "Content-Encoding": "identity, br" }],
  ])("%s", async (_, headers) => {
    for (const path of ["/holds/reserve", "/holds/confirm", "/holds/cancel"]) {
      await expectRefused({ path, headers, body: goodText() }, UNSUPPORTED);
    }
  });

  test.each([
    { "Content-Type": "Application/JSON" },
    { "Content-Type": "application/json;charset=UTF-8" },
    { "Content-Type": 'application/json; charset="utf-8"' },
    { ...JSON_TYPE, "Content-Encoding": "identity" },
  ])("not in order, while %j is", async (headers) => {
    const answer = await send(shop.api.url, reserve({ headers, body: goodText() }));
    expect(answer.status).toBe(201);
  });
});

describe("an address is refused that is", () => {
  const NOT_FOUND = { status: 404, code: "NOT_FOUND" };
  const HOLD_NOT_FOUND = { status: 404, code: "HOLD_NOT_FOUND" };
  test.each([
    ["/", NOT_FOUND],
    ["/holds", NOT_FOUND],
    ["/holds/reserve/now", NOT_FOUND],
    ["/v1/nothing", NOT_FOUND],
    ["/problems/none", NOT_FOUND],
    ["/__proto__", NOT_FOUND],
    ["/holds/%00", HOLD_NOT_FOUND],
    ["/holds/%E0%A4", INVALID],
    ["/holds/%zz", INVALID],
    ["/problems/%E0%A4", INVALID],
    [`/holds/${"a".repeat(10_000)}`, HOLD_NOT_FOUND],
    [`/${"a".repeat(10_000)}?b=c`, NOT_FOUND],
  ])("%.30s", (path, refusal) => expectRefused({ method: "GET", path }, refusal));

  const METHODS = ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];
  test.each(METHODS)("asked with %s instead of POST", async (method) => {
    for (const path of ["/holds/reserve", "/holds/confirm", "/holds/cancel"]) {
      const refusal = { status: 405, code: "METHOD_NOT_ALLOWED" };
      const { headers } = await expectRefused({ method, path }, refusal);
      expect(headers.get("allow")).toBe("POST");
    }
  });

  test.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("read with %s", async (method) => {
    for (const path of ["/holds/H-1", "/problems/sold-out", "/health", "/ready", "/metrics"]) {
      const refusal = { status: 405, code: "METHOD_NOT_ALLOWED" };
      const { headers } = await expectRefused({ method, path }, refusal);
      expect(headers.get("allow")).toBe("GET, HEAD");
    }
  });
});

describe("the request id", () => {
  const idAfter = async (headers: Record<string, string>) =>
    (await ask(`${shop.api.url}/nothing`, { headers })).headers.get("x-request-id");

  test.each(["x", "abc-DEF_0.9:1", "x".repeat(128)])("%.40s of the caller is kept", async (id) => {
    expect(await idAfter({ "x-request-id": id })).toBe(id);
    expect(await idAfter({ "x-trace-id": id })).toBe(id);
    expect(await idAfter({ "x-request-id": id, "x-trace-id": "other" })).toBe(id);
  });

  test.each(["", "a b", "x".repeat(129), '"quoted"', "a,b", "{}", "über", "a\tb", "<script>"])(
    "%.40s of the caller is replaced",
    async (id) => {
      expect(await idAfter({ "x-request-id": id })).toMatch(
        /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
      );
    },
  );

  test("sent twice is replaced, and each request of our own naming has another", async () => {
    const twice = { method: "GET", path: "/x", headers: { "X-Request-Id": ["one", "two"] } };
    const ids = await Promise.all([1, 2].map(() => send(shop.api.url, twice)));
    const [a, b] = ids.map(({ headers }) => headers.get("x-request-id"));
    expect(a).toMatch(/^[0-9a-f-]{36}$/);
    expect(a).not.toBe(b);
  });
});

test("every problem's type leads to a page that explains it", async () => {
  const { body } = await ask(`${shop.api.url}/nothing`);
  const page = await fetch(`${shop.api.url}${body.type}`);
  expect(page.status).toBe(200);
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("x-request-id")).not.toBeNull();
  expect(await page.text()).toContain("404 NOT_FOUND");
});
