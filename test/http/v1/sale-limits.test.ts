import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startApi } from "../../setup/api.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, callsTo, openBackOffice } from "./back-office.ts";

const MANY = 500;
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let office: BackOffice;
let other: Awaited<ReturnType<typeof startApi>>;
beforeAll(async () => {
  const request_budget_ms = 60_000; // what is asked here must be answered, however slow the machine
  office = await openBackOffice({ request_budget_ms });
  const [redisUrl, databaseUrl] = [office.shop.redis.url, office.shop.database.url];
  other = await startApi({ redisUrl, databaseUrl, request_budget_ms });
});
afterAll(async () => {
  await other.close();
  await office.close();
});

/** Asks one API, then the other, and so on. */
const post = (i: number, path: string, body: unknown) =>
  callsTo(i % 2 ? other.url : office.shop.api.url).post(path, body);

async function sale(units: number, rules?: object): Promise<string> {
  const sku = fresh("sku");
  await office.adjust(sku, "main", units);
  if (rules) expect((await office.put(`/v1/rules/${sku}`, rules)).status).toBe(202);
  return sku;
}
const wish = (sku: string, qty: number, customerId: string, more: object = {}) => ({
  ...{ lines: [{ sku, qty }], customerId },
  ...more,
});
async function reserve(body: object): Promise<string> {
  const { status, text, body: answer } = await office.post("/v1/reservations", body);
  if (status !== 202) throw new Error(text);
  return String(answer.reservationId);
}
const statusOf = async (id: string) => (await office.get(`/v1/reservations/${id}`)).body.status;

describe("500 requests of one customer at once, at two APIs,", () => {
  test("never pass maxPerCustomer, whichever way they ask", async () => {
    const sku = await sale(2_000, { maxPerCustomer: 7 });
    const ann = fresh("ann");
    const ways = [
      (i: number) => post(i, "/v1/reservations", wish(sku, 2, ann)),
      (i: number) => post(i, "/v1/reservations", wish(sku, 2, ann, { mode: "partial" })),
      (i: number) => post(i, "/v1/purchase", { sku, qty: 1, customerId: ann }),
      (i: number) =>
        office.shop.reserve({ sku, qty: 3, user_id: ann, idempotency_key: fresh(`key-${i}`) }),
      (i: number) => post(i, "/v1/reservations", wish(sku, 4, ann, { replace: true })),
    ];
    const answers = await Promise.all(
      Array.from({ length: MANY }, (_, i) => ways[i % ways.length]?.(i)),
    );
    const codes = answers.map((answer) => answer?.body.code);
    expect(new Set(codes)).toEqual(new Set([undefined, "LIMIT_EXCEEDED"]));
    await office.record();
    const owned = await unitsOf(sku, ann);
    expect(owned).toBeGreaterThan(0);
    expect(owned).toBeLessThanOrEqual(7);
    expect(await redisCount(sku, ann)).toBe(owned);
    const { available, held } = await office.shop.unitsOf(sku);
    expect(2_000 - available).toBe(owned);
    expect(held).toBeLessThanOrEqual(7);
  }, 60_000);

  test("never pass maxActiveHolds", async () => {
    const sku = await sale(2_000, { maxActiveHolds: 3 });
    const ann = fresh("ann");
    const answers = await Promise.all(
      Array.from({ length: MANY }, (_, i) => post(i, "/v1/reservations", wish(sku, 1, ann))),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(3);
    for (const answer of answers.filter(({ status }) => status !== 202)) {
      const members = { sku, rule: "maxActiveHolds", limit: 3, left: 0 };
      expectProblem(answer, { status: 409, code: "LIMIT_EXCEEDED", members });
    }
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 1_997, held: 3 });
  }, 60_000);

  test("leave one hold when each takes the place of the last", async () => {
    const sku = await sale(1, { maxActiveHolds: 1 });
    const ann = fresh("ann");
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        post(i, "/v1/reservations", wish(sku, 1, ann, { replace: true })),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 1 });
    await office.record();
    expect(await unitsOf(sku, ann)).toBe(1);
  }, 60_000);
});

/** The same as Redis counts them. */
const redisCount = async (sku: string, customer: string) =>
  Number(
    (await office.shop.api.redis.hget("inventory.customers", `${sku} ${customer}`))?.split(" ")[0],
  );

/** Units of live reservations and of orders, by the ledger's word. */
async function unitsOf(sku: string, customer: string): Promise<number> {
  const { rows } = await office.shop.api.pool.query<{ units: number }>(
    `select coalesce(sum(quantity), 0)::int as units from hold_lines join holds using (hold_id)
     where sku = $1 and user_id = $2 and status in ('ACTIVE', 'CONFIRMED')`,
    [sku, customer],
  );
  return rows[0]?.units ?? 0;
}

describe("a customer who has to be known", () => {
  test("is asked for by name", async () => {
    const sku = await sale(5, { maxPerCustomer: 2 });
    const nobody = { status: 400, code: "INVALID_REQUEST" };
    const calls = [
      () => office.post("/v1/reservations", { lines: [{ sku, qty: 1 }] }),
      () => office.post("/v1/purchase", { sku, qty: 1 }),
    ];
    for (const call of calls) await office.expectRefused(call, nobody);
  });
});

describe("mode: partial", () => {
  test("says of each line what was asked for and what was granted", async () => {
    const [a, b, c] = [await sale(5), await sale(1), await sale(1)];
    await office.adjust(c, "main", -1);
    const lines = [a, b, c].map((sku) => ({ sku, qty: 3 }));
    const { status, body } = await office.post("/v1/reservations", { lines, mode: "partial" });
    const granted = [
      { sku: a, qty: 3, requested: 3 },
      { sku: b, qty: 1, requested: 3 },
      { sku: c, qty: 0, requested: 3 },
    ];
    expect([status, body.lines]).toEqual([202, granted.sort((x, y) => (x.sku < y.sku ? -1 : 1))]);
    const shown = await office.get(`/v1/reservations/${body.reservationId}`);
    expect(shown.body.lines).toHaveLength(2);
  });

  test("grants no more than the customer may have", async () => {
    const sku = await sale(9, { maxPerCustomer: 2 });
    const ann = fresh("ann");
    const ask = () => office.post("/v1/reservations", wish(sku, 5, ann, { mode: "partial" }));
    expect((await ask()).body.lines).toEqual([{ sku, qty: 2, requested: 5 }]);
    const members = { sku, rule: "maxPerCustomer", limit: 2, left: 0 };
    await office.expectRefused(ask, { status: 409, code: "LIMIT_EXCEEDED", members });
  });

  test("of nothing is sold out", async () => {
    const sku = await sale(1);
    await office.adjust(sku, "main", -1);
    const ask = () => office.post("/v1/reservations", wish(sku, 2, "ann", { mode: "partial" }));
    const line = { sku, requested: 2, available: 0, held: 0 };
    const members = { ...line, lines: [{ ...line, storeId: "main" }] };
    await office.expectRefused(ask, { status: 409, code: "SOLD_OUT", members });
  });
});

describe("replace: true", () => {
  test("never is blocked by one's own hold, recorded or not, made with replace or without", async () => {
    const [ruled, free] = [await sale(2, { maxPerCustomer: 2 }), await sale(2)];
    for (const [sku, records, replaces] of [
      [ruled, false, false],
      [free, true, false],
      [free, false, true],
    ] as const) {
      const ann = fresh("ann");
      const first = await reserve(wish(sku, 2, ann, { replace: replaces }));
      if (records) await office.record();
      const second = await reserve(wish(sku, 2, ann, { replace: true }));
      expect([await statusOf(first), await statusOf(second)]).toEqual(["CANCELLED", "CREATED"]);
      expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 2 });
      await office.post(`/v1/reservations/${second}:cancel`, {});
    }
  });

  test("that is refused leaves one's own hold as it was", async () => {
    const sku = await sale(3);
    const ann = fresh("ann");
    const first = await reserve(wish(sku, 2, ann, { replace: true }));
    const before = await office.get(`/v1/reservations/${first}`);
    const refused = await office.post("/v1/reservations", wish(sku, 4, ann, { replace: true }));
    expect([refused.status, refused.body.code]).toEqual([409, "ALL_HELD"]);
    expect((await office.get(`/v1/reservations/${first}`)).body).toEqual(before.body);
  });

  test("leaves other customers' holds, and one's own of other skus", async () => {
    const [sku, another] = [await sale(9), await sale(9)];
    const ann = fresh("ann");
    const others = [
      await reserve(wish(sku, 1, fresh("bob"), { replace: true })),
      await reserve(wish(another, 1, ann, { replace: true })),
      await reserve({ lines: [{ sku, qty: 1 }] }),
    ];
    await office.record();
    await reserve(wish(sku, 1, ann, { replace: true }));
    for (const id of others) expect(await statusOf(id)).toBe("CREATED");
  });

  test("is answered again by its key, and replaces once", async () => {
    const sku = await sale(9);
    const ann = fresh("ann");
    await reserve(wish(sku, 2, ann, { replace: true }));
    const key = fresh("key");
    const ask = () =>
      office.post("/v1/reservations", wish(sku, 3, ann, { replace: true }), { key });
    const first = await ask();
    const again = await ask();
    expect([again.text, again.headers.get("idempotent-replayed")]).toEqual([first.text, "true"]);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 6, held: 3 });
  });
});

describe("what is all held", () => {
  test("is refused with how much, and with when it may come back", async () => {
    const sku = await sale(3);
    await reserve({ lines: [{ sku, qty: 1 }], ttlSeconds: 600 });
    const first = await office.post("/v1/reservations", {
      lines: [{ sku, qty: 2 }],
      ttlSeconds: 60,
    });
    const refused = await office.post("/v1/reservations", { lines: [{ sku, qty: 1 }] });
    const line = { sku, requested: 1, available: 0, held: 3 };
    const members = { ...line, earliestReleaseAt: first.body.expiresAt };
    const lines = [{ ...line, storeId: "main" }];
    expectProblem(refused, { status: 409, code: "ALL_HELD", members: { ...members, lines } });
    const old = await office.shop.reserve({
      sku,
      qty: 1,
      user_id: "u",
      idempotency_key: fresh("k"),
    });
    const old_members = { ...line, earliest_release_at: first.body.expiresAt };
    expectProblem(old, { status: 409, code: "ALL_HELD", members: old_members });
    const bought = await office.post("/v1/purchase", { sku, qty: 1 });
    expect([bought.status, bought.body]).toMatchObject([409, { code: "ALL_HELD" }]);
  });

  test("is on the availability page, too", async () => {
    const sku = await sale(1);
    const { body } = await office.post("/v1/reservations", { lines: [{ sku, qty: 1 }] });
    const shown = await office.get(`/v1/items/${sku}/availability`);
    const at = { level: "ALL_HELD", earliestReleaseAt: body.expiresAt };
    expect(shown.body).toMatchObject({ sku, totalAvailable: 0, ...at });
    expect(body.expiresAt).toMatch(ISO_TIME);
  });
});

describe("the level of a sku", () => {
  const levelOf = async (sku: string) => (await office.get(`/v1/items/${sku}/level`)).body;

  test("is IN_STOCK, LOW, ALL_HELD, SOLD_OUT, as units go", async () => {
    const sku = await sale(11);
    expect(await levelOf(sku)).toEqual({ sku, level: "IN_STOCK" });
    await office.adjust(sku, "main", -1);
    expect(await levelOf(sku)).toEqual({ sku, level: "LOW" });
    await office.adjust(sku, "main", -9);
    expect(await levelOf(sku)).toEqual({ sku, level: "LOW" });
    const id = await reserve({ lines: [{ sku, qty: 1 }] });
    expect(await levelOf(sku)).toEqual({ sku, level: "ALL_HELD" });
    await office.post(`/v1/reservations/${id}:confirm`, {});
    expect(await levelOf(sku)).toEqual({ sku, level: "SOLD_OUT" });
  });

  test("may be kept for a second, and is a 304 until it changes", async () => {
    const sku = await sale(11);
    const { headers } = await office.get(`/v1/items/${sku}/level`);
    expect(headers.get("cache-control")).toBe("public, max-age=1");
    const ask = () =>
      office.get(`/v1/items/${sku}/level`, { "if-none-match": String(headers.get("etag")) });
    expect((await ask()).status).toBe(304);
    await office.adjust(sku, "main", 5);
    expect((await ask()).status).toBe(304);
    await office.adjust(sku, "main", -10);
    expect((await ask()).status).toBe(200);
  });

  test("is that of one store, when one is named", async () => {
    const sku = await sale(1);
    await office.adjust(sku, "north", 50);
    expect(await levelOf(sku)).toEqual({ sku, level: "IN_STOCK" });
    const of_main = await office.get(`/v1/items/${sku}/level?storeId=main`);
    expect(of_main.body).toEqual({ sku, level: "LOW" });
  });

  test("of a sku that nobody has stocked is unknown", async () => {
    const sku = fresh("sku");
    const unknown = await office.get(`/v1/items/${sku}/level`);
    expectProblem(unknown, { status: 404, code: "UNKNOWN_SKU", members: { sku } });
  });
});
