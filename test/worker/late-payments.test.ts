import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { callContext } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { openRecorder } from "./parts.ts";
import { emptyLedger, query } from "./query.ts";
import { openShop, type Shop } from "./shop.ts";

const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;

beforeEach(async () => {
  await emptyLedger(database.url);
  shop = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 50);
  await shop.stock("cup", 50);
  recorder = await openRecorder({ redisUrl: redis.url, databaseUrl: database.url });
});

afterEach(async () => {
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

const settle = (
  hold_id: string,
  payment_ref: string,
  parts: { sku: string; quantity: number }[] = [],
) =>
  shop.inventory.settlePayment(
    { hold_id, payment_ref, parts, idempotency_key: undefined, route: "confirm" },
    callContext(),
  );

async function expired(skus: string[], quantity = 1) {
  const hold_id = await shop.reserve(skus, { quantity, ttl_seconds: 0.001 });
  await until("the hold expires", async () =>
    (await shop.inventory.expireHold(hold_id, callContext())) === "EXPIRED" ? true : undefined,
  );
  return hold_id;
}

const books = async () => {
  await recorder.drain();
  return compareBooks(shop.redis, database.url);
};

const holdsThere = () =>
  query(
    database.url,
    `select status, late, partial, version,
       (select count(*)::int from orders where orders.hold_id = holds.hold_id) as orders,
       (select string_agg(sku || '=' || quantity, ' ' order by sku) from hold_lines
        where hold_lines.hold_id = holds.hold_id) as lines
     from holds`,
  );

test.each(["at once", "one by one"])(
  "a hold that expired and was sold late has one order, recorded %s",
  async (how) => {
    const hold_id = await expired(["tea", "cup"], 2);
    if (how === "one by one") expect(await books()).toEqual([]);
    await settle(hold_id, "p1");
    expect(await books()).toEqual([]);
    expect(await holdsThere()).toEqual([
      {
        status: "CONFIRMED",
        late: true,
        partial: false,
        version: 3,
        orders: 1,
        lines: "cup=2 tea=2",
      },
    ]);
  },
);

test.each(["at once", "one by one"])("a part is recorded as what was sold, %s", async (how) => {
  const hold_id = await shop.reserve(["tea", "cup"], { quantity: 3 });
  if (how === "one by one") expect(await books()).toEqual([]);
  const parts = [{ sku: "tea", quantity: 2 }];
  await shop.inventory.confirmHold({ hold_id, payment_ref: "p", parts }, callContext());
  expect(await books()).toEqual([]);
  expect(await holdsThere()).toEqual([
    { status: "CONFIRMED", late: false, partial: true, version: 2, orders: 1, lines: "tea=2" },
  ]);
  const sums = await query(
    database.url,
    `select sku, sum(available_delta)::int as available, sum(held_delta)::int as held
     from stock_movements where kind <> 'EXTERNAL' group by sku order by sku`,
  );
  expect(sums).toEqual([
    { sku: "cup", available: 0, held: 0 },
    { sku: "tea", available: -2, held: 0 },
  ]);
});

test("a part of an expired hold is recorded as what was sold", async () => {
  const hold_id = await expired(["tea", "cup"], 3);
  expect(await books()).toEqual([]);
  await settle(hold_id, "p1", [{ sku: "cup", quantity: 1 }]);
  expect(await books()).toEqual([]);
  expect(await holdsThere()).toMatchObject([
    { status: "CONFIRMED", late: true, partial: true, lines: "cup=1" },
  ]);
});

test("a payment that can't be fulfilled gets one row, and moves nothing", async () => {
  const sold = await shop.reserve("tea", { quantity: 4 });
  await shop.confirm(sold);
  const gone = await shop.reserve("tea");
  await shop.cancel(gone);
  await settle(sold, "twice");
  await settle(gone, "late");
  await settle(gone, "late");
  expect(await books()).toEqual([]);
  const rows = await query(
    database.url,
    `select hold_id, payment_ref, why, hold_status, user_id, lines, resolution
     from unfulfilled_payments order by payment_id`,
  );
  const line = { sku: "tea", store_id: "main" };
  const common = { user_id: "ann", resolution: null };
  expect(rows).toEqual([
    {
      ...{ ...common, hold_id: sold, payment_ref: "twice", why: "HOLD_ALREADY_CONFIRMED" },
      ...{ hold_status: "CONFIRMED", lines: [{ ...line, quantity: 4 }] },
    },
    {
      ...{ ...common, hold_id: gone, payment_ref: "late", why: "HOLD_CANCELLED" },
      ...{ hold_status: "CANCELLED", lines: [{ ...line, quantity: 1 }] },
    },
  ]);
  const kinds = await query(
    database.url,
    "select distinct kind from stock_movements order by kind",
  );
  expect(kinds.map(({ kind }) => kind)).not.toContain("PAYMENT_UNFULFILLED");
});
