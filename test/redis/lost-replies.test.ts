import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { newEventId } from "../../src/domain/ids.ts";
import type { Policy } from "../../src/domain/stock.ts";
import { monotonicNow } from "../../src/now.ts";
import { RedisFault } from "../../src/redis/outcome.ts";
import { readScripts, type ScriptName } from "../../src/redis/scripts.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

const LONG_MS = 20_000;
let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let proxy: TcpProxy;
let side: Awaited<ReturnType<typeof openDecidingSide>>;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  proxy = await startProxy(server.port);
});
beforeEach(async () => {
  await emptyRedis(admin);
  await admin.set("stock:phone", "1000000");
  side = await openDecidingSide(proxy.url);
});
afterEach(async () => {
  proxy.pass();
  await side.close();
});
afterAll(async () => {
  admin.disconnect();
  await proxy.close();
  await server.close();
});

const context = () => callContext(LONG_MS);
const sold = async () => 1_000_000 - Number(await admin.get("stock:phone"));
const create = (idempotency_key: string, ms = LONG_MS) =>
  side.inventory.createHold(
    {
      lines: [{ sku: "phone", store_id: "main", quantity: 1 }],
      user_id: "user-1",
      ttl_seconds: 600,
      idempotency_key,
    },
    callContext(ms),
  );
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => "no failure",
    (error: unknown) => (error instanceof RedisFault ? error.outcome : error),
  );
const shaOf = (script: ScriptName) =>
  readScripts(side.scripts.generation() ?? 0).get(script)?.sha ?? "";

/** Loses the reply to the first call of `script`, after it took effect. */
async function losingReply<T>(script: ScriptName, ask: () => Promise<T>): Promise<T> {
  const before = await admin.xlen(side.keys.stream);
  proxy.dropRepliesFrom(shaOf(script));
  const answer = ask();
  answer.catch(() => undefined);
  await until("it took effect", async () =>
    (await admin.xlen(side.keys.stream)) > before ? true : undefined,
  );
  proxy.cut();
  proxy.pass();
  return answer;
}

describe("a lost reply", () => {
  test("of a reserve is asked for again: one hold, and new to the caller", async () => {
    const hold = await losingReply("create_holds", () => create("k"));
    expect(hold.replayed).toBe(false);
    expect(await sold()).toBe(1);
    expect(await admin.keys("hold:*")).toEqual([`hold:${hold.hold_id}`]);
    expect(await create("k")).toEqual({ ...hold, replayed: true });
  });

  test("of a confirm is asked for again: one order, and new to the caller", async () => {
    const { hold_id } = await create("k");
    const confirm = () =>
      side.inventory.confirmHold({ hold_id, payment_ref: "p" }, callContext(LONG_MS));
    const order = await losingReply("confirm_holds", confirm);
    expect(order.replayed).toBe(false);
    expect(await confirm()).toEqual({ ...order, replayed: true });
    expect(await admin.xlen(side.keys.stream)).toBe(2);
  });

  test.each([undefined, "key"])(
    "of a cancel is asked for again: units back once, and new to the caller (key: %s)",
    async (idempotency_key) => {
      const { hold_id } = await create("k");
      const cancel = () =>
        side.inventory.cancelHold({ hold_id, reason: "", idempotency_key }, callContext(LONG_MS));
      const ending = await losingReply("cancel_holds", cancel);
      expect(await sold()).toBe(0);
      expect(await admin.xlen(side.keys.stream)).toBe(2);
      expect(ending).toEqual({ status: "CANCELLED", replayed: false });
      expect(await cancel()).toEqual({ status: "CANCELLED", replayed: true });
    },
  );

  test("that can't be asked for again is UNKNOWN, whatever Redis says later", async () => {
    proxy.dropReplies();
    const answer = failure(create("k", 3_000));
    await until("it took effect", async () => ((await sold()) === 1 ? true : undefined));
    proxy.refuse();
    expect(await answer).toBe("UNKNOWN");
  });

  test("stays UNKNOWN when it is asked for again too late by Redis's clock, which was set forward", async () => {
    await create("warm-up");
    proxy.dropRepliesFrom(shaOf("create_holds"));
    const answer = failure(create("k"));
    await until("it took effect", async () => ((await sold()) === 2 ? true : undefined));
    const now = monotonicNow();
    side.clock.learn(side.clock.now() - 60_000, now, now); // what is known of it is a minute old
    proxy.cut();
    proxy.pass();
    expect(await answer).toBe("UNKNOWN");
    expect(await sold()).toBe(2);
  });

  // How often a change is said to be done, and what it did, when the reply to its first call is lost.
  test.each([
    ["an adjustment", { operation: "ADJUST", units: -3 }],
    ["a count", { operation: "COUNT", units: 999_997 }],
  ] as const)("of %s is asked for again: one change, and new to the caller", async (_, how) => {
    const change = { sku: "phone", store_id: "main", reason: "manual", ...how };
    const ask = () =>
      side.stock.changeStock(change, { route: "adjust", key: "k", request: [how] }, context());
    const after = await losingReply("change_stocks", ask);
    expect(after).toMatchObject({ available: 999_997, version: 1, replayed: false });
    expect(await ask()).toEqual({ ...after, replayed: true });
    expect(await sold()).toBe(3);
    expect(await admin.xlen(side.keys.stream)).toBe(1);
  });

  test("of a return is asked for again: taken back once", async () => {
    const promise = {
      ...{ event_id: newEventId(), order_id: "O-1", hold_id: "H-1", user_id: "ada" },
      ...{ restock: true, reason: null },
      lines: [{ sku: "phone", store_id: "main", quantity: 3 }],
    };
    const ask = () => side.stock.returnUnits(promise, context());
    const told = await losingReply("return_units", ask);
    expect(await ask()).toEqual(told);
    expect(await sold()).toBe(-3);
    expect(await admin.xlen(side.keys.stream)).toBe(1);
  });

  test("of a transfer is asked for again: moved once, and new to the caller", async () => {
    const lines = [{ sku: "phone", quantity: 3 }];
    const transfer = { from_store: "main", to_store: "north", lines };
    const ask = () => side.stock.transferStock(transfer, "k", context());
    const moved = await losingReply("transfer_stock", ask);
    expect(moved.replayed).toBe(false);
    expect(await ask()).toEqual({ ...moved, replayed: true });
    expect(await admin.mget("stock:phone", "stock:phone@north")).toEqual(["999997", "3"]);
    expect(await admin.xlen(side.keys.stream)).toBe(1);
  });

  test.each(["highest-available", "lowest-latency", "round-robin"] satisfies Policy[])(
    "of a purchase by %s is asked for again: one order, and new to the caller",
    async (policy) => {
      await admin.set("stock:phone@north", "1000000");
      await side.stores.register("north", 0);
      const wish = { sku: "phone", quantity: 2, user_id: "user-1", policy };
      const ask = () => side.stock.purchase(wish, "k", context());
      const order = await losingReply("create_purchases", ask);
      expect(order).toMatchObject({ store_id: "main", replayed: false });
      // Stores that came since the first call must not hide what it did.
      await admin.hset(side.keys.stores, "south", "0");
      expect(await ask()).toEqual({ ...order, replayed: true });
      expect(await sold()).toBe(2);
      expect(await admin.get("stock:phone@north")).toBe("1000000");
      expect(await admin.keys("hold:*")).toEqual([`hold:${order.hold_id}`]);
      expect(await admin.xlen(side.keys.stream)).toBe(1);
    },
  );

  test("of a read is asked for again", async () => {
    const calls = async () =>
      Number(/evalsha:calls=(\d+)/.exec(await admin.info("commandstats"))?.[1] ?? 0);
    const before = await calls();
    proxy.dropRepliesFrom(shaOf("read_stocks"));
    const answer = side.stock.readStocks(["phone"], context());
    await until("it was asked", async () => ((await calls()) > before ? true : undefined));
    proxy.cut();
    proxy.pass();
    expect((await answer).get("phone")).toMatchObject([{ store_id: "main", available: 1_000_000 }]);
  });

  test("of a read that nobody answers leaves nothing unknown", async () => {
    await side.stock.readStocks(["phone"], context());
    proxy.dropReplies();
    const fault = await side.stock.readStocks(["phone"], callContext(500)).catch((e: unknown) => e);
    expect(fault).toBeInstanceOf(RedisFault);
    expect(fault).toMatchObject({ outcome: "NOT_EXECUTED" });
  });
});
