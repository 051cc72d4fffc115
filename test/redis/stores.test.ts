import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { CorruptKey, RedisFault } from "../../src/redis/outcome.ts";
import { parseInfo } from "../../src/redis/server-check.ts";
import { createStock } from "../../src/redis/stock.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

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

const registry = () => side.keys.stores;
/** How often the registry was read since the server's start. */
const readings = async () => {
  const stats = parseInfo(await admin.info("commandstats"));
  return Number(/calls=(\d+)/.exec(stats.cmdstat_hgetall ?? "")?.[1] ?? 0);
};

describe("the stores", () => {
  test("are the default one, registered or not, and then the others by name", async () => {
    expect(await side.stores.known()).toEqual({ ids: ["main"], seen: 0 });
    await admin.hset(registry(), { west: "0", east: "3", main: "1" });
    await side.stores.refresh();
    expect(await side.stores.known()).toEqual({ ids: ["main", "east", "west"], seen: 3 });
  });

  test("are counted, but not named, when somebody has put there what is no store", async () => {
    await admin.hset(registry(), { "no store": "0", "": "0", east: "0" });
    expect(await side.stores.known()).toEqual({ ids: ["main", "east"], seen: 3 });
  });

  test("are read once for all who ask, and then kept", async () => {
    const before = await readings();
    await Promise.all(Array.from({ length: 50 }, () => side.stores.known()));
    await side.stores.known();
    expect(await readings()).toBe(before + 1);
    await Promise.all(Array.from({ length: 50 }, () => side.stores.refresh()));
    expect(await readings()).toBe(before + 2);
  });

  test("are looked up again, once, when one is not known", async () => {
    expect(await side.stores.has("main")).toBe(true);
    expect(await side.stores.has("north")).toBe(false);
    await admin.hset(registry(), "north", "0");
    const before = await readings();
    expect(await side.stores.has("north")).toBe(true);
    expect(await side.stores.has("north")).toBe(true);
    expect(await readings()).toBe(before + 1);
    expect(await side.stores.has("south")).toBe(false);
    expect(await readings()).toBe(before + 2);
  });

  test("are added, and given another rank, by register", async () => {
    await side.stores.known();
    await side.stores.register("north", 3);
    expect(await side.stores.known()).toEqual({ ids: ["main", "north"], seen: 1 });
    await side.stores.register("north", 4);
    await side.stores.register("main", 2);
    expect(await admin.hgetall(registry())).toEqual({ north: "4", main: "2" });
  });

  test("are read with their ranks as they are now", async () => {
    await side.stores.known();
    await admin.hset(registry(), { north: "3", main: "1" });
    const ranks = [...(await side.stores.readAll())].sort();
    expect(ranks).toEqual([
      ["main", 1],
      ["north", 3],
    ]);
  });

  test("may have any name that is a code", async () => {
    await side.stores.register("__proto__", 1);
    await side.stores.register("constructor", 2);
    expect((await side.stores.known()).ids).toEqual(["main", "__proto__", "constructor"]);
    expect((await side.stores.readAll()).get("__proto__")).toBe(1);
  });
});

describe("a registry that", () => {
  test("is no hash is named", async () => {
    await admin.set(registry(), "text");
    const named = new CorruptKey(registry());
    await expect(side.stores.known()).rejects.toEqual(named);
    await expect(side.stores.readAll()).rejects.toEqual(named);
    await expect(side.stores.register("north", 0)).rejects.toEqual(named);
    await admin.del(registry());
    expect((await side.stores.known()).ids).toEqual(["main"]);
  });

  test("can't be asked is not executed, and asked anew by the next one", async () => {
    proxy.refuse();
    await until("it is noticed", () => (side.redis.status === "ready" ? undefined : true));
    for (const call of [() => side.stores.known(), () => side.stores.register("north", 0)]) {
      const fault = await call().catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(RedisFault);
      expect(fault).toMatchObject({ outcome: "NOT_EXECUTED" });
    }
    proxy.pass();
    await until("Redis is back", () => (side.redis.status === "ready" ? true : undefined));
    expect((await side.stores.known()).ids).toEqual(["main"]);
  });

  test("does not answer leaves a reading undone, and a writing unknown", async () => {
    proxy.blackhole();
    const outcome = (call: Promise<unknown>) => call.catch((error: RedisFault) => error.outcome);
    expect(
      await Promise.all([outcome(side.stores.known()), outcome(side.stores.register("north", 0))]),
    ).toEqual(["NOT_EXECUTED", "UNKNOWN"]);
  });
});

describe("a store that comes after the stores were read", () => {
  beforeEach(async () => {
    await admin.mset("stock:phone", "1", "stock:phone@north", "9");
    await side.stores.known();
    await admin.hset(registry(), "north", "0");
  });

  test("is seen by a read", async () => {
    const stocks = await side.stock.readStocks(["phone"], callContext());
    expect(stocks.get("phone")?.map(({ store_id }) => store_id)).toEqual(["main", "north"]);
  });

  test("is sold from by a purchase, once", async () => {
    const wish = { sku: "phone", quantity: 2, user_id: "", policy: "lowest-latency" } as const;
    const order = await side.stock.purchase(wish, "k", callContext());
    expect(order).toMatchObject({ store_id: "north", replayed: false });
    expect(await admin.get("stock:phone@north")).toBe("7");
  });

  test("is seen by every read while one after the other comes", async () => {
    const coming = (async () => {
      for (let i = 0; i < 40; i += 1) await admin.hset(registry(), `s-${i}`, "0");
    })();
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => side.stock.readStocks(["phone"], callContext())),
    );
    for (const stocks of answers) expect(stocks.get("phone")).toHaveLength(2);
    await coming;
  });

  test("each time that Redis is asked is not waited for without an end", async () => {
    const stores = { ...side.stores, known: async () => ({ ids: ["main"], seen: 99 }) };
    const stock = createStock({ ...side, stores, default_store: "main" });
    const fault = await stock.readStocks(["phone"], callContext()).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(RedisFault);
    expect(fault).toMatchObject({ outcome: "NOT_EXECUTED" });
  });
});
