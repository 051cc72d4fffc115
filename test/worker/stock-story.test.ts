import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { callContext } from "../setup/deciding-side.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { openNewShop, type openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import type { Shop } from "./shop.ts";

const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;

beforeEach(async () => {
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
});

afterEach(async () => {
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

const books = () => compareBooks(shop.redis, database.url);

const bySet = (key: string, units: number) => shop.redis.set(key, units);

type Change = Parameters<Shop["counter"]["changeStock"]>[0];
function change(store_id: string, operation: Change["operation"], units: number, more = {}) {
  const input = { sku: "tea", store_id, operation, units, reason: "manual", ...more };
  const idem = { route: "adjust" as const, key: randomUUID(), request: [input] };
  return shop.counter.changeStock(input, idem, { ...callContext(), actor: "eve" });
}

const transfer = (from_store: string, to_store: string, ...lines: [sku: string, units: number][]) =>
  shop.counter.transferStock(
    {
      ...{ from_store, to_store, reference: "T-1" },
      lines: lines.map(([sku, quantity]) => ({ sku, quantity })),
    },
    randomUUID(),
    callContext(),
  );

const purchase = (quantity: number, user_id = "bob") =>
  shop.counter.purchase(
    { sku: "tea", quantity, user_id, policy: "highest-available" },
    randomUUID(),
    callContext(),
  );

async function expire(skus: string | string[], quantity: number) {
  const hold_id = await shop.reserve(skus, { quantity, ttl_seconds: 0.001 });
  await until("the hold expires", async () =>
    (await shop.inventory.expireHold(hold_id, callContext())) === "EXPIRED" ? true : undefined,
  );
  return hold_id;
}

const history = (sku: string, store_id: string) =>
  query(
    database.url,
    `select kind, available_delta::int as available, held_delta::int as held, version::int, reason, actor,
       reference
     from stock_movements where sku = $1 and store_id = $2 order by recorded_id, movement_id`,
    [sku, store_id],
  );

test("the history of a stock explains it, from redis-cli's seed to its recount", async () => {
  const sold = await shop.reserve("tea", { quantity: 5 });
  await shop.confirm(sold);
  const cancelled = await shop.reserve("tea", { quantity: 3 });
  await shop.cancel(cancelled);
  const expired = await expire("tea", 2);
  await change("main", "ADJUST", -4, { reason: "damage", reference: "R-1" });
  await bySet("stock:tea", 2_000);
  await transfer("main", "north", ["tea", 7]);
  const kept = await shop.reserve("tea", { quantity: 6 });
  await change("main", "COUNT", 1_500, { reason: "count" });
  const { hold_id: bought } = await purchase(10);
  await recorder.drain();

  expect(await books()).toEqual([]);
  const own = { reason: null, actor: "ann" };
  const outside = { kind: "EXTERNAL", held: 0, version: null, reason: null, actor: "outside" };
  const nobody = { reference: null };
  expect(await history("tea", "main")).toEqual([
    { ...outside, ...nobody, available: 1_000 },
    { ...own, kind: "HOLD_CREATED", available: -5, held: 5, version: 1, reference: sold },
    { ...own, kind: "HOLD_CONFIRMED", available: 0, held: -5, version: 2, reference: sold },
    { ...own, kind: "HOLD_CREATED", available: -3, held: 3, version: 3, reference: cancelled },
    {
      ...{ ...own, kind: "HOLD_CANCELLED", available: 3, held: -3, version: 4 },
      ...{ reference: cancelled, reason: "changed my mind" },
    },
    { ...own, kind: "HOLD_CREATED", available: -2, held: 2, version: 5, reference: expired },
    {
      ...{ kind: "HOLD_EXPIRED", available: 2, held: -2, version: 6, reason: null },
      ...{ actor: "worker", reference: expired },
    },
    {
      ...{ kind: "STOCK_ADJUSTED", available: -4, held: 0, version: 7, reason: "damage" },
      ...{ actor: "eve", reference: "R-1" },
    },
    { ...outside, ...nobody, available: 2_000 - 991 },
    {
      ...{ kind: "STOCK_TRANSFERRED", available: -7, held: 0, version: 8, reason: null },
      ...{ actor: "api", reference: "T-1" },
    },
    { ...own, kind: "HOLD_CREATED", available: -6, held: 6, version: 9, reference: kept },
    {
      ...{ kind: "STOCK_COUNTED", available: 1_494 - 1_987, held: 0, version: 10 },
      ...{ reason: "count", actor: "eve", reference: null },
    },
    {
      ...{ kind: "HOLD_PURCHASED", available: -10, held: 0, version: 11, reason: null },
      ...{ actor: "bob", reference: bought },
    },
  ]);
  expect(await history("tea", "north")).toEqual([
    {
      ...{ kind: "STOCK_TRANSFERRED", available: 7, held: 0, version: 1, reason: null },
      ...{ actor: "api", reference: "T-1" },
    },
  ]);
  const sums = await query(
    database.url,
    `select store_id, sum(available_delta)::int as available, sum(held_delta)::int as held
     from stock_movements group by store_id order by store_id`,
  );
  expect(sums).toEqual([
    { store_id: "main", available: Number(await shop.redis.get("stock:tea")), held: 6 },
    { store_id: "north", available: Number(await shop.redis.get("stock:tea@north")), held: 0 },
  ]);
  expect(sums[0]).toMatchObject({ available: 1_484 });
  expect(recorder.errors()).toEqual([]);
});

describe("with the real scripts", () => {
  test("a purchase is sold at once, whether or not somebody is named", async () => {
    await purchase(3);
    await purchase(2, "");
    await recorder.drain();
    expect(await books()).toEqual([]);
    expect(
      await query(
        database.url,
        "select user_id, payment_ref, quantity from orders join hold_lines using (hold_id) order by quantity",
      ),
    ).toEqual([
      { user_id: "", payment_ref: null, quantity: 2 },
      { user_id: "bob", payment_ref: null, quantity: 3 },
    ]);
    expect((await history("tea", "main")).map(({ actor }) => actor)).toEqual([
      "outside",
      "bob",
      null,
    ]);
  });

  test("a hold is confirmed without a payment, and by nobody", async () => {
    const hold_id = await shop.reserve("tea");
    await shop.inventory.confirmHold({ hold_id, payment_ref: "" }, callContext());
    await recorder.drain();
    expect(await books()).toEqual([]);
    const orders = await query(database.url, "select hold_id, payment_ref from orders");
    expect(orders).toEqual([{ hold_id, payment_ref: null }]);
  });

  test("a change of a stock that nobody knew begins its history, also one of nothing", async () => {
    await change("west", "ADJUST", 5);
    await change("east", "COUNT", 0);
    await recorder.drain();
    expect(await books()).toEqual([]);
    expect(await history("tea", "west")).toEqual([
      expect.objectContaining({ kind: "STOCK_ADJUSTED", available: 5, version: 1 }),
    ]);
    expect(await history("tea", "east")).toEqual([
      expect.objectContaining({ kind: "STOCK_COUNTED", available: 0, version: 1 }),
    ]);
    const stores = await query(database.url, "select store_id from stores order by store_id");
    expect(stores).toEqual([{ store_id: "east" }, { store_id: "west" }]);
  });

  test("a recount of fewer than are held leaves none available, and says so", async () => {
    await shop.reserve("tea", { quantity: 9 });
    await change("main", "COUNT", 4);
    await recorder.drain();
    expect(await books()).toEqual([]);
    const [level] = await query(
      database.url,
      "select available::int, held::int from stock_levels where store_id = 'main'",
    );
    expect(level).toEqual({ available: 0, held: 9 });
  });

  test("each event's payload is kept as it stands in the stream", async () => {
    await purchase(3);
    await change("main", "ADJUST", 4, { notes: 'a "b" \\ 🦆', trace_id: "t-1" });
    await transfer("main", "north", ["tea", 2]);
    await shop.confirm(await shop.reserve("tea"));
    await recorder.drain();
    const kept = await query<{ payload: string }>(
      database.url,
      "select payload::text from processed_events order by recorded_id",
    );
    const said = (await shop.entries()).map(({ fields }) => fields.payload);
    expect(kept.map(({ payload }) => payload)).toEqual(said);
    expect(said).toHaveLength(5);
  });

  test("the events come again, in any order and number, and change nothing", async () => {
    await shop.stock("cup", 50);
    for (let i = 1; i <= 20; i += 1) {
      await change("main", i % 2 ? "ADJUST" : "COUNT", 400 + i);
      await transfer("main", "north", ["tea", i], ["cup", 1]);
      await purchase(i);
      if (i % 5 === 3) await bySet("stock:tea@north", i);
    }
    const entries = await shop.entries();
    await recorder.drain();
    expect(await books()).toEqual([]);
    const movements = await countRows(database.url, "stock_movements");
    for (const { fields } of entries.toReversed()) await shop.append(fields);
    await recorder.drain();
    expect(await books()).toEqual([]);
    expect(await countRows(database.url, "stock_movements")).toBe(movements);
  });

  test("everything at once, and by hand in between, ends in books that balance", async () => {
    await shop.stock("cup", 1_000);
    await bySet("stock:tea@north", 500);
    await change("west", "ADJUST", 500);
    const kinds = [
      () => shop.trade(4, "tea"),
      () => shop.trade(2, "cup"),
      () => purchase(3),
      () => change("main", "ADJUST", 2),
      () => change("north", "ADJUST", -1),
      () => change("west", "COUNT", 480),
      () => transfer("main", "north", ["tea", 2], ["cup", 1]),
      () => transfer("north", "west", ["tea", 1]),
      () => transfer("west", "main", ["tea", 1]),
      () => shop.redis.incrby("stock:tea@west", 5),
      () => shop.redis.decrby("stock:cup", 1),
    ];
    let going = true;
    const recording = (async () => {
      while (going) await recorder.runOnce();
    })();
    await Promise.all(Array.from({ length: 440 }, (_, i) => kinds[i % kinds.length]?.()));
    going = false;
    await recording;
    // What was done by hand is found with each stock's next event.
    for (const store_id of ["main", "north", "west"]) await change(store_id, "ADJUST", 1);
    await shop.reserve("cup");
    await recorder.drain();
    expect(await books()).toEqual([]);
    expect(recorder.errors()).toEqual([]);
    const astray = await query(
      database.url,
      `select from stock_movements join processed_events using (event_id)
       where stock_movements.recorded_id <> processed_events.recorded_id`,
    );
    expect(astray).toEqual([]);
  });
});
