import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { compareBooks } from "../../scripts/bench/books.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { openRecorder } from "../worker/parts.ts";
import { openShop, type Shop } from "../worker/shop.ts";

// Every rule of the books is seen to fail once.
const redis = await freshRedis();
const database = await freshDatabase();
const postgres = new pg.Client({ connectionString: database.url });
let shop: Shop;

beforeAll(async () => {
  await postgres.connect();
  shop = await openShop(redis.url);
  await shop.stock("tea", 100);
  await shop.stock("unsold", 100);
  await shop.trade(9, "tea");
  const { drain, close } = await openRecorder({ redisUrl: redis.url, databaseUrl: database.url });
  await drain();
  await close();
});

afterAll(async () => {
  await postgres.end();
  await shop.close();
  await redis.close();
  await database.close();
});

const books = () =>
  compareBooks({ redis: shop.redis, postgres }, { skus: ["tea", "unsold"], units: 100 });

test("books that balance have no differences", async () => {
  expect(await books()).toEqual([]);
});

test.each([
  ["update holds set status = 'EXPIRED' where status = 'CANCELLED'", null],
  ["update holds set status = 'EXPIRED', ended_at = now() where status = 'ACTIVE'", /by holds/],
  ["update hold_lines set quantity = 2", /^of 100 tea, 9\d are available, 1 held \(2 by holds\)/],
  ["delete from orders", /^2 holds and orders do not belong together$/],
  ["update stock_levels set available = 99", /^of 100 tea, 99 are available/],
  ["update stock_levels set version = 99", /^tea: .* in Redis, .* version 99 in Postgres$/],
  ["delete from stock_movements where movement_id = 1", /^movements of tea add up to/],
  ["delete from processed_events where seq = 1", /^8 of 9 events are recorded$/],
  ["update processed_events set seq = 1 where seq = 2", /^9 events have 8 seqs up to 9$/],
  [
    "insert into seq_gaps (partition, seqs, still_missing) values (0, '[3,4)', '{[3,4)}')",
    /^1 gaps in seq are open$/,
  ],
  [
    "insert into dead_events (partition, entry_id, fields, error, attempts) " +
      "values (0, '1-1', '{}', 'bad', 1)",
    /^1 events are dead$/,
  ],
])("in Postgres: %s", async (sql, difference) => {
  await postgres.query("begin");
  try {
    await postgres.query(sql);
    const differences = await books();
    if (difference === null) expect(differences).toEqual([]);
    else expect(differences).toContainEqual(expect.stringMatching(difference));
  } finally {
    await postgres.query("rollback");
  }
});

test.each([
  ["a unit too many", ["INCRBY", "stock:tea", "1"], ["DECRBY", "stock:tea", "1"], /^tea: /],
  [
    "a unit gone that nobody asked for",
    ["DECR", "stock:unsold"],
    ["INCR", "stock:unsold"],
    /^unsold: /,
  ],
  [
    "a held unit too many",
    ["HINCRBY", "item:tea", "held", "1"],
    ["HINCRBY", "item:tea", "held", "-1"],
    /^tea: /,
  ],
  [
    "a key of nobody",
    ["SET", "idem:reserve:x", "x"],
    ["DEL", "idem:reserve:x"],
    /keys in Redis, not/,
  ],
  [
    "a deadline of no hold",
    ["ZADD", "holds:deadlines", "1", "x"],
    ["ZREM", "holds:deadlines", "x"],
    /2 deadlines/,
  ],
  [
    "an event that nobody wrote down",
    ["INCR", "inventory.seq"],
    ["DECR", "inventory.seq"],
    /^9 of 10 events/,
  ],
])("in Redis: %s", async (_, [change = "", ...args], [back = "", ...back_args], difference) => {
  await shop.redis.call(change, ...args);
  try {
    expect(await books()).toContainEqual(expect.stringMatching(difference));
  } finally {
    await shop.redis.call(back, ...back_args);
  }
});
