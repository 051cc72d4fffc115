import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, compareBooksIn } from "./books.ts";
import { openRecorder } from "./parts.ts";
import { openShop, type Shop } from "./shop.ts";

// Every other test here trusts compareBooks, so each of its rules is seen to fail once.
const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;

beforeAll(async () => {
  shop = await openShop(redis.url);
  await shop.stock("tea", 100);
  await shop.trade(9, "tea");
  const { drain, close } = await openRecorder({ redisUrl: redis.url, databaseUrl: database.url });
  await drain();
  await close();
});

afterAll(async () => {
  await shop.close();
  await redis.close();
  await database.close();
});

const books = () => compareBooks(shop.redis, database.url);

test("books that balance have no differences", async () => {
  expect(await books()).toEqual([]);
});

test.each([
  [
    "update holds set status = 'EXPIRED' where status = 'CANCELLED'",
    /status is CANCELLED in Redis/,
  ],
  ["update holds set user_id = 'bob' where status = 'ACTIVE'", /user_id is ann in Redis, bob not/],
  ["update holds set expires_at = expires_at + interval '1 ms'", /expires_at is/],
  ["update holds set version = 9 where status = 'ACTIVE'", /version is 1 in Redis, 9 not/],
  ["update holds set payment_ref = 'x' where status = 'CONFIRMED'", /payment_ref is pay-/],
  ["update orders set payment_ref = 'x'", /is CONFIRMED, orders O-/],
  ["delete from orders", /is CONFIRMED, orders/],
  ["update hold_lines set quantity = 2", /lines is tea@main=1 in Redis, tea@main=2 not/],
  ["delete from hold_lines", /lines is tea@main=1 in Redis/],
  ["delete from holds where status = 'ACTIVE'", /^hold H-.* is not in Postgres/],
  ["delete from holds where status = 'ACTIVE'", /^lines of hold H-.* is not in Postgres/],
  [
    "insert into holds (hold_id, status, user_id, created_at, expires_at, version) " +
      "values ('H-1', 'ACTIVE', 'ann', now(), now(), 1)",
    /^hold H-1 is not in Redis/,
  ],
  ["update stock_levels set available = 99", /^stock tea@main: available is/],
  ["update stock_levels set held = 99", /^stock tea@main: held is/],
  ["delete from stock_levels", /^stock tea@main is not in Postgres/],
  ["delete from stock_movements where movement_id = 1", /^movements of tea@main add up to/],
  ["delete from processed_events where seq = 1", /8 of 9 events are recorded, dead, or/],
  ["update processed_events set type = 'STOCK_COUNTED' where seq = 1", /is not written down/],
  ["update recorder_progress set applied_seq = 8", /applied_seq is 8, Redis is at 9/],
  [
    "insert into seq_gaps (partition, seqs, still_missing) " +
      "values (0, int8range(1, 2), int8multirange(int8range(1, 2)))",
    /1 gaps in seq are open/,
  ],
  [
    "insert into dead_events (partition, entry_id, fields, error, attempts) " +
      "values (0, '1-1', '{}', 'why', 1)",
    /1 events are dead/,
  ],
])("a difference is seen after: %s", async (sql, sentence) => {
  const postgres = new pg.Client({ connectionString: database.url });
  await postgres.connect();
  try {
    await postgres.query(`begin; ${sql}`); // never committed
    const differences = await compareBooksIn(shop.redis, postgres);
    expect(differences).toContainEqual(expect.stringMatching(sentence));
  } finally {
    await postgres.end();
  }
});

// What these change stays changed, so they come last.
test.each([
  ["a held unit without a hold", ["HINCRBY", "item:tea", "held", "1"], /are held, by holds of/],
  ["a unit too many", ["INCRBY", "stock:tea", "1"], /^stock tea@main: available is/],
  ["a lost deadline", ["ZPOPMIN", "holds:deadlines"], /^hold H-.* has no deadline/],
  ["a deadline too many", ["ZADD", "holds:deadlines", "1", "H-0"], /H-0 has no active hold/],
])("%s in Redis is seen", async (_, [command = "", ...args], sentence) => {
  await shop.redis.call(command, ...args);
  expect(await books()).toContainEqual(expect.stringMatching(sentence));
});
