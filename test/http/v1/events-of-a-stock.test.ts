import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { query } from "../../worker/query.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

const MIGRATION = new URL("../../../sql/0013_events_of_a_stock.sql", import.meta.url);

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
});
afterAll(() => office.close());

type Event = { eventId: string; eventType: string };
async function listed(parameters: string): Promise<Event[]> {
  const { status, text } = await office.get(`/v1/events?${parameters}`);
  if (status !== 200) throw new Error(text);
  return JSON.parse(text);
}

async function done(answer: ReturnType<BackOffice["post"]>, expected = 202) {
  const { status, body, text } = await answer;
  if (status !== expected) throw new Error(text);
  return body;
}

/** Everything that can happen to two skus in two stores without moving a unit, and a little more. */
async function story(sku: string, other: string, store: string): Promise<void> {
  const { adjust, post, patch, put, remove, record } = office;
  await adjust(sku, "main", 10);
  await adjust(other, "main", 10);
  await adjust(sku, store, 3);
  await done(put(`/v1/rules/${sku}`, { maxPerOrder: 90 }));
  const lines = [sku, other].map((named) => ({ sku: named, qty: 2 }));
  const reserved = await done(post("/v1/reservations", { lines, ttlSeconds: 60 }));
  const path = `/v1/reservations/${reserved.reservationId}`;
  await done(post(`${path}:extend`, { ttlSeconds: 600 }));
  await done(patch(path, { lines: [{ sku: other, qty: 3 }] })); // the sku's line stays as it was
  const wish = { sku, customerId: "ada", offerSeconds: 60, qty: 80 };
  for (const storeId of ["main", store]) {
    const { waiterId } = await done(post("/v1/waitlist", { ...wish, storeId }));
    await done(remove(`/v1/waitlist/${waiterId}`));
  }
  const { orderId } = await done(post(`${path}:confirm`, { paymentRef: "p-1" }));
  await record();
  const back = { lines: [{ sku, qty: 1 }], restock: false };
  await done(post(`/v1/orders/${orderId}:return`, back));
  const cancelled = await done(post("/v1/reservations", { lines: [{ sku, qty: 1 }] }));
  const ended = `/v1/reservations/${cancelled.reservationId}`;
  await done(post(`${ended}:cancel`, {}));
  await done(post(`${ended}:confirm`, { paymentRef: "p-2", onExpired: "reacquire" }), 409);
  await done(office.remove(`/v1/rules/${sku}`));
  await record();
}

/** Ids of the events in the stream that fit, oldest first. */
async function decided(fits: (payload: string) => boolean): Promise<string[]> {
  const entries = await office.shop.api.redis.xrange("inventory.events", "-", "+");
  return entries.flatMap(([, fields]) => {
    const of = (name: string) => String(fields[fields.indexOf(name) + 1]);
    const { record, ...payload } = JSON.parse(of("payload"));
    return fits(JSON.stringify(payload)) ? [of("event_id")] : [];
  });
}

test("the events of a sku are all that name it, whether they move units or not", async () => {
  const [sku, other, store] = [fresh("sku"), fresh("sku"), fresh("store")];
  await story(sku, other, store);
  const names = (named: string) => decided((payload) => payload.includes(named));
  const of_sku = await listed(`sku=${sku}`);
  expect(of_sku.map(({ eventId }) => eventId)).toEqual(await names(sku));
  expect(of_sku.map(({ eventType }) => eventType)).toEqual([
    ...["STOCK_ADJUSTED", "STOCK_ADJUSTED", "RULES_CHANGED", "HOLD_CREATED"],
    ...["HOLD_EXTENDED", "HOLD_CHANGED", "WAITER_JOINED", "WAITER_LEFT"],
    ...["WAITER_JOINED", "WAITER_LEFT", "HOLD_CONFIRMED", "ORDER_RETURNED"],
    ...["HOLD_CREATED", "HOLD_CANCELLED", "PAYMENT_UNFULFILLED", "RULES_CHANGED"],
  ]);
  const idsOf = async (parameters: string) =>
    (await listed(parameters)).map(({ eventId }) => eventId);
  expect(await idsOf(`sku=${other}`)).toEqual(await names(other));
  expect(await idsOf(`storeId=${store}`)).toEqual(await names(store));
  const of_stock = await listed(`sku=${sku}&storeId=${store}`);
  expect(of_stock.map(({ eventType }) => eventType)).toEqual([
    ...["STOCK_ADJUSTED", "WAITER_JOINED", "WAITER_LEFT"],
  ]);
  const { eventId } = of_sku[5] ?? {};
  expect(await listed(`sku=${sku}&since=${eventId}&limit=3`)).toEqual(of_sku.slice(6, 9));
}, 60_000);

test("those that were recorded before are found, too", async () => {
  const [sku, other, store] = [fresh("sku"), fresh("sku"), fresh("store")];
  await story(sku, other, store);
  const { url } = office.shop.database;
  const rows = () => query(url, "select * from unmoved_stocks order by recorded_id, sku, store_id");
  const before = await rows();
  await query(url, "truncate unmoved_stocks");
  const backfill = readFileSync(MIGRATION, "utf8").match(/^insert into .*?;$/ms)?.[0] ?? "";
  await query(url, backfill);
  expect(await rows()).toEqual(before);
  expect(before.length).toBeGreaterThan(9);
}, 60_000);
