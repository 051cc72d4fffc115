import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { callsTo } from "./back-office.ts";
import { BAD_CODES, BAD_UNITS } from "./bad-values.ts";
import { openBulk, sendBulk } from "./bulk-client.ts";

const BYTES_MAX = 1024 * 1024;
const LINE_BYTES_MAX = 2_048;

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

const bulk = (body: Parameters<typeof sendBulk>[1], headers?: Record<string, string>) =>
  sendBulk(shop.api.url, body, headers);
const eventCount = () => shop.api.redis.xlen("inventory.events");

describe("a bulk request", () => {
  test("is answered with a result for each line, in their order", async () => {
    const [a, b] = [await shop.stock(10), fresh("sku")];
    const lines = [{ lines: [{ sku: a, qty: 4 }] }];
    expect((await callsTo(shop.api.url).post("/v1/reservations", lines[0])).status).toBe(202);
    const { status, headers, results } = await bulk([
      { sku: a, onHand: 9 },
      { sku: b, storeId: "berlin", delta: 7 },
      { sku: b, storeId: "berlin", delta: -2 },
      { sku: a, storeId: "main", onHand: 3 },
    ]);
    expect(status).toBe(202);
    expect(headers.get("content-type")).toBe("application/x-ndjson");
    const [of_a, of_b] = [
      { status: "APPLIED", sku: a, storeId: "main", reserved: 4 },
      { status: "APPLIED", sku: b, storeId: "berlin", reserved: 0 },
    ];
    expect(results).toEqual([
      { line: 1, ...of_a, onHand: 9, available: 5, version: 2 },
      { line: 2, ...of_b, onHand: 7, available: 7, version: 1 },
      { line: 3, ...of_b, onHand: 5, available: 5, version: 2 },
      { line: 4, ...of_a, onHand: 4, available: 0, version: 3 },
    ]);
    expect(await shop.unitsOf(a)).toEqual({ available: 0, held: 4 });
  });

  test("may be a list of JSON as well", async () => {
    const sku = fresh("sku");
    const list = JSON.stringify([
      { sku, onHand: 5 },
      { sku: "a b", delta: 1 },
      7,
      { sku, delta: 1 },
    ]);
    const { status, results } = await bulk(list, { "Content-Type": "application/json" });
    expect(status).toBe(202);
    expect(results).toMatchObject([
      { line: 1, status: "APPLIED", onHand: 5 },
      { line: 2, status: "REFUSED", code: "INVALID_REQUEST", errors: [{ pointer: "#/sku" }] },
      { line: 3, status: "REFUSED", code: "INVALID_REQUEST", errors: [{ pointer: "#" }] },
      { line: 4, status: "APPLIED", onHand: 6 },
    ]);
  });

  test("has its results in order, though a bad line is refused at once", async () => {
    const sku = fresh("sku");
    const lines = Array.from({ length: 300 }, (_, i) => ({ sku, delta: i % 3 ? 1 : 0 }));
    const { results } = await bulk(lines);
    expect(results.map(({ line, status }) => [line, status])).toEqual(
      lines.map(({ delta }, i) => [i + 1, delta ? "APPLIED" : "REFUSED"]),
    );
  });

  test("makes an event of each line: a count or an adjustment, of which request", async () => {
    const sku = fresh("sku");
    await bulk(
      [
        { sku, onHand: 5 },
        { sku, delta: -1 },
      ],
      { "X-Request-Id": "the-bulk" },
    );
    const entries = await shop.api.redis.xrevrange("inventory.events", "+", "-", "COUNT", 2);
    const said = entries.reverse().map(([, fields]) => {
      const value = (name: string) => fields[fields.indexOf(name) + 1] ?? "";
      return { type: value("type"), ...(JSON.parse(value("payload")) as object) };
    });
    expect(said).toMatchObject([
      { type: "STOCK_COUNTED", reason: "count", on_hand: 5, request_id: "the-bulk", actor: "api" },
      { type: "STOCK_ADJUSTED", reason: "manual", request_id: "the-bulk" },
    ]);
  });

  test("is answered while its lines still come in", async () => {
    const open = openBulk(shop.api.url);
    const sku = fresh("sku");
    for (let line = 1; line <= 5; line += 1) {
      open.write(`{"sku":"${sku}",`);
      open.write(`"delta":1}\n`);
      const results = await open.some(line);
      expect(results.at(-1)).toMatchObject({ line, status: "APPLIED", onHand: line });
      expect(open.status()).toBe(202);
    }
    open.end();
    expect(await open.all()).toMatchObject({ over: "COMPLETE", results: { length: 5 } });
  });

  test("may end without a line break, in CR LF, and with blank lines, which count but have no result", async () => {
    const sku = fresh("sku");
    const line = JSON.stringify({ sku, delta: 1 });
    const { results } = await bulk(`\n${line}\r\n\r\n \t\n${line}\n\n${line}`);
    expect(results.map(({ line }) => line)).toEqual([2, 5, 7]);
    expect(await shop.unitsOf(sku)).toEqual({ available: 3, held: 0 });
  });

  test("may come in pieces of any size", async () => {
    const text = '{"sku":"tea","delta":1}\n{"sku":"müsli","delta":1}\n{"sku":"tea","delta":2}';
    const bytes = Buffer.from(text);
    for (const size of [1, 2, 3, 7, 20]) {
      const open = openBulk(shop.api.url);
      for (let at = 0; at < bytes.length; at += size) open.write(bytes.subarray(at, at + size));
      open.end();
      const { results } = await open.all();
      expect(results).toMatchObject([
        { line: 1, status: "APPLIED" },
        { line: 2, errors: [{ pointer: "#/sku" }] }, // UTF-8 it was, for all its pieces
        { line: 3, status: "APPLIED" },
      ]);
    }
  });
});

describe("one bad line stops no other, when it is", () => {
  const around = async (line: string | Buffer) => {
    const sku = fresh("sku");
    const good = Buffer.from(`{"sku":"${sku}","delta":1}\n`);
    const { status, results } = await bulk(
      Buffer.concat([good, Buffer.from(line), Buffer.from("\n"), good]),
    );
    expect(status).toBe(202);
    expect(await shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
    const [first, bad, last] = results;
    expect(results).toHaveLength(3);
    expect([first?.status, last?.status, last?.line]).toEqual(["APPLIED", "APPLIED", 3]);
    return bad;
  };
  const refused = (detail: unknown, more = {}) => ({
    ...{ line: 2, status: "REFUSED", code: "INVALID_REQUEST", detail },
    ...more,
  });
  const withErrors = (...pointers: string[]) => ({
    errors: pointers.map((pointer) => ({ pointer, detail: expect.stringMatching(/./) })),
  });

  test.each([
    ["no JSON", "sku=tea", "The line is not JSON."],
    ["half a line", '{"sku":"tea"', "The line is not JSON."],
    ["two on one line", '{"sku":"a","delta":1}{"sku":"b","delta":1}', "The line is not JSON."],
    ["marked with a BOM", '\ufeff{"sku":"a","delta":1}', "The line is not JSON."],
    ["naming a member twice", '{"sku":"a","delta":1,"delta":2}', "The line names a member twice."],
    ["not UTF-8", Buffer.from([0x22, 0xff, 0x22]), "The line is not UTF-8."],
    ["a NUL", "\0", "The line is not JSON."],
  ])("%s", async (_, line, detail) => {
    expect(await around(line)).toEqual(refused(detail));
  });

  test.each(["[]", "5", "null", '"tea"', "true"])("%s, which is no object", async (line) => {
    const detail = expect.stringMatching(/^#: /);
    expect(await around(line)).toEqual(refused(detail, withErrors("#")));
  });

  test.each([
    ["both onHand and delta", '{"sku":"tea","onHand":1,"delta":1}', "#"],
    ["neither", '{"sku":"tea"}', "#"],
    ["an unknown member", '{"sku":"tea","delta":1,"reason":"sale"}', "#/reason"],
    ["__proto__", '{"sku":"tea","delta":1,"__proto__":{}}', "#/__proto__"],
    ["no sku", '{"delta":1}', "#/sku"],
    ["a negative count", '{"sku":"tea","onHand":-1}', "#/onHand"],
    ["a count that is too high", '{"sku":"tea","onHand":1000000001}', "#/onHand"],
    ["a change by nothing", '{"sku":"tea","delta":0}', "#/delta"],
    ["a change that is too big", '{"sku":"tea","delta":-1000000001}', "#/delta"],
    ...BAD_UNITS.map((text) => [`delta ${text}`, `{"sku":"tea","delta":${text}}`, "#/delta"]),
    ...BAD_CODES.map((text) => [`sku ${text}`, `{"sku":${text},"delta":1}`, "#/sku"]),
    ...BAD_CODES.map((text) => [
      `storeId ${text}`,
      `{"sku":"tea","storeId":${text},"delta":1}`,
      "#/storeId",
    ]),
  ])("with %s", async (_, line, pointer) => {
    const detail = expect.stringContaining(String(pointer));
    expect(await around(String(line))).toEqual(refused(detail, withErrors(String(pointer))));
  });

  test("longer than 2,048 bytes, by one byte or by far", async () => {
    const line = '{"sku":"tea","delta":1}';
    const fits = await around(line.padEnd(LINE_BYTES_MAX, " "));
    expect(fits).toMatchObject({ status: "APPLIED", sku: "tea" });
    const detail = `The line is longer than ${LINE_BYTES_MAX} bytes.`;
    for (const bytes of [LINE_BYTES_MAX + 1, 500_000]) {
      expect(await around(line.padEnd(bytes, " "))).toEqual(refused(detail));
    }
  });

  test("below what is available", async () => {
    const sku = await shop.stock(3);
    expect(await around(`{"sku":"${sku}","delta":-4}`)).toEqual({
      ...{ line: 2, status: "REFUSED", sku, storeId: "main" },
      ...{ code: "WOULD_GO_NEGATIVE", requested: 4, available: 3 },
      detail: expect.stringMatching(/3 available/),
    });
    expect(await shop.unitsOf(sku)).toEqual({ available: 3, held: 0 });
  });

  test("of a stock that is corrupt", async () => {
    const sku = await shop.stock("abc");
    const detail = expect.stringMatching(/./);
    const expected = { line: 2, status: "REFUSED", sku, storeId: "main", code: "CORRUPT_STOCK" };
    expect(await around(`{"sku":"${sku}","onHand":4}`)).toEqual({ ...expected, detail });
  });
});

describe("a bulk request under one key", () => {
  test("does each line once, and says which it had done before", async () => {
    const key = { "Idempotency-Key": fresh("key") };
    const [a, b] = [fresh("sku"), await shop.stock(1)];
    const lines = [
      { sku: a, delta: 5 },
      { sku: b, delta: -3 },
      { sku: a, delta: 5 },
    ];
    const first = await bulk(lines, key);
    const states = ({ results }: typeof first) => results.map(({ status }) => status);
    expect(states(first)).toEqual(["APPLIED", "REFUSED", "APPLIED"]);
    const before = await dump(shop.api.redis);
    const again = await bulk(lines, key);
    expect(states(again)).toEqual(["REPLAYED", "REFUSED", "REPLAYED"]);
    const facts = ({ results }: typeof first) => results.map(({ status: _, ...rest }) => rest);
    expect(facts(again)).toEqual(facts(first));
    expect(await dump(shop.api.redis)).toEqual(before);
    // What was refused took nothing, so it is not remembered.
    await shop.api.redis.set(`stock:${b}`, 3);
    expect(states(await bulk(lines, key))).toEqual(["REPLAYED", "APPLIED", "REPLAYED"]);
    // As a list it is the same request.
    const list = await bulk(JSON.stringify(lines), { ...key, "Content-Type": "application/json" });
    expect(states(list)).toEqual(["REPLAYED", "REPLAYED", "REPLAYED"]);
  });

  test("refuses each line that is another one than before", async () => {
    const key = { "Idempotency-Key": fresh("key") };
    const sku = fresh("sku");
    await bulk([{ sku, onHand: 5 }], key);
    const before = await dump(shop.api.redis);
    for (const other of [
      { sku, onHand: 6 },
      { sku, delta: 5 },
      { sku: fresh("sku"), onHand: 5 },
      { sku, storeId: "berlin", onHand: 5 },
    ]) {
      const { results } = await bulk([other], key);
      expect(results).toMatchObject([{ status: "REFUSED", code: "IDEMPOTENCY_KEY_REUSED" }]);
    }
    expect((await bulk([{ sku, storeId: "main", onHand: 5 }], key)).results).toMatchObject([
      { status: "REPLAYED" },
    ]);
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("sent 10 times at once does each line once", async () => {
    const key = { "Idempotency-Key": fresh("key") };
    const sku = fresh("sku");
    const before = await eventCount();
    const lines = Array.from({ length: 200 }, () => ({ sku, delta: 1 }));
    const answers = await Promise.all(Array.from({ length: 10 }, () => bulk(lines, key)));
    for (const { results } of answers)
      expect(results.map(({ onHand }) => onHand)).toHaveLength(200);
    expect(await shop.unitsOf(sku)).toEqual({ available: 200, held: 0 });
    expect(await eventCount()).toBe(before + 200);
  });
});

describe("a bulk request is refused as a whole, and nothing done,", () => {
  const good = '{"sku":"tea","onHand":1}\n';
  const list = (count: number) => JSON.stringify(Array(count).fill({ sku: "tea", delta: 1 }));
  const latin = { "Content-Type": "application/x-ndjson;charset=latin1" };

  async function expectRefused(answer: Answered, refusal: Parameters<typeof expectProblem>[1]) {
    const before = await dump(shop.api.redis);
    expectProblem(await answer(), refusal);
    expect(await dump(shop.api.redis)).toEqual(before);
  }
  type Answered = () => ReturnType<typeof bulk>;

  test.each([
    ["without a key", good, { "Idempotency-Key": "" }, 400, "IDEMPOTENCY_KEY_MISSING"],
    ["under a malformed key", good, { "Idempotency-Key": '"k' }, 400, "INVALID_REQUEST"],
    ["as text", good, { "Content-Type": "text/plain" }, 415, "UNSUPPORTED_MEDIA_TYPE"],
    ["in Latin-1", good, latin, 415, "UNSUPPORTED_MEDIA_TYPE"],
    ["compressed", good, { "Content-Encoding": "gzip" }, 415, "UNSUPPORTED_MEDIA_TYPE"],
    ["without a line", "", {}, 400, "INVALID_REQUEST"],
    ["with blank lines only", "\n \n\r\n", {}, 400, "INVALID_REQUEST"],
    ["over 1 MB, as it says", good.padEnd(BYTES_MAX + 1, "\n"), {}, 413, "BODY_TOO_LARGE"],
  ])("%s", (_, body, headers, status, code) =>
    expectRefused(() => bulk(body, { ...headers }), { status, code }),
  );

  test.each([
    ["an object", good, 400, "INVALID_REQUEST"],
    ["empty", "[]", 400, "INVALID_REQUEST"],
    ["not whole", "[1,", 400, "INVALID_REQUEST"],
    ["of 10,001", list(10_001), 400, "INVALID_REQUEST"],
    ["naming a member twice", '[{"sku":"a","sku":"b","delta":1}]', 400, "INVALID_REQUEST"],
    ["over 1 MB", "[]".padEnd(BYTES_MAX + 1, " "), 413, "BODY_TOO_LARGE"],
  ])("as a list that is %s", (_, body, status, code) =>
    expectRefused(() => bulk(body, { "Content-Type": "application/json" }), { status, code }),
  );

  test("with a query", async () => {
    const { status, body } = await callsTo(shop.api.url).post("/v1/stock:bulk?dryRun=true", "[]");
    expect([status, body.errors]).toMatchObject([400, [{ pointer: "?dryRun" }]]);
  });
});
