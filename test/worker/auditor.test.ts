import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { auditDrift } from "../../worker/metrics.ts";
import { callContext } from "../setup/deciding-side.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { allFindings, openAuditor, openFindings } from "./audit-side.ts";
import { metric, openNewShop, type openRecorder } from "./parts.ts";
import { query } from "./query.ts";
import type { Shop } from "./shop.ts";

const redis = await freshRedis();
const database = await freshDatabase();
const urls = { redisUrl: redis.url, databaseUrl: database.url };
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;
let auditor: Awaited<ReturnType<typeof openAuditor>>;

beforeEach(async () => {
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
  auditor = await openAuditor(urls);
});

afterEach(async () => {
  await auditor.close();
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

const sql = (text: string, values: unknown[] = []) => query(database.url, text, values);
const findings = () => openFindings(database.url);
const told = (kind: string, sku = "tea") => [{ sku, store_id: "main", kind }];

function adjust(units: number, { sku = "tea", store_id = "main" } = {}) {
  const input = { sku, store_id, operation: "ADJUST" as const, units, reason: "manual" };
  const idem = { route: "adjust" as const, key: randomUUID(), request: [input] };
  return shop.counter.changeStock(input, idem, callContext());
}

/** Some of every kind of movement, recorded, and nothing left to do. */
async function trade() {
  await shop.confirm(await shop.reserve("tea", { quantity: 5 }));
  await shop.cancel(await shop.reserve("tea", { quantity: 3 }));
  await shop.reserve("tea", { quantity: 2 });
  await adjust(-4);
  await recorder.drain();
}

/** Each way of breaking a stock by hand, which kind of drift it is, and how it is mended. */
type Breaking = [
  kind: string,
  how: string,
  breaks: () => Promise<unknown>,
  mends: () => Promise<unknown>,
];
const broken: Breaking[] = [
  [
    "CHANGED_OUTSIDE",
    "SET stock by hand",
    () => shop.redis.set("stock:tea", 7),
    () => shop.redis.set("stock:tea", 989),
  ],
  [
    "CHANGED_OUTSIDE",
    "DEL stock",
    () => shop.redis.del("stock:tea"),
    () => shop.redis.set("stock:tea", 989),
  ],
  [
    "HELD",
    "HSET item held",
    () => shop.redis.hset("item:tea", "held", 1),
    () => shop.redis.hset("item:tea", "held", 2),
  ],
  [
    "REDIS_AHEAD",
    "HINCRBY item version",
    () => shop.redis.hincrby("item:tea", "version", 3),
    () => shop.redis.hincrby("item:tea", "version", -3),
  ],
  [
    "REDIS_BEHIND",
    "HINCRBY item version backwards",
    () => shop.redis.hincrby("item:tea", "version", -1),
    () => shop.redis.hincrby("item:tea", "version", 1),
  ],
  [
    "REDIS_BEHIND",
    "DEL item",
    () => shop.redis.rename("item:tea", "put:away"),
    () => shop.redis.rename("put:away", "item:tea"),
  ],
  [
    "CORRUPT",
    "SET stock to a word",
    () => shop.redis.set("stock:tea", "abc"),
    () => shop.redis.set("stock:tea", 989),
  ],
  [
    "CORRUPT",
    "a list where the item was",
    async () => {
      await shop.redis.rename("item:tea", "put:away");
      await shop.redis.lpush("item:tea", "1");
    },
    () => shop.redis.rename("put:away", "item:tea"),
  ],
  [
    "LEDGER_SUM",
    "update stock_levels",
    () => sql("update stock_levels set available = 1"),
    () => sql("update stock_levels set available = 989"),
  ],
  [
    "LEDGER_SUM",
    "delete from stock_levels",
    () => sql("create table put_away as select * from stock_levels; delete from stock_levels"),
    () =>
      sql(
        `insert into stock_levels (sku, store_id, available, held, version, updated_at)
         select sku, store_id, available, held, version, updated_at from put_away; drop table put_away`,
      ),
  ],
];

describe.each(["before", "after"])("broken by hand %s it was first looked at:", (when) => {
  test.each(broken)("%s, by %s", async (kind, _, breakIt, mendIt) => {
    await trade();
    if (when === "after") await auditor.lookAround();
    expect(await findings()).toEqual([]);
    await breakIt();
    await auditor.lookAround();
    expect(await findings()).toEqual(told(kind));
    expect(await metric(auditDrift, { kind })).toBe(1);
    await auditor.lookAround();
    const level = kind === "CHANGED_OUTSIDE" ? "warn" : "error";
    const lines = auditor.lines.filter((line) => line.kind === kind);
    expect(lines).toMatchObject([{ level, sku: "tea", store_id: "main" }]);

    await mendIt();
    await auditor.lookAround();
    expect(await findings()).toEqual([]);
    expect(await metric(auditDrift)).toBe(0);
    expect(await allFindings(database.url)).toEqual(told(kind));
  });
});

describe("the movements", () => {
  const movements = (where: string) =>
    sql(`create table put_away as select * from stock_movements where ${where};
         delete from stock_movements where ${where}`);
  afterEach(() => sql("drop table if exists put_away"));

  test.each([
    ["the newest", "version = 6"],
    ["one in the middle", "kind = 'HOLD_CONFIRMED'"],
    ["the first, which no event made", "kind = 'EXTERNAL'"],
    ["all", "true"],
  ])("that lack %s are not what the level says", async (_, where) => {
    await trade();
    await movements(where);
    await auditor.lookAround();
    expect(await findings()).toEqual(told("LEDGER_SUM"));
  });

  test("of a hold that takes units nowhere break the account", async () => {
    await trade();
    await sql("update stock_movements set available_delta = available_delta - 1 where version = 1");
    await sql("update stock_levels set available = available - 1");
    await shop.redis.decr("stock:tea");
    await auditor.lookAround();
    expect(await findings()).toEqual(told("CONSERVATION"));
  });

  test("are added up once, by kind", async () => {
    await trade();
    await auditor.lookAround();
    // Were they added up again, this would be noticed.
    await sql("update stock_movements set available_delta = available_delta + 1");
    await auditor.lookAround();
    expect(await findings()).toEqual([]);
    await sql("update stock_movements set available_delta = available_delta - 1");
    const { hold_id } = await shop.counter.purchase(
      { sku: "tea", quantity: 10, user_id: "bob", policy: "highest-available" },
      randomUUID(),
      callContext(),
    );
    expect(hold_id).toBeDefined();
    await shop.redis.incrby("stock:tea", 50);
    await adjust(20);
    await recorder.drain();
    await auditor.lookAround();
    expect(await findings()).toEqual([]);
    const columns = "stocked, adjusted, returned, sold, available, held, held_outside, version";
    expect(await sql(`select ${columns} from audited_stocks`)).toEqual([
      {
        ...{ stocked: "1050", adjusted: "16", returned: "0", sold: "15", available: "1049" },
        ...{ held: "2", held_outside: "0", version: "8" },
      },
    ]);
  });
});

test("an event that the ledger lacks is told, and gone when it is recorded after all", async () => {
  await trade();
  await shop.confirm(await shop.reserve("tea"));
  const [first, second] = (await shop.entries()).slice(-2);
  await shop.redis.xdel("inventory.events", first?.id ?? "", second?.id ?? "");
  await shop.redis.set("inventory.seq", 6);
  await auditor.lookAround();
  expect(await findings()).toEqual(told("REDIS_AHEAD"));
  await adjust(1); // under a seq of its own, and the next version
  await recorder.drain();
  await auditor.lookAround();
  expect(await findings()).toEqual([]);
});

test("units held by hand are told though the next event takes them into the ledger", async () => {
  await trade();
  await shop.redis.hset("item:tea", "held", 12);
  await shop.confirm(await shop.reserve("tea"));
  await recorder.drain();
  await auditor.lookAround();
  expect(await findings()).toEqual(told("HELD"));
  await shop.redis.hincrby("item:tea", "held", -10);
  await auditor.lookAround();
  expect(await findings()).toEqual([]);
  await shop.reserve("tea");
  await recorder.drain();
  await auditor.lookAround();
  expect(await findings()).toEqual([]);
});

test("a stock that was only ever set by hand is no drift", async () => {
  await shop.stock("only-set", 5);
  await trade();
  await auditor.lookAround();
  expect(await findings()).toEqual([]);
});

test("another kind of drift takes the place of the first", async () => {
  await trade();
  await shop.redis.set("stock:tea", 1);
  await auditor.lookAround();
  await shop.redis.set("stock:tea", "one");
  await auditor.lookAround();
  expect(await findings()).toEqual(told("CORRUPT"));
  expect(await allFindings(database.url)).toEqual([...told("CHANGED_OUTSIDE"), ...told("CORRUPT")]);
});

describe("nothing is told, and nothing closed,", () => {
  const lookALot = async () => {
    for (let turns = 0; turns < 50; turns += 1) await auditor.runOnce();
  };

  test("while not all is recorded", async () => {
    await trade();
    await shop.reserve("tea");
    await lookALot();
    expect(await findings()).toEqual([]);
    await recorder.drain();
    await auditor.lookAround();
    expect(await findings()).toEqual([]);
  });

  test("while Redis is not admitted", async () => {
    await trade();
    await shop.redis.del("inventory.generation");
    await shop.redis.set("stock:tea", "abc");
    await lookALot();
    expect(await findings()).toEqual([]);
  });

  test("while an admission is under way", async () => {
    await trade();
    await sql("insert into admissions (partition, state) values (0, 'RESTORING')");
    await shop.redis.set("stock:tea", "abc");
    await lookALot();
    expect(await findings()).toEqual([]);
  });

  test("while Redis has forgotten what was recorded", async () => {
    await trade();
    await shop.redis.mset("inventory.seq", 5, "stock:tea", 3);
    await lookALot();
    expect(await findings()).toEqual([]);
  });

  test("by one that stands by", async () => {
    await trade();
    await auditor.lookAround();
    const other = await openAuditor(urls);
    try {
      expect(await other.runOnce()).toBe(0);
      await shop.redis.set("stock:tea", "abc");
      for (let turns = 0; turns < 50; turns += 1) await other.runOnce();
      expect(await findings()).toEqual([]);
    } finally {
      await other.close();
    }
  });
});
