import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { openAuditor } from "../../worker/audit-side.ts";
import { query } from "../../worker/query.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, type Items, invalid, openBackOffice } from "./back-office.ts";

let office: BackOffice;
let auditor: Awaited<ReturnType<typeof openAuditor>>;
beforeAll(async () => {
  office = await openBackOffice();
  const { redis, database } = office.shop;
  auditor = await openAuditor({ redisUrl: redis.url, databaseUrl: database.url });
});
afterAll(async () => {
  await auditor.close();
  await office.close();
});
const ISO_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const redis = () => office.shop.api.redis;
const itemsOf = (body: Record<string, unknown>) => body.items as Items; // what a list answers

async function audited(path = "/v1/audit") {
  await office.record();
  await auditor.lookAround();
  const { status, body } = await office.get(path);
  expect(status).toBe(200);
  return body;
}

/** A sku with 10 units in `main`, of which two are reserved. */
async function tea() {
  const sku = fresh("tea");
  await office.adjust(sku, "main", 10);
  const { status, body } = await office.shop.reserve({
    ...{ sku, qty: 2, user_id: "ann", idempotency_key: fresh("key") },
  });
  expect(status).toBe(201);
  await office.record();
  return { sku, hold_id: String(body.hold_id) };
}

test("nobody has looked yet", async () => {
  expect((await office.get("/v1/audit")).body).toEqual({
    ...{ lookedAt: null, rounds: 0, saleRounds: 0, lastRound: null, currentRound: null },
    ...{ accounts: [], items: [], nextCursor: null },
  });
});

test("the last round is told, and the account of a sku", async () => {
  const { sku } = await tea();
  await office.adjust(sku, "north", 7);
  const body = await audited(`/v1/audit?sku=${sku}`);
  expect(body).toMatchObject({ lookedAt: ISO_TIME, items: [], nextCursor: null });
  expect(body.rounds).toBeGreaterThan(2);
  expect(body.lastRound).toMatchObject({ beganAt: ISO_TIME, endedAt: ISO_TIME });
  const nothing = { stocked: 0, returned: 0, sold: 0 };
  expect(body.accounts).toEqual([
    {
      ...{ ...nothing, storeId: "main", adjusted: 10, available: 8, reserved: 2, version: 2 },
      summedAt: ISO_TIME,
    },
    {
      ...{ ...nothing, storeId: "north", adjusted: 7, available: 7, reserved: 0, version: 1 },
      summedAt: ISO_TIME,
    },
  ]);
});

describe("a drift", () => {
  test("is told with its movements and a proposal, which mends it", async () => {
    const { sku, hold_id } = await tea();
    await redis().set(`stock:${sku}`, 50);
    const { items } = await audited(`/v1/audit?sku=${sku}`);
    const ledger = { onHand: 10, reserved: 2, available: 8, version: 2 };
    expect(items).toEqual([
      {
        ...{ sku, storeId: "main", kind: "CHANGED_OUTSIDE", alarm: false },
        ...{ ledger, level: ledger, redis: { ...ledger, onHand: 52, available: 50 } },
        ...{ foundAt: ISO_TIME, lastSeenAt: ISO_TIME },
        advice: expect.stringContaining("EXTERNAL"),
        proposal: {
          ...{ storeId: "main", sku, delta: -42, reason: "count" },
          notes: expect.stringMatching(/^audit: CHANGED_OUTSIDE, finding \d+$/),
        },
        movements: [
          expect.objectContaining({ kind: "HOLD_CREATED", reference: hold_id, availableDelta: -2 }),
          expect.objectContaining({ kind: "STOCK_ADJUSTED", onHandDelta: 10 }),
        ],
      },
    ]);
    const [{ proposal } = {}] = itemsOf({ items });
    expect((await office.post("/v1/adjustments", proposal, { "if-match": '"2"' })).status).toBe(
      202,
    );
    expect(await audited(`/v1/audit?sku=${sku}`)).toMatchObject({ items: [] });
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 8, held: 2 });
  });

  test("of events that are lost for good is mended by the proposal, too", async () => {
    const { sku } = await tea();
    const { databaseUrl } = { databaseUrl: office.shop.database.url };
    const before = await redis().get("inventory.seq");
    await office.adjust(sku, "main", 5);
    await redis().xtrim("inventory.events", "MAXLEN", 0);
    await redis().set("inventory.seq", before ?? 0);
    const { items } = await audited(`/v1/audit?sku=${sku}`);
    expect(items).toMatchObject([
      {
        kind: "REDIS_AHEAD",
        alarm: true,
        ledger: { version: 2 },
        redis: { onHand: 15, version: 3 },
      },
    ]);
    const [{ proposal } = {}] = itemsOf({ items });
    expect(proposal).toMatchObject({ delta: -5 });
    expect((await office.post("/v1/adjustments", proposal)).status).toBe(202);
    expect(await audited(`/v1/audit?sku=${sku}`)).toMatchObject({ items: [] });
    const gaps = await query(databaseUrl, "select from seq_gaps");
    expect(gaps).toHaveLength(0);
  });

  test.each([
    ["HELD", (sku: string) => redis().hset(`item:${sku}`, "held", 3), /HSET item/],
    ["CORRUPT", (sku: string) => redis().set(`stock:${sku}`, "abc"), /SET stock/],
    ["REDIS_BEHIND", (sku: string) => redis().hset(`item:${sku}`, "version", 1), /Stop selling/],
    [
      "LEDGER_SUM",
      (sku: string) =>
        query(
          office.shop.database.url,
          "update stock_levels set available = 77 where sku = $1 and store_id = 'main'",
          [sku],
        ),
      /rebuild/,
    ],
  ])("%s that no adjustment mends has advice instead", async (kind, breaks, advice) => {
    const { sku } = await tea();
    await breaks(sku);
    const { items } = await audited(`/v1/audit?sku=${sku}`);
    expect(items).toMatchObject([{ kind, alarm: true, proposal: null }]);
    expect(itemsOf({ items })[0]?.advice).toMatch(advice);
    await redis().mset(`stock:${sku}`, 8);
    await redis().hset(`item:${sku}`, "held", 2, "version", 2);
    if (kind === "LEDGER_SUM") {
      const sql = "update stock_levels set available = 8 where sku = $1 and store_id = 'main'";
      await query(office.shop.database.url, sql, [sku]);
    }
    expect(await audited(`/v1/audit?sku=${sku}`)).toMatchObject({ items: [] });
  });

  test("has its newest twenty movements", async () => {
    const sku = fresh("busy");
    for (let i = 0; i < 21; i += 1) await office.adjust(sku, "main", 1);
    await office.record();
    await redis().set(`stock:${sku}`, 5);
    const { items } = await audited(`/v1/audit?sku=${sku}`);
    const newest = Array.from({ length: 20 }, (_, i) =>
      expect.objectContaining({ version: 21 - i }),
    );
    expect(items).toEqual([expect.objectContaining({ movements: newest })]);
    await redis().set(`stock:${sku}`, 21);
  });
});

test("drifts are paged, and those of a sku are its own", async () => {
  const skus = [];
  for (let i = 0; i < 5; i += 1) skus.push((await tea()).sku);
  for (const sku of skus) await redis().set(`stock:${sku}`, 1);
  await audited();
  for (const limit of [1, 2, 4, 5, 6]) {
    const pages = await office.pages("/v1/audit", limit);
    expect(pages.flat().map(({ sku }) => sku)).toEqual(expect.arrayContaining(skus));
    expect(pages).toHaveLength(Math.ceil(5 / limit));
  }
  expect((await audited(`/v1/audit?sku=${skus[2]}`)).items).toMatchObject([{ sku: skus[2] }]);
  for (const sku of skus) await redis().set(`stock:${sku}`, 8);
});

test.each([
  ["limit", "0"],
  ["limit", "51"],
  ["cursor", "*"],
  ["cursor", Buffer.from("0").toString("base64url")],
  ["sku", "a b"],
  ["storeId", "main"],
])("is refused with %s=%s", (name, value) =>
  office.expectRefused(
    () => office.get(`/v1/audit?${name}=${encodeURIComponent(value)}`),
    invalid(`?${name}`),
  ),
);
