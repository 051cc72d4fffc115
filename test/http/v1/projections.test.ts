import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { rebuildChunk } from "../../../src/postgres/rebuilding.ts";
import { query } from "../../worker/query.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop } from "../shop.ts";
import { type BackOffice, callsTo, invalid, openBackOffice } from "./back-office.ts";

const ISO_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const NONE = {
  ...{ requestedAt: null, startedAt: null, finishedAt: null },
  ...{ stocksTotal: null, stocksDone: 0, stocksCorrected: 0, state: "NONE" },
};
const REQUESTED = { ...NONE, requestedAt: ISO_TIME, state: "REQUESTED" };

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 2_000 });
});
afterAll(() => office.close());

const sql = (text: string) => query(office.shop.database.url, text);
const status = async () => (await office.get("/v1/projections/status")).body;
const rebuild = (sent = {}) => office.post("/v1/projections/rebuild", undefined, sent);
const shown = async () => (await status()).rebuild;
/** Does what the worker does of a rebuild, so many stocks at once, and says whether there was something. */
const work = async (stocks = 1_000) =>
  (await rebuildChunk(office.shop.api.pool, office.shop.database.url, stocks)) !== null;

describe("the status", () => {
  test("is there before anything was recorded", async () => {
    const { status, headers, body } = await office.get("/v1/projections/status");
    expect(status).toBe(200);
    expect(body).toEqual({
      partitions: [
        { partition: 0, appliedSeq: 0, decidedSeq: 0, backlog: 0, lagMs: 0, updatedAt: null },
      ],
      rebuild: NONE,
    });
    expect(headers.get("x-projection-lag-ms")).toBe("0");
  });

  test("counts what is decided and not yet recorded, and how old it is", async () => {
    const sku = fresh("sku");
    for (let i = 0; i < 3; i += 1) await office.adjust(sku, "main", 1);
    expect(await status()).toMatchObject({
      partitions: [{ appliedSeq: 0, decidedSeq: 3, backlog: 3, lagMs: expect.any(Number) }],
    });
    await office.record();
    const recorded = {
      ...{ partition: 0, appliedSeq: 3, decidedSeq: 3, backlog: 0, lagMs: 0 },
      updatedAt: ISO_TIME,
    };
    expect((await status()).partitions).toEqual([recorded]);
    await office.adjust(sku, "main", 1);
    const { headers, body } = await office.get("/v1/projections/status");
    const [{ lagMs } = { lagMs: 0 }] = body.partitions as { lagMs: number }[]; // it has one
    expect(lagMs).toBeGreaterThan(0);
    expect(headers.get("x-projection-lag-ms")).toBe(String(lagMs));
    expect(body.partitions).toEqual([{ ...recorded, decidedSeq: 4, backlog: 1, lagMs }]);
    await office.record();
  });

  test("tells while Redis is away since when something may be missing", async () => {
    await office.shop.redis.stop();
    await office.shop.untilRedis("gone");
    const { status, body } = await office.get("/v1/projections/status");
    await office.shop.startRedis();
    expect(status).toBe(200);
    expect(body.partitions).toEqual([
      {
        ...{ partition: 0, appliedSeq: 4, decidedSeq: null, backlog: null },
        ...{ lagMs: expect.any(Number), updatedAt: ISO_TIME },
      },
    ]);
  });

  test("is a 304 until something changes", async () => {
    const first = await office.get("/v1/projections/status");
    const ask = () =>
      office.get("/v1/projections/status", { "if-none-match": String(first.headers.get("etag")) });
    expect((await ask()).status).toBe(304);
    await office.adjust(fresh("sku"), "main", 1);
    expect((await ask()).status).toBe(200);
    await office.record();
  });

  test("has no parameters", () =>
    office.expectRefused(
      () => office.get("/v1/projections/status?partition=0"),
      invalid("?partition"),
    ));
});

describe("a rebuild", () => {
  beforeEach(async () => {
    await sql("delete from projection_rebuilds");
    await office.record();
  });

  test("is asked for, goes on in steps that are shown, and mends what was wrong", async () => {
    const [right, wrong] = [fresh("sku"), fresh("sku")];
    for (const sku of [right, wrong]) await office.adjust(sku, "main", 5);
    await office.record();
    await sql(`update stock_levels set available = 77 where sku = '${wrong}'`);
    const asked = await rebuild();
    expect([asked.status, asked.body]).toEqual([202, REQUESTED]);
    expect(await shown()).toEqual(REQUESTED);
    const [{ n } = { n: 0 }] = await query<{ n: number }>(
      office.shop.database.url,
      "select count(*)::int as n from stock_levels",
    );
    await work(1);
    expect(await shown()).toEqual({
      ...REQUESTED,
      ...{ startedAt: ISO_TIME, state: "RUNNING" },
      ...{ stocksTotal: n, stocksDone: 1, stocksCorrected: expect.any(Number) },
    });
    // Reads go on meanwhile.
    expect((await office.get("/v1/products/totals")).status).toBe(200);
    while (await work());
    expect(await shown()).toEqual({
      ...REQUESTED,
      ...{ startedAt: ISO_TIME, finishedAt: ISO_TIME, state: "DONE" },
      ...{ stocksTotal: n, stocksDone: n, stocksCorrected: 1 },
    });
    const levels = await sql(`select available::int from stock_levels where sku = '${wrong}'`);
    expect(levels).toEqual([{ available: 5 }]);
  });

  test("is not asked for twice: while one is open, whoever asks is told of that one", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => rebuild()));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(202);
    expect(await sql("select from projection_rebuilds")).toHaveLength(1);
    await work(1);
    expect((await rebuild()).body).toMatchObject({ state: "RUNNING", stocksDone: 1 });
  });

  test("is a new one once the last is done, but not under the same key", async () => {
    const key = fresh("key");
    const first = await rebuild({ key });
    while (await work());
    const again = await rebuild({ key });
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await shown()).toMatchObject({ state: "DONE" });
    expect((await rebuild()).body).toEqual(REQUESTED);
    expect(await sql("select from projection_rebuilds")).toHaveLength(2);
  });

  test("may be asked for with an empty body, and with no other", async () => {
    const path = "/v1/projections/rebuild";
    expect((await office.post(path, {})).status).toBe(202);
    await office.expectRefused(() => office.post(path, { all: true }), invalid("#/all"));
    for (const body of ["[]", "null", "5"]) {
      await office.expectRefused(() => office.post(path, body), invalid("#"));
    }
    const refusal = { status: 400, code: "INVALID_REQUEST" };
    await office.expectRefused(() => office.post(path, "{"), refusal);
  });

  test("needs a key", () =>
    office.expectRefused(() => rebuild({ key: null }), {
      status: 400,
      code: "IDEMPOTENCY_KEY_MISSING",
    }));

  test("is asked for by POST alone", async () => {
    const { status, headers } = await office.get("/v1/projections/rebuild");
    expect([status, headers.get("allow")]).toEqual([405, "POST"]);
  });
});

test("while Redis is away and nothing was ever recorded, nobody can say how far anything is behind", async () => {
  const shop = await openShop({ request_budget_ms: 2_000 });
  const { get } = callsTo(shop.api.url);
  try {
    await shop.redis.stop();
    await shop.untilRedis("gone");
    for (const path of ["projections/status", "orders", "stores", "products/totals"]) {
      const refusal = { status: 503, code: "STORE_UNAVAILABLE" };
      expectProblem(await get(`/v1/${path}`), refusal);
    }
  } finally {
    await shop.startRedis();
    await shop.close();
  }
});
