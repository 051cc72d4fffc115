import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, invalid, objectOf, openBackOffice } from "./back-office.ts";

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ALL = {
  maxPerOrder: 2,
  maxPerCustomer: 4,
  maxActiveHolds: 1,
  opensAt: "2026-01-02T03:04:05.678Z",
  closesAt: "2226-01-02T03:04:05.678Z",
  paused: true,
  holdSeconds: 60,
  maxHoldSeconds: 900,
  maxExtensions: 3,
  returnsFree: true,
};

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 5_000 });
  // DUMP gives the fields of a hash that is a table in whatever order they lie: keep all of them lists.
  const config = ["hash-max-listpack-value", "1000000", "hash-max-listpack-entries", "1000"];
  await office.shop.api.redis.config("SET", ...config);
});
afterAll(() => office.close());

const path = (sku: string) => `/v1/rules/${sku}`;
async function withRules(rules: object = { maxPerOrder: 2 }) {
  const sku = fresh("sku");
  const { status, body } = await office.put(path(sku), rules);
  expect(status).toBe(202);
  return { sku, version: Number(body.version) };
}

describe("rules are set", () => {
  test("all of them, and read as they were set", async () => {
    const sku = fresh("sku");
    const { status, body } = await office.put(path(sku), ALL);
    const changedAt = expect.stringMatching(ISO_TIME);
    expect([status, body]).toEqual([202, { sku, ...ALL, version: expect.any(Number), changedAt }]);
    const { changedAt: _, ...shown } = body;
    const read = await office.get(path(sku));
    expect([read.status, read.body]).toEqual([200, shown]);
    expect(read.headers.get("x-projection-lag-ms")).toBe("0");
  });

  test("without those that are off, and in UTC", async () => {
    const rules = { opensAt: "2026-01-02T05:04:05+02:00", paused: false, returnsFree: false };
    const { sku, version } = await withRules(rules);
    const { body } = await office.get(path(sku));
    expect(body).toEqual({ sku, version, opensAt: "2026-01-02T03:04:05.000Z" });
  });

  test.each([
    ...[{ maxPerOrder: 1 }, { maxPerOrder: 1_000 }, { maxPerCustomer: 1 }],
    ...[{ maxPerCustomer: 1_000_000_000 }, { maxActiveHolds: 1_000_000_000 }],
    ...[{ holdSeconds: 1 }, { holdSeconds: 86_400 }, { maxHoldSeconds: 86_400 }],
    ...[{ maxExtensions: 0 }, { maxExtensions: 1_000 }],
    ...[{ holdSeconds: 60, maxHoldSeconds: 60 }, { opensAt: "1970-01-01T00:00:00.000Z" }],
    { opensAt: "2026-01-01T00:00:00.000Z", closesAt: "2026-01-01T00:00:00.001Z" },
    { closesAt: "2999-12-31T23:59:59.999Z" },
  ])("at their bounds: %j", async (rules) => {
    const { sku, version } = await withRules(rules);
    expect((await office.get(path(sku))).body).toEqual({ sku, version, ...rules });
  });

  test("instead of those before", async () => {
    const { sku, version } = await withRules(ALL);
    const { body } = await office.put(path(sku), { maxPerOrder: 9 });
    expect(Number(body.version)).toBeGreaterThan(version);
    const read = await office.get(path(sku));
    expect(read.body).toEqual({ sku, maxPerOrder: 9, version: body.version });
  });

  test("before anybody has stocked the sku", async () => {
    const { sku } = await withRules({ paused: true });
    await office.adjust(sku, "main", 5);
    const refused = await office.post("/v1/reservations", { lines: [{ sku, qty: 1 }] });
    expectProblem(refused, { status: 409, code: "SALE_PAUSED", members: { sku } });
  });

  test("and recorded, when the caller waits for it", async () => {
    const sku = fresh("sku");
    const asked = office.put(path(sku), ALL, { prefer: "wait=5" });
    const decided = () => office.shop.api.redis.hexists("inventory.rules", sku);
    await until("it is decided", async () => ((await decided()) === 1 ? true : undefined));
    await office.record();
    const { status, headers, body } = await asked;
    expect([status, headers.get("preference-applied")]).toEqual([200, "wait=5"]);
    expect(body).toMatchObject({ sku, ...ALL, recorded: true });
  });
});

describe("a key", () => {
  test("that is used again gives the first answer, and leaves newer rules alone", async () => {
    const [sku, key] = [fresh("sku"), fresh("key")];
    const first = await office.put(path(sku), { maxPerOrder: 2 }, { key });
    await office.put(path(sku), { maxPerOrder: 3 });
    const again = await office.put(path(sku), { maxPerOrder: 2 }, { key });
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await office.get(path(sku))).body.maxPerOrder).toBe(3);
  });

  test("is that of one request", async () => {
    const [sku, key] = [fresh("sku"), fresh("key")];
    await office.put(path(sku), { maxPerOrder: 2 }, { key });
    const reused = { status: 422, code: "IDEMPOTENCY_KEY_REUSED" };
    await office.expectRefused(() => office.put(path(sku), { maxPerOrder: 3 }, { key }), reused);
    await office.expectRefused(
      () => office.put(path(fresh("sku")), { maxPerOrder: 2 }, { key }),
      reused,
    );
    await office.expectRefused(() => office.remove(path(sku), { key }), reused);
  });

  test("is needed", async () => {
    const missing = { status: 400, code: "IDEMPOTENCY_KEY_MISSING" };
    const { sku } = await withRules();
    await office.expectRefused(
      () => office.put(path(sku), { paused: true }, { key: null }),
      missing,
    );
    await office.expectRefused(() => office.remove(path(sku), { key: null }), missing);
  });

  test("20 times at once is one change and one answer", async () => {
    const [sku, key] = [fresh("sku"), fresh("key")];
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => office.put(path(sku), ALL, { key })),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => !headers.has("idempotent-replayed"))).toHaveLength(1);
  });
});

describe("If-Match", () => {
  test("lets through who has seen the rules as they are", async () => {
    const { sku, version } = await withRules();
    const first = await office.put(path(sku), { maxPerOrder: 3 }, { "if-match": `"${version}"` });
    expect(first.status).toBe(202);
    const gone = await office.remove(path(sku), { "if-match": `"${first.body.version}"` });
    expect(gone.status).toBe(202);
    expect((await office.put(path(sku), ALL, { "if-match": '"0"' })).status).toBe(202);
  });

  test("of another version is told the one there is", async () => {
    const { sku, version } = await withRules();
    const conflict = { status: 409, code: "VERSION_CONFLICT", members: { sku, version } };
    for (const other of [0, version - 1, version + 1]) {
      const sent = { "if-match": `"${other}"` };
      await office.expectRefused(() => office.put(path(sku), { paused: true }, sent), conflict);
      await office.expectRefused(() => office.remove(path(sku), sent), conflict);
    }
    const none = fresh("sku");
    const members = { sku: none, version: 0 };
    const sent = { "if-match": '"1"' };
    await office.expectRefused(() => office.put(path(none), ALL, sent), { ...conflict, members });
  });

  test("of two at once lets one through", async () => {
    const { sku, version } = await withRules();
    const sent = { "if-match": `"${version}"` };
    const answers = await Promise.all(
      [3, 4, 5, 6].map((maxPerOrder) => office.put(path(sku), { maxPerOrder }, sent)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409, 409]);
  });
});

describe("rules are taken away", () => {
  test("and are not found then, not even to be taken away again", async () => {
    const { sku } = await withRules(ALL);
    const { status, body } = await office.remove(path(sku));
    expect([status, body]).toEqual([202, { sku, changedAt: expect.stringMatching(ISO_TIME) }]);
    const missing = { status: 404, code: "RULES_NOT_FOUND", members: { sku } };
    await office.expectRefused(() => office.get(path(sku)), missing);
    await office.expectRefused(() => office.remove(path(sku)), missing);
  });

  test("and what they forbade is sold", async () => {
    const { sku } = await withRules({ paused: true, maxPerCustomer: 1 });
    await office.adjust(sku, "main", 5);
    await office.remove(path(sku));
    const { status } = await office.post("/v1/reservations", { lines: [{ sku, qty: 5 }] });
    expect(status).toBe(202);
  });

  test("once by a key", async () => {
    const { sku } = await withRules();
    const key = fresh("key");
    const first = await office.remove(path(sku), { key });
    await office.put(path(sku), ALL);
    const again = await office.remove(path(sku), { key });
    expect([again.text, again.headers.get("idempotent-replayed")]).toEqual([first.text, "true"]);
    expect((await office.get(path(sku))).status).toBe(200);
  });
});

describe("rules are refused that have", () => {
  const refused = (texts: Record<string, string>, pointer = `#/${Object.keys(texts)[0]}`) =>
    office.expectRefused(() => office.put(path(fresh("sku")), objectOf(texts)), invalid(pointer));
  const NO_WHOLE = '1.5 1e400 9007199254740991 null true [] {} "5" ""'.split(" ");

  const bounds: [string, string[]][] = [
    ["maxPerOrder", ["-1", "0", "1001"]],
    ["maxPerCustomer", ["-1", "0", "1000000001"]],
    ["maxActiveHolds", ["-1", "0", "1000000001"]],
    ["holdSeconds", ["-1", "0", "86401"]],
    ["maxHoldSeconds", ["-1", "0", "86401"]],
    ["maxExtensions", ["-1", "1001"]],
  ];
  test.each(bounds)("no such %s", async (name, texts) => {
    for (const text of [...texts, ...NO_WHOLE]) await refused({ [name]: text });
  });

  test.each(["opensAt", "closesAt"])("no such %s", async (name) => {
    const days = ["2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "tomorrow", ""];
    const texts = [
      ...days,
      "1969-12-31T23:59:59.999Z",
      "3000-01-01T00:00:00Z",
      "9999-12-31T23:59:59Z",
    ];
    for (const text of [
      ...texts.map((day) => JSON.stringify(day)),
      "1795773600000",
      "null",
      "[]",
    ]) {
      await refused({ [name]: text });
    }
  });

  test.each(["paused", "returnsFree"])("no such %s", async (name) => {
    for (const text of ['"true"', "1", "0", "null", "[]", "{}", '""'])
      await refused({ [name]: text });
  });

  test("an end that is not behind the beginning, or a hold longer than any may be", async () => {
    const at = '"2026-01-01T00:00:00Z"';
    await refused({ closesAt: at, opensAt: at });
    await refused({ closesAt: at, opensAt: '"2026-01-01T00:00:00.001Z"' });
    await refused({ holdSeconds: "61", maxHoldSeconds: "60" });
  });

  test.each(["version", "sku", "max_per_order", "__proto__"])("the member %s", (name) =>
    refused({ [name]: "1", maxPerOrder: "1" }),
  );

  test.each(["{}", "[]", "5", "null", '"x"', "{", "", '{"paused":false}', '{"maxPerOrder":0x1}'])(
    "nothing to say: %s",
    async (text) => {
      const before = await office.shop.api.redis.hgetall("inventory.rules");
      const { status, body } = await office.put(path(fresh("sku")), text);
      expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
      expect(await office.shop.api.redis.hgetall("inventory.rules")).toEqual(before);
    },
  );

  test.each(["a b", "a@main", "*", `${"a".repeat(65)}`])("the sku %j", async (sku) => {
    const at = path(encodeURIComponent(sku));
    await office.expectRefused(() => office.put(at, { paused: true }), invalid("{sku}"));
    await office.expectRefused(() => office.get(at), invalid("{sku}"));
    await office.expectRefused(() => office.remove(at), invalid("{sku}"));
  });
});

describe("while Redis is away", () => {
  test("rules are read from the ledger, and not changed", async () => {
    const { sku, version } = await withRules(ALL);
    const { sku: removed } = await withRules(ALL);
    await office.remove(path(removed));
    await office.record();
    await office.shop.redis.stop();
    await office.shop.untilRedis("gone");
    const answers = [
      await office.get(path(sku)),
      await office.get(path(removed)),
      await office.get(path(fresh("sku"))),
      await office.put(path(sku), { maxPerOrder: 2 }),
      await office.remove(path(sku)),
    ];
    await office.shop.startRedis();
    expect(answers[0]?.body).toEqual({ sku, ...ALL, version });
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [200, undefined],
      [404, "RULES_NOT_FOUND"],
      [404, "RULES_NOT_FOUND"],
      [503, "STORE_UNAVAILABLE"],
      [503, "STORE_UNAVAILABLE"],
    ]);
  });
});

test("rules in Redis that are none are an operator's to mend", async () => {
  const sku = fresh("sku");
  await office.shop.api.redis.hset("inventory.rules", sku, "version=1 paused");
  const corrupt = { status: 500, code: "CORRUPT_STOCK" };
  await office.expectRefused(() => office.get(path(sku)), corrupt);
  await office.expectRefused(() => office.put(path(sku), ALL), corrupt);
  await office.shop.api.redis.hdel("inventory.rules", sku);
});
