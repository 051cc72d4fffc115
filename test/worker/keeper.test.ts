import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { newEventId } from "../../src/domain/ids.ts";
import { createPool } from "../../src/postgres/client.ts";
import { putInitialStock } from "../../src/redis/initial-stock.ts";
import { createKeeper } from "../../worker/keeper.ts";
import { keeperMended, keeperStuck } from "../../worker/metrics.ts";
import { callContext } from "../setup/deciding-side.ts";
import { spawnWorker } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { keptLog, metric, openNewShop, type openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import { openShop, type Shop } from "./shop.ts";

const HOUR_MS = 3_600_000;

const redis = await freshRedis();
const database = await freshDatabase();
const kept = keptLog();
const pool = createPool(database.url, kept.log);
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;

beforeEach(async () => {
  kept.lines.length = 0;
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
});

afterEach(async () => {
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await pool.end();
  await redis.close();
  await database.close();
});

const openKeeper = (of: Shop = shop) =>
  createKeeper({
    pool,
    stores: of.stores,
    stock: of.counter,
    redisNow: of.stream.now,
    default_store: "main",
    log: kept.log,
  });

const mended = (what: string) => metric(keeperMended, { what });

describe("stores", () => {
  const addToPostgres = (store_id: string, rank: number, name = store_id) =>
    query(database.url, "insert into stores (store_id, name, latency_rank) values ($1, $2, $3)", [
      store_id,
      name,
      rank,
    ]);
  const inPostgres = () =>
    query(database.url, "select store_id, name, latency_rank from stores order by store_id");
  const inRedis = () => shop.redis.hgetall(shop.keys.stores);

  test("that only Postgres knows are told to Redis", async () => {
    await addToPostgres("north", 3, "The North");
    await addToPostgres("south", 0);
    const before = await mended("STORE_IN_REDIS");
    expect(await openKeeper().runOnce()).toBe(0);
    expect(await inRedis()).toEqual({ north: "3", south: "0" });
    expect(await inPostgres()).toEqual([
      { store_id: "north", name: "The North", latency_rank: 3 },
      { store_id: "south", name: "south", latency_rank: 0 },
    ]);
    expect(await mended("STORE_IN_REDIS")).toBe(before + 2);
    expect((await shop.stores.known()).ids).toEqual(["main", "north", "south"]);
  });

  test("that only Redis knows are told to Postgres", async () => {
    await shop.redis.hset(shop.keys.stores, { north: "3", south: "0" });
    const before = await mended("STORE_IN_POSTGRES");
    await openKeeper().runOnce();
    expect(await inPostgres()).toEqual([
      { store_id: "north", name: "north", latency_rank: 3 },
      { store_id: "south", name: "south", latency_rank: 0 },
    ]);
    expect(await inRedis()).toEqual({ north: "3", south: "0" });
    expect(await mended("STORE_IN_POSTGRES")).toBe(before + 2);
  });

  test("that have two ranks get the one that Postgres says", async () => {
    await addToPostgres("north", 3, "The North");
    await shop.redis.hset(shop.keys.stores, "north", "7");
    await openKeeper().runOnce();
    expect(await inRedis()).toEqual({ north: "3" });
    expect(await inPostgres()).toEqual([{ store_id: "north", name: "The North", latency_rank: 3 }]);
  });

  test("on which both agree are left alone", async () => {
    await addToPostgres("north", 3);
    await addToPostgres("main", 0);
    await shop.redis.hset(shop.keys.stores, "north", "3");
    const before = await metric(keeperMended);
    await openKeeper().runOnce();
    expect(await metric(keeperMended)).toBe(before);
    expect(await inRedis()).toEqual({ north: "3" }); // the default one is known without
  });

  test("include the default one when it has a rank", async () => {
    await addToPostgres("main", 2);
    await openKeeper().runOnce();
    expect(await inRedis()).toEqual({ main: "2" });
    await query(database.url, "update stores set latency_rank = 0");
    await openKeeper().runOnce();
    expect(await inRedis()).toEqual({ main: "0" });
  });

  test("that somebody put into Redis by hand, with no rank or no name, are no trouble", async () => {
    const ranks = { north: "far", south: "-1", west: "1.5", east: "99999999999", "no name": "1" };
    await shop.redis.hset(shop.keys.stores, { ...ranks, top: "2147483647" });
    await openKeeper().runOnce();
    await openKeeper().runOnce();
    expect(await inPostgres()).toEqual(
      ["east", "north", "south", "top", "west"].map((store_id) => ({
        store_id,
        name: store_id,
        latency_rank: store_id === "top" ? 2_147_483_647 : 0,
      })),
    );
    const zeros = { north: "0", south: "0", west: "0", east: "0" };
    expect(await inRedis()).toEqual({ ...ranks, ...zeros, top: "2147483647" });
  });

  test("are told by several keepers at once as by one", async () => {
    await addToPostgres("north", 3);
    await shop.redis.hset(shop.keys.stores, "south", "4");
    await Promise.all([openKeeper().runOnce(), openKeeper().runOnce(), openKeeper().runOnce()]);
    expect(await inRedis()).toEqual({ north: "3", south: "4" });
    expect(await inPostgres()).toMatchObject([
      { store_id: "north", latency_rank: 3 },
      { store_id: "south", latency_rank: 4 },
    ]);
  });
});

describe("initial stock", () => {
  /** As the product's transaction leaves it, so long ago. */
  async function promised(more: { age_ms?: number; sku?: string; store_id?: string } = {}) {
    const { age_ms = 11_000, sku = "mate", store_id = "north" } = more;
    const promise = { event_id: newEventId(), sku, store_id, units: 40 };
    await query(
      database.url,
      `insert into initial_stocks (event_id, sku, store_id, units, request_id, actor, created_at)
       values ($1, $2, $3, $4, 'req-1', 'ann', now() - make_interval(secs => $5))`,
      [...Object.values(promise), age_ms / 1000],
    );
    return promise;
  }
  const promises = () => countRows(database.url, "initial_stocks");
  /** What is there is told from what was just put there by Redis's clock, which counts milliseconds. */
  async function untilLater() {
    const now = await shop.stream.now();
    await until("it is later", async () => (await shop.stream.now()) > now || undefined);
  }
  const available = (sku = "mate", store_id = "north") =>
    shop.redis.get(shop.keys.stock(sku, store_id));

  test("that was promised and never came is put where it was promised, as its event says", async () => {
    const { event_id } = await promised();
    const before = await mended("INITIAL_STOCK");
    const { runOnce } = openKeeper();
    expect(await runOnce()).toBe(0);
    expect(await available()).toBe("40");
    const [entry] = await shop.entries();
    expect(entry?.fields).toMatchObject({ event_id, type: "STOCK_ADJUSTED" });
    expect(JSON.parse(String(entry?.fields.payload))).toMatchObject({
      request_id: "req-1",
      actor: "ann",
      reason: "receipt",
      lines: [{ sku: "mate", store_id: "north", available_delta: 40, available: 40 }],
    });
    await untilLater();
    // Again and again until it is recorded, and after.
    await runOnce();
    await openKeeper().runOnce();
    await recorder.drain();
    expect(await promises()).toBe(0);
    await runOnce();
    await openKeeper().runOnce();
    expect(await shop.entries()).toHaveLength(1);
    expect(await available()).toBe("40");
    expect(await mended("INITIAL_STOCK")).toBe(before + 1);
    expect(await compareBooks(shop.redis, database.url)).toEqual([]);
  });

  test("that the API had put there before it fell is not put there again", async () => {
    const promise = await promised();
    await putInitialStock(shop.counter, promise, callContext());
    await untilLater();
    const before = await mended("INITIAL_STOCK");
    await openKeeper().runOnce();
    expect(await available()).toBe("40");
    expect(await shop.entries()).toHaveLength(1);
    expect(await mended("INITIAL_STOCK")).toBe(before);
    await recorder.drain();
    expect(await promises()).toBe(0);
  });

  test("that the keeper has put there is none for a late API", async () => {
    const promise = await promised();
    await openKeeper().runOnce();
    const after = await putInitialStock(shop.counter, promise, callContext());
    expect(after).toMatchObject({ event_id: promise.event_id, available: 40 });
    expect(await shop.entries()).toHaveLength(1);
  });

  test("is put there once by several workers and the API at once", async () => {
    const promise = await promised();
    const others = await Promise.all([openShop(redis.url), openShop(redis.url)]);
    try {
      await Promise.all([
        ...others.map((other) => openKeeper(other).runOnce()),
        openKeeper().runOnce(),
        putInitialStock(shop.counter, promise, callContext()),
      ]);
    } finally {
      await Promise.all(others.map((other) => other.close()));
    }
    expect(await available()).toBe("40");
    expect(await shop.entries()).toHaveLength(1);
  });

  test("is the API's to put there for ten seconds", async () => {
    await promised({ age_ms: 5_000, sku: "young" });
    await promised({ age_ms: 10_000, sku: "old" });
    await openKeeper().runOnce();
    expect(await available("young")).toBeNull();
    expect(await available("old")).toBe("40");
    await query(database.url, "update initial_stocks set created_at = now() - interval '10 s'");
    await openKeeper().runOnce();
    expect(await available("young")).toBe("40");
  });

  test("of a product that has stock by now comes on top of it", async () => {
    await shop.stock("tea", 3);
    await promised({ sku: "tea", store_id: "main" });
    await openKeeper().runOnce();
    expect(await available("tea", "main")).toBe("43");
  });

  test("that is too old to tell whether it came is left alone, with one error", async () => {
    const { event_id } = await promised({ age_ms: 23 * HOUR_MS + 1_000, sku: "stale" });
    await promised({ age_ms: 23 * HOUR_MS - 60_000, sku: "fresh" });
    const { runOnce } = openKeeper();
    for (let runs = 0; runs < 3; runs += 1) expect(await runOnce()).toBe(0);
    expect(await available("stale")).toBeNull();
    expect(await available("fresh")).toBe("40");
    expect(kept.errors()).toEqual([expect.objectContaining({ event_id, sku: "stale" })]);
    expect(await metric(keeperStuck)).toBe(1);
    await query(database.url, "delete from initial_stocks where event_id = $1", [event_id]);
    await runOnce();
    expect(await metric(keeperStuck)).toBe(0);
  });

  test("that can't be put there hinders no other, and comes when it can", async () => {
    await shop.redis.set(shop.keys.stock("corrupt", "north"), "abc");
    await shop.redis.set(shop.keys.stock("full", "north"), "999999999999");
    for (const sku of ["corrupt", "full", "mate"]) await promised({ sku });
    const { runOnce } = openKeeper();
    for (let runs = 0; runs < 3; runs += 1) expect(await runOnce()).toBe(0);
    expect(await available("mate")).toBe("40");
    expect(kept.errors().map(({ sku }) => sku)).toEqual(["corrupt", "full"]);
    expect(await metric(keeperStuck)).toBe(2);

    await shop.redis.mset({
      [shop.keys.stock("corrupt", "north")]: "1",
      [shop.keys.stock("full", "north")]: "2",
    });
    await runOnce();
    expect([await available("corrupt"), await available("full")]).toEqual(["41", "42"]);
    expect(await metric(keeperStuck)).toBe(0);
  });

  test("of more products than a run takes on comes in several runs", async () => {
    const event_ids = Array.from({ length: 501 }, newEventId);
    await query(
      database.url,
      `insert into initial_stocks (event_id, sku, store_id, units, request_id, created_at)
       select event_id, 'sku-' || n, 'main', n, 'r', now() - interval '1 h'
       from unnest($1::uuid[]) with ordinality as promise (event_id, n)`,
      [event_ids],
    );
    const { runOnce } = openKeeper();
    expect(await runOnce()).toBe(500);
    expect(await available("sku-501", "main")).toBeNull();
    expect(await runOnce()).toBe(0);
    expect(await available("sku-501", "main")).toBe("501");
    expect(await shop.entries()).toHaveLength(501);
    await recorder.drain();
    expect(await promises()).toBe(0);
  });

  test("waits, as a failure of the keeper, while Redis is full", async () => {
    await promised();
    const { runOnce } = openKeeper();
    // Redis is to refuse, and not a look at its memory, which would also go on refusing for a while.
    shop.backlog.stop();
    await shop.redis.config("SET", "maxmemory", "1");
    try {
      await expect(runOnce()).rejects.toMatchObject({ outcome: "NOT_EXECUTED" });
    } finally {
      await shop.redis.config("SET", "maxmemory", "0");
    }
    await runOnce();
    expect(await available()).toBe("40");
  });
});

test.each([
  ["stores", "initial_stocks"],
  ["initial_stocks", "stores"],
])("what hinders %s does not hinder %s", async (hindered) => {
  await query(
    database.url,
    `insert into initial_stocks (event_id, sku, store_id, units, request_id, created_at)
     values ('${newEventId()}', 'mate', 'main', 40, 'r', now() - interval '1 min')`,
  );
  await query(
    database.url,
    "insert into stores (store_id, name, latency_rank) values ('s', 'S', 5)",
  );
  const mendedNow = async () => [
    await shop.redis.get(shop.keys.stock("mate", "main")),
    await shop.redis.hget(shop.keys.stores, "s"),
  ];
  const { runOnce } = openKeeper();
  await query(database.url, `alter table ${hindered} rename to away`);
  try {
    await expect(runOnce()).rejects.toThrow(`relation "${hindered}" does not exist`);
    expect(await mendedNow()).toEqual(hindered === "stores" ? ["40", null] : [null, "5"]);
  } finally {
    await query(database.url, `alter table away rename to ${hindered}`);
  }
  await runOnce();
  expect(await mendedNow()).toEqual(["40", "5"]);
});

test("the worker mends what was half done, and its recorder records it", async () => {
  await recorder.closeRecording(); // the worker records now
  await query(
    database.url,
    `insert into initial_stocks (event_id, sku, store_id, units, request_id, created_at)
     values ('${newEventId()}', 'mate', 'north', 40, 'r', now() - interval '1 min')`,
  );
  await query(
    database.url,
    "insert into stores (store_id, name, latency_rank) values ('s', 'S', 5)",
  );
  const worker = await spawnWorker({ REDIS_URL: redis.url, DATABASE_URL: database.url });
  try {
    await until("it is mended", async () => {
      const [promises, rank, store] = await Promise.all([
        countRows(database.url, "initial_stocks"),
        shop.redis.hget(shop.keys.stores, "s"),
        query(database.url, "select from stores where store_id = 'north'"),
      ]);
      return (promises === 0 && rank === "5" && store.length === 1) || undefined;
    });
    expect(await shop.redis.get(shop.keys.stock("mate", "north"))).toBe("40");
  } finally {
    await worker.kill();
  }
}, 60_000);

test("a fault of Redis rises, and is mended after it", async () => {
  const own = await freshRedis();
  const other = await openShop(own.url);
  try {
    await query(database.url, "insert into stores (store_id, name) values ('north', 'North')");
    const { runOnce } = openKeeper(other);
    await own.stop();
    await expect(runOnce()).rejects.toThrow();
    await own.start();
    await until("it works again", () => runOnce().catch(() => undefined));
    expect(await other.redis.hgetall(other.keys.stores)).toEqual({ north: "0" });
  } finally {
    await other.close();
    await own.close();
  }
});
