import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { Rejection } from "../../src/domain/rejection.ts";
import { CorruptKey } from "../../src/redis/outcome.ts";
import type { Purchase, StockChange, Transfer } from "../../src/redis/stock.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";

const UNITS_MAX = 1_000_000_000;
const STOCK_MAX = 999_999_999_999;

let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let side: Awaited<ReturnType<typeof openDecidingSide>>;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  side = await openDecidingSide(server.url);
});
beforeEach(async () => {
  await emptyRedis(admin);
  await admin.set("stock:phone", "5");
});
afterAll(async () => {
  await side.close();
  admin.disconnect();
  await server.close();
});

const newest = async () => {
  const [entry] = await admin.xrevrange(side.keys.stream, "+", "-", "COUNT", 1);
  return JSON.parse(entry?.[1][5] ?? "null");
};
const change = (key: string, more: Partial<StockChange> = {}, request: unknown[] = [more]) =>
  side.stock.changeStock(
    { sku: "phone", store_id: "main", operation: "ADJUST", units: 1, reason: "manual", ...more },
    { route: "adjust", key, request },
    callContext(),
  );
const transfer = (key: string, more: Partial<Transfer> = {}) =>
  side.stock.transferStock(
    { from_store: "main", to_store: "north", lines: [{ sku: "phone", quantity: 2 }], ...more },
    key,
    callContext(),
  );
const purchase = (key: string, more: Partial<Purchase> = {}) =>
  side.stock.purchase(
    { sku: "phone", quantity: 2, user_id: "user-1", policy: "highest-available", ...more },
    key,
    callContext(),
  );
const read = (...skus: string[]) => side.stock.readStocks(skus, callContext());
const refusal = async (promise: Promise<unknown>) => {
  const thrown = await promise.then(
    () => "no refusal",
    (error: unknown) => error,
  );
  return thrown instanceof Rejection ? [thrown.code, thrown.members] : thrown;
};
const REUSED = ["IDEMPOTENCY_KEY_REUSED", {}];

describe("changeStock", () => {
  test("adjusts, and says what it did again for the same key and request", async () => {
    const after = await change("k", { units: -2 });
    expect(after).toEqual({
      event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      occurred_at: expect.any(Number),
      available: 3,
      held: 0,
      version: 1,
      available_delta: -2,
      replayed: false,
    });
    expect(await change("k", { units: -2 })).toEqual({ ...after, replayed: true });
    expect(await refusal(change("k", { units: -3 }))).toEqual(REUSED);
    expect(await admin.get("stock:phone")).toBe("3");
  });

  test("counts what is there without what is held", async () => {
    const hold = { user_id: "u", ttl_seconds: 60, idempotency_key: "h" };
    const lines = [{ sku: "phone", store_id: "main", quantity: 3 }];
    await side.inventory.createHold({ ...hold, lines }, callContext());
    const counted = await change("k", { operation: "COUNT", units: 9 });
    expect(counted).toMatchObject({ available: 6, held: 3, available_delta: 4, version: 2 });
    const fewer = await change("l", { operation: "COUNT", units: 1 });
    expect(fewer).toMatchObject({ available: 0, held: 3, available_delta: -6 });
  });

  test("tells the event all that it was told, and who did it", async () => {
    const said = { reason: "damage", reference: "r-1", notes: "wet", trace_id: "t-1" };
    const event_id = "0192b3a4-0000-7000-8000-000000000021";
    expect((await change("k", { ...said, event_id })).event_id).toBe(event_id);
    expect(await newest()).toMatchObject({ ...said, actor: "api", request_id: "test-request" });
    await side.stock.changeStock(
      { sku: "phone", store_id: "main", operation: "ADJUST", units: 1, reason: "" },
      { route: "product", key: "k", request: [] },
      { ...callContext(), actor: "worker" },
    );
    expect(await newest()).toMatchObject({ actor: "worker" });
  });

  test("with an event_id that was promised does it once, and is each time as new", async () => {
    const event_id = "0192b3a4-0000-7000-8000-000000000022";
    const first = await change("k", { event_id });
    expect(await change("k", { event_id })).toEqual(first);
    expect(await admin.get("stock:phone")).toBe("6");
    expect(await admin.xlen(side.keys.stream)).toBe(1);
  });

  test("makes a store known by naming it, but not the default one", async () => {
    await change("k", { store_id: "north" });
    await change("l");
    expect(await admin.hgetall(side.keys.stores)).toEqual({ north: "0" });
    expect(await side.stores.has("north")).toBe(true);
  });

  test("refuses another version, fewer than none, and more than a store can have", async () => {
    const stock = { sku: "phone", store_id: "main" };
    expect(await refusal(change("k", { if_version: 1 }))).toEqual([
      "VERSION_CONFLICT",
      { ...stock, version: 0 },
    ]);
    expect((await change("k", { if_version: 0 })).version).toBe(1);
    expect(await refusal(change("l", { units: -7 }))).toEqual([
      "WOULD_GO_NEGATIVE",
      { ...stock, requested: 7, available: 6 },
    ]);
    await admin.set("stock:phone", String(STOCK_MAX));
    expect(await refusal(change("l"))).toEqual(["INVALID_REQUEST", {}]);
    expect((await change("l", { units: -UNITS_MAX })).available).toBe(STOCK_MAX - UNITS_MAX);
  });

  test("names a key that holds something else", async () => {
    await admin.set("stock:phone", "abc");
    expect(await refusal(change("k"))).toEqual(new CorruptKey("stock:phone"));
  });
});

describe("transferStock", () => {
  test("moves units, and says so again for the same key and request", async () => {
    const moved = await transfer("k");
    expect(moved).toEqual({
      event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      occurred_at: expect.any(Number),
      replayed: false,
    });
    expect(await transfer("k")).toEqual({ ...moved, replayed: true });
    const one = [{ sku: "phone", quantity: 1 }];
    expect(await transfer("k", { lines: [...one, ...one] })).toEqual({ ...moved, replayed: true });
    expect(await refusal(transfer("k", { lines: one }))).toEqual(REUSED);
    expect(await refusal(transfer("k", { to_store: "south" }))).toEqual(REUSED);
    expect(await refusal(transfer("k", { reference: "r" }))).toEqual(REUSED);
    expect(await admin.mget("stock:phone", "stock:phone@north")).toEqual(["3", "2"]);
    expect(await side.stores.has("north")).toBe(true);
    expect(await newest()).toMatchObject({ from_store: "main", to_store: "north", actor: "api" });
  });

  test("names every line that is short, and the sku nobody has stocked there", async () => {
    await admin.set("stock:case", "1");
    const lines = [
      { sku: "phone", quantity: 6 },
      { sku: "case", quantity: 2 },
    ];
    const short = [
      { sku: "phone", store_id: "main", requested: 6, available: 5 },
      { sku: "case", store_id: "main", requested: 2, available: 1 },
    ];
    expect(await refusal(transfer("k", { lines }))).toEqual([
      "WOULD_GO_NEGATIVE",
      { ...short[0], lines: short },
    ]);
    expect(await refusal(transfer("k", { from_store: "west" }))).toEqual([
      "UNKNOWN_SKU",
      { sku: "phone" },
    ]);
  });

  test("refuses one store with itself, too many at once, and too many for a store", async () => {
    expect(await refusal(transfer("k", { to_store: "main" }))).toEqual(["INVALID_REQUEST", {}]);
    const half = { sku: "phone", quantity: UNITS_MAX / 2 };
    await admin.set("stock:phone", String(2 * UNITS_MAX));
    const over = [half, half, { sku: "phone", quantity: 1 }];
    expect(await refusal(transfer("k", { lines: over }))).toEqual(["INVALID_REQUEST", {}]);
    await admin.set("stock:phone@north", String(STOCK_MAX - UNITS_MAX + 1));
    expect(await refusal(transfer("k", { lines: [half, half] }))).toEqual(["INVALID_REQUEST", {}]);
    await admin.set("stock:phone@north", String(STOCK_MAX - UNITS_MAX));
    expect((await transfer("k", { lines: [half, half] })).replayed).toBe(false);
  });
});

describe("purchase", () => {
  test("sells from a store, and gives the same order again for the same key and request", async () => {
    const order = await purchase("k");
    expect(order).toEqual({
      hold_id: expect.stringMatching(/^H-[0-9a-f-]{36}$/),
      order_id: expect.stringMatching(/^O-[0-9a-f-]{36}$/),
      store_id: "main",
      confirmed_at: expect.any(Number),
      replayed: false,
    });
    expect(await purchase("k")).toEqual({ ...order, replayed: true });
    const others = [
      { quantity: 1 },
      { sku: "case" },
      { user_id: "" },
      { policy: "round-robin" },
    ] as const;
    for (const other of others) expect(await refusal(purchase("k", other))).toEqual(REUSED);
    expect(await side.inventory.readHold(order.hold_id, callContext())).toMatchObject({
      status: "CONFIRMED",
      user_id: "user-1",
      order_id: order.order_id,
      payment_ref: undefined,
      lines: [{ sku: "phone", store_id: "main", quantity: 2 }],
      ended_at: order.confirmed_at,
    });
  });

  test("names what is sold out, with what there is at best and in all", async () => {
    await admin.set("stock:phone@north", "4");
    await side.stores.register("north", 0);
    expect(await refusal(purchase("k", { quantity: 6 }))).toEqual([
      "SOLD_OUT",
      { sku: "phone", requested: 6, available: 5, total_available: 9, held: 0 },
    ]);
    expect(await refusal(purchase("k", { sku: "ghost" }))).toEqual([
      "UNKNOWN_SKU",
      { sku: "ghost" },
    ]);
  });
});

describe("readStocks", () => {
  test("gives each sku's stores, and none for what nobody has stocked", async () => {
    const { occurred_at } = await change("k", { store_id: "north", units: 7 });
    expect([...(await read("ghost", "phone", "phone"))]).toEqual([
      ["ghost", []],
      [
        "phone",
        [
          { store_id: "main", available: 5, held: 0, version: 0, changed_at: null },
          { store_id: "north", available: 7, held: 0, version: 1, changed_at: occurred_at },
        ],
      ],
    ]);
    expect((await read()).size).toBe(0);
  });

  test("names a key that holds something else", async () => {
    await admin.set("stock:phone", "abc");
    expect(await refusal(read("phone"))).toEqual(new CorruptKey("stock:phone"));
  });
});
