import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "./dump.ts";
import { expectProblem, memberErrors } from "./expect-problem.ts";
import { type RawRequest, send } from "./raw.ts";
import { fresh, openShop, type Shop } from "./shop.ts";

const JSON_TYPE = { "Content-Type": "application/json" };
const UNKNOWN_HOLD = "H-01890000-0000-7000-8000-000000000000";

let shop: Shop;
let sku: string;
let hold_id: string;
beforeAll(async () => {
  shop = await openShop();
  sku = await shop.stock(100);
  hold_id = (await shop.hold()).hold_id;
});
afterAll(() => shop.close());

type Refusal = { status: number; code: string; members?: Record<string, unknown> };

/** Sends it, and expects just this refusal and a Redis in which nothing has changed. */
async function expectRefused(request: RawRequest, refusal: Refusal) {
  const before = await dump(shop.api.redis);
  const answer = await send(shop.api.url, request);
  expectProblem(answer, refusal);
  expect(await dump(shop.api.redis)).toEqual(before);
  return answer;
}

const invalid = (...pointers: string[]): Refusal => ({
  status: 400,
  code: "INVALID_REQUEST",
  members: pointers.length > 0 ? memberErrors(...pointers) : {},
});

/** A reserve whose members are the given JSON texts, so that they may be what JSON.stringify never writes. */
function reserveWith(members: Record<string, string>): RawRequest {
  const texts = {
    sku: JSON.stringify(sku),
    qty: "1",
    user_id: '"u"',
    idempotency_key: JSON.stringify(fresh("key")),
    ...members,
  };
  const parts = Object.entries(texts).map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  return { path: "/holds/reserve", headers: JSON_TYPE, body: `{${parts.join(",")}}` };
}

const goodReserve = () => String(reserveWith({}).body);

describe("a quantity is refused that is", () => {
  test.each(
    '0 -0 -1 1.5 1e400 1001 9007199254740991 null true false [] [1] ["1","x"] {} "5" "nan" ""'
      .split(" ")
      .map((text) => [text]),
  )("%s", (text) => expectRefused(reserveWith({ qty: text }), invalid("#/qty")));

  test.each(["0x10", "NaN", "Infinity", "+1", "01", "1_000", ""].map((text) => [text]))(
    "%s, which is not even JSON",
    (text) => expectRefused(reserveWith({ qty: text }), invalid()),
  );
});

test("a number beyond 2^53 is refused, being no whole number and too big", async () => {
  const text = "9007199254740993";
  await expectRefused(reserveWith({ qty: text }), invalid("#/qty", "#/qty"));
  await expectRefused(
    reserveWith({ ttl_seconds: text }),
    invalid("#/ttl_seconds", "#/ttl_seconds"),
  );
});

describe("a lifetime is refused that is", () => {
  test.each(
    '0 -1 0.5 86401 1e400 9007199254740991 null true [] {} "300"'.split(" ").map((text) => [text]),
  )("%s", (text) => expectRefused(reserveWith({ ttl_seconds: text }), invalid("#/ttl_seconds")));
});

describe("a sku or a store is refused that is", () => {
  const codes = [
    ["empty", '""'],
    ["in braces", '"{a}"'],
    ["with a colon", '"a:b"'],
    ["with an at sign", '"a@main"'],
    ["a pattern", '"*"'],
    ["with a space", '"a b"'],
    ["with a slash", '"../a"'],
    ["with a newline at its end", '"a\\n"'],
    ["with a NUL", '"a\\u0000"'],
    ["an emoji", '"📱"'],
    ["a lone surrogate", '"\\ud800"'],
    ["in full-width digits", '"１２"'],
    ["65 characters long", `"${"a".repeat(65)}"`],
    ["a number", "5"],
    ["null", "null"],
    ["a list", '["a"]'],
    ["an object", '{"a":1}'],
  ] as const;
  test.each(codes)("%s", async (_, text) => {
    await expectRefused(reserveWith({ sku: text }), invalid("#/sku"));
    await expectRefused(reserveWith({ store_id: text }), invalid("#/store_id"));
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "named %s and was never stocked",
    (name) =>
      expectRefused(reserveWith({ sku: JSON.stringify(name) }), {
        status: 404,
        code: "UNKNOWN_SKU",
        members: { sku: name },
      }),
  );
});

describe("a text from people is refused that is", () => {
  const texts = [
    ["empty", '""'],
    ["too long", JSON.stringify("a".repeat(256))],
    ["with a NUL", '"a\\u0000b"'],
    ["with a newline", '"a\\nb"'],
    ["with a lone surrogate", '"a\\udfff"'],
    ["a number", "5"],
    ["null", "null"],
    ["a list", '["a"]'],
  ] as const;
  test.each(texts)("%s", async (_, text) => {
    await expectRefused(reserveWith({ user_id: text }), invalid("#/user_id"));
    const confirm = `{"hold_id":"${hold_id}","payment_ref":${text}}`;
    await expectRefused(
      { path: "/holds/confirm", headers: JSON_TYPE, body: confirm },
      invalid("#/payment_ref"),
    );
    const cancel = `{"hold_id":"${hold_id}","reason":${text}}`;
    await expectRefused(
      { path: "/holds/cancel", headers: JSON_TYPE, body: cancel },
      invalid("#/reason"),
    );
  });

  test("129 characters of a user_id long", () =>
    expectRefused(reserveWith({ user_id: `"${"🛒".repeat(129)}"` }), invalid("#/user_id")));
});

describe("an idempotency key is refused that is", () => {
  const missing = { status: 400, code: "IDEMPOTENCY_KEY_MISSING" };
  const withoutKey = () => JSON.stringify({ sku, qty: 1, user_id: "u" });
  const reserveUnder = (key?: string | string[]): RawRequest => ({
    path: "/holds/reserve",
    headers: { ...JSON_TYPE, ...(key === undefined ? {} : { "Idempotency-Key": key }) },
    body: withoutKey(),
  });

  test("nowhere", () => expectRefused(reserveUnder(), missing));
  test("an empty header", () => expectRefused(reserveUnder(""), missing));

  test.each([
    ["empty in quotes", '""'],
    ["256 characters long", "k".repeat(256)],
    ["an unterminated quote", '"key'],
    ["a quote alone", '"'],
    ["quoted and goes on", '"key" more'],
    ["quoted with a stray quote", '"a"b"'],
    ["quoted with a stray backslash", '"a\\b"'],
    ["in Latin-1", "schlüssel"],
    ["with a tab", "a\tb"],
    ["sent twice", ["one", "other"]],
    ["sent twice alike", ["one", "one"]],
    ["sent twice empty", ["", ""]],
  ])("%s, in the header", (_, key) => expectRefused(reserveUnder(key), invalid()));

  test.each([
    ["empty", '""'],
    ["256 characters long", JSON.stringify("k".repeat(256))],
    ["with CR and LF", '"a\\r\\nSET x 1"'],
    ["with a line feed at its end", '"a\\n"'],
    ["with a NUL", '"\\u0000"'],
    ["not ASCII", '"schlüssel"'],
    ["a lone surrogate", '"\\ud800"'],
    ["a number", "5"],
    ["null", "null"],
    ["a list", '["k"]'],
  ])("%s, in the body", (_, text) =>
    expectRefused(reserveWith({ idempotency_key: text }), invalid("#/idempotency_key")),
  );

  test.each(["/holds/confirm", "/holds/cancel"])("malformed, on %s too", (path) => {
    const headers = { ...JSON_TYPE, "Idempotency-Key": '"key' };
    const members = path === "/holds/confirm" ? { payment_ref: "pay" } : {};
    const body = JSON.stringify({ hold_id, ...members });
    return expectRefused({ path, headers, body }, invalid());
  });
});

describe("a hold's id is not found that is", () => {
  const notFound = { status: 404, code: "HOLD_NOT_FOUND" };
  test.each([
    ["unknown", UNKNOWN_HOLD],
    ["empty", ""],
    ["short", "H-1"],
    ["without its letter", UNKNOWN_HOLD.slice(2)],
    ["in capitals", UNKNOWN_HOLD.toUpperCase().replace("H-0", "H-A")],
    ["with a newline behind it", `${UNKNOWN_HOLD}\n`],
    ["with a NUL", `${UNKNOWN_HOLD}\0`],
    ["another key's name", "deadlines"],
    ["a path", "../../etc/passwd"],
    ["a pattern", "H-*"],
    ["10 kB long", "H-".padEnd(10_000, "0")],
  ])("%s", async (_, id) => {
    const confirm = JSON.stringify({ hold_id: id, payment_ref: "pay" });
    await expectRefused({ path: "/holds/confirm", headers: JSON_TYPE, body: confirm }, notFound);
    const cancel = JSON.stringify({ hold_id: id });
    await expectRefused({ path: "/holds/cancel", headers: JSON_TYPE, body: cancel }, notFound);
    if (id === "") return;
    const path = `/holds/${encodeURIComponent(id)}`;
    await expectRefused({ method: "GET", path }, notFound);
  });

  test.each(["5", "null", '["a"]', "{}", "true"])(
    "%s, which is no id at all: a 400",
    async (text) => {
      const body = `{"hold_id":${text}}`;
      await expectRefused(
        { path: "/holds/cancel", headers: JSON_TYPE, body },
        invalid("#/hold_id"),
      );
    },
  );
});

describe("several bad members are refused", () => {
  test("all at once, each with its pointer", () =>
    expectRefused(
      { path: "/holds/reserve", headers: JSON_TYPE, body: '{"sku":"a b","qty":0,"x/y~z":1}' },
      invalid("#/sku", "#/qty", "#/user_id", "#/x~1y~0z"),
    ));

  test.each(["/holds/reserve", "/holds/confirm", "/holds/cancel"])(
    "of %s when none is there",
    (path) =>
      expectRefused(
        { path, headers: JSON_TYPE, body: "{}" },
        invalid(
          ...(path === "/holds/reserve" ? ["#/sku", "#/qty", "#/user_id"] : ["#/hold_id"]),
          ...(path === "/holds/confirm" ? ["#/payment_ref"] : []),
        ),
      ),
  );

  test("and a good request goes on being served", async () => {
    const answer = await send(shop.api.url, {
      path: "/holds/reserve",
      headers: JSON_TYPE,
      body: goodReserve(),
    });
    expect(answer.status).toBe(201);
  });
});
