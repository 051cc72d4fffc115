import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { Recovering } from "../../src/redis/outcome.ts";
import { freshDatabase } from "../setup/stack.ts";
import { type House, openHouse } from "./house.ts";

let house: House;

beforeEach(async () => {
  house = await openHouse();
});

afterEach(() => house.close());

test("a first start with stock that redis-cli has put there is open at once, and nothing is touched", async () => {
  const { shop } = house;
  await shop.stock("tea", 10);
  await shop.redis.set("stock:cup@shop-1", "7", "EX", 1_000);
  await expect(shop.reserve("tea")).rejects.toThrow(Recovering);
  const { errors, warnings } = await house.worker();
  await house.untilOpen();
  expect(await house.recoveries()).toEqual([]);
  expect(await shop.redis.get("stock:tea")).toBe("10");
  expect(await shop.redis.ttl("stock:cup@shop-1")).toBeGreaterThan(900);
  const ours = ["inventory.generation", "inventory.events"]; // the recorder makes the group
  const names = (await shop.redis.keys("*")).filter((name) => !ours.includes(name));
  expect(names.sort()).toEqual(["stock:cup@shop-1", "stock:tea"]);
  await shop.trade(8, "tea");
  await house.expectBooks(10);
  expect(errors()).toEqual([]);
  expect(warnings().map(({ msg }) => msg)).toEqual([
    "redis is not admitted, so nothing is decided",
    "redis is closed until it was compared with the ledger",
  ]);
});

test("a Redis that restarts with everything is open again under a new generation", async () => {
  const { shop, redis } = house;
  await shop.stock("tea", 100);
  const { errors } = await house.worker();
  await house.untilOpen();
  await shop.trade(20, "tea");
  await shop.redis.set("stock:tea", "500"); // by hand, and no event tells of it
  await house.through(redis.restart);
  expect(await shop.redis.get("stock:tea")).toBe("500");
  await shop.redis.set("stock:tea", "500");
  await shop.trade(20, "tea");
  await house.expectBooks();
  expect(await house.recoveries()).toEqual([]);
  expect(errors()).toEqual([]);
});

test("what was decided and not recorded when Redis was killed is recorded before it opens", async () => {
  const { shop, redis } = house;
  await shop.stock("tea", 1_000);
  const first = await house.worker();
  await house.untilOpen();
  await first.close();
  await shop.trade(300, "tea");
  await redis.kill();
  await redis.start();
  const { lines } = await house.worker();
  await house.untilOpen(1);
  await house.expectBooks(1_000);
  const words = lines.map(({ msg }) => msg);
  expect(words.indexOf("recorded")).toBeGreaterThan(-1);
  expect(words.indexOf("recorded")).toBeLessThan(
    words.indexOf("redis has lost nothing and is open"),
  );
});

test("scripts that somebody has flushed are loaded anew", async () => {
  const { shop } = house;
  await shop.stock("tea", 100);
  await house.worker();
  await house.untilOpen();
  await shop.trade(20, "tea");
  await house.through(() => shop.redis.script("FLUSH"));
  await shop.trade(20, "tea");
  await house.expectBooks(100);
});

test("a full Redis that restarts is open again, so that it can drain", async () => {
  const { shop, redis } = house;
  await shop.stock("tea", 100);
  await house.worker();
  await house.untilOpen();
  const hold_id = await shop.reserve("tea");
  await redis.restart();
  await until("the shop is back", () => (shop.redis.status === "ready" ? true : undefined));
  await shop.redis.config("SET", "maxmemory", "1");
  await house.untilOpen(1);
  await expect(shop.reserve("tea")).rejects.toThrow();
  await shop.confirm(hold_id);
  await shop.redis.config("SET", "maxmemory", "0");
  await house.expectBooks(100);
});

test("a ledger that is new is told of by the number of events that it will never have", async () => {
  const { shop, urls } = house;
  await shop.stock("tea", 100);
  const first = await house.worker();
  await house.untilOpen();
  await shop.trade(20, "tea");
  await house.expectBooks(100);
  await first.close();
  const other = await freshDatabase();
  try {
    const { errors } = await house.worker({ ...urls, databaseUrl: other.url });
    await shop.redis.script("FLUSH");
    await house.untilOpen(1);
    await until("it is told", () => (errors().length > 0 ? true : undefined));
    expect(errors()).toMatchObject([{ finding: "ENTRIES_LOST", events_lost: 20, generation: 2 }]);
    await shop.reserve("tea");
  } finally {
    await house.close();
    await other.close();
  }
});
