import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, type Items, invalid, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
});
afterAll(() => office.close());

type Wish = { lines: { sku: string; qty: number }[]; customerId?: string; ttlSeconds?: number };

async function reserved(wish: Wish): Promise<string> {
  const { status, body, text } = await office.post("/v1/reservations", wish);
  if (status !== 202) throw new Error(text);
  return String(body.reservationId);
}
const idsOf = (items: Items) => items.map(({ reservationId }) => reservationId);
const listed = async (query: string) =>
  idsOf((await office.get(`/v1/reservations?${query}`)).body.items as Items); // what a list answers

describe("the list of reservations", () => {
  let ids: { created: string; confirmed: string; cancelled: string; expired: string };
  let sku: string;
  const customer = fresh("ann");
  beforeAll(async () => {
    sku = await office.shop.stock(100);
    const wish = { lines: [{ sku, qty: 2 }], customerId: customer };
    const expired = await reserved({ ...wish, ttlSeconds: 1 });
    const created = await reserved(wish);
    const confirmed = await reserved(wish);
    const cancelled = await reserved(wish);
    ids = { created, confirmed, cancelled, expired };
    await office.post(`/v1/reservations/${confirmed}:confirm`, { paymentRef: "pay" });
    await office.post(`/v1/reservations/${cancelled}:cancel`, { reason: "user_cancel" });
    const now = () => office.shop.api.inventory.now();
    const due = Date.parse(
      String((await office.get(`/v1/reservations/${expired}`)).body.expiresAt),
    );
    await until("the deadline has passed", () => (now() > due ? true : undefined));
    await office.shop.sweep(expired);
    await office.record();
  });

  test("has each status under its name", async () => {
    const of = (status: string) => listed(`customerId=${customer}&status=${status}`);
    expect(await of("CREATED")).toEqual([ids.created]);
    expect(await of("CONFIRMED")).toEqual([ids.confirmed]);
    expect(await of("CANCELLED")).toEqual([ids.cancelled]);
    expect(await of("EXPIRED")).toEqual([ids.expired]);
  });

  test("shows each as it is shown alone, newest first", async () => {
    const { body, headers } = await office.get(`/v1/reservations?customerId=${customer}`);
    const { cancelled, confirmed, created, expired } = ids;
    expect(idsOf(body.items as Items)).toEqual([cancelled, confirmed, created, expired]);
    for (const item of body.items as Items) {
      expect(item).toEqual((await office.get(`/v1/reservations/${item.reservationId}`)).body);
    }
    expect(body.nextCursor).toBeNull();
    expect(headers.get("x-projection-lag-ms")).toBe("0");
    const etag = String(headers.get("etag"));
    const ask = () =>
      office.get(`/v1/reservations?customerId=${customer}`, { "if-none-match": etag });
    expect((await ask()).status).toBe(304);
  });

  test("is found by sku, by customer, by status, and by all of them", async () => {
    const [other_sku, other_customer] = [await office.shop.stock(100), fresh("bob")];
    const both = await reserved({
      lines: [sku, other_sku].map((named) => ({ sku: named, qty: 1 })),
      customerId: other_customer,
    });
    const nobodys = await reserved({ lines: [{ sku: other_sku, qty: 1 }] });
    await office.record();
    expect(await listed(`sku=${other_sku}`)).toEqual([nobodys, both]);
    expect(await listed(`sku=${sku}`)).toContain(both);
    expect(await listed(`customerId=${other_customer}`)).toEqual([both]);
    expect(await listed(`sku=${other_sku}&customerId=${customer}`)).toEqual([]);
    expect(await listed(`sku=${sku}&customerId=${other_customer}&status=CREATED`)).toEqual([both]);
    expect(await listed(`sku=${sku}&customerId=${other_customer}&status=EXPIRED`)).toEqual([]);
    expect(await listed("customerId=nobody")).toEqual([]);
  });

  test("has one that the ledger doesn't know yet only when it is recorded, and says so", async () => {
    const customerId = fresh("eve");
    const late = await reserved({ lines: [{ sku, qty: 1 }], customerId });
    const before = await office.get(`/v1/reservations?customerId=${customerId}`);
    expect(before.body.items).toEqual([]);
    expect(Number(before.headers.get("x-projection-lag-ms"))).toBeGreaterThan(0);
    await office.record();
    expect(await listed(`customerId=${customerId}`)).toEqual([late]);
  });

  test("is paged to its end whatever it is filtered by", async () => {
    const customerId = fresh("max");
    const many = await office.shop.stock(100);
    const made: string[] = [];
    for (let i = 0; i < 7; i += 1) {
      made.unshift(await reserved({ lines: [{ sku: many, qty: 1 }], customerId }));
    }
    await office.record();
    const filters = [`customerId=${customerId}`, `sku=${many}`, `sku=${many}&status=CREATED`];
    for (const filter of filters) {
      for (const limit of [1, 3, 6, 7, 8]) {
        const pages = await office.pages(`/v1/reservations?${filter}`, limit);
        expect(idsOf(pages.flat())).toEqual(made);
        expect(pages).toHaveLength(Math.ceil(7 / limit));
      }
    }
  });

  const order = Buffer.from("O-01890000-0000-7000-8000-000000000000").toString("base64url");
  test.each([
    ["limit", "0"],
    ["limit", "201"],
    ["limit", "-1"],
    ["limit", "x"],
    ["customerId", ""],
    ["customerId", "a".repeat(129)],
    ["sku", "a%20b"],
    ["sku", ""],
    ["status", "ACTIVE"],
    ["status", "created"],
    ["status", ""],
    ["cursor", "*"],
    ["cursor", "AAAA"],
    ["cursor", order],
    ["storeId", "main"],
    ["user_id", "ann"],
  ])("refuses %s=%s", (name, value) =>
    office.expectRefused(
      () => office.get(`/v1/reservations?${name}=${value}`),
      invalid(`?${name}`),
    ),
  );

  test("serves the smallest and the largest page", async () => {
    for (const limit of [1, 200]) {
      expect((await office.get(`/v1/reservations?limit=${limit}`)).status).toBe(200);
    }
  });
});
