import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import type { SaleRules } from "../../src/domain/rules.ts";
import { callContext } from "../setup/deciding-side.ts";
import { allFindings, openAuditor } from "../worker/audit-side.ts";
import { untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";
import { appendFile } from "./aof.ts";
import { type House, openHouse } from "./house.ts";

let house: House;
let made = 0;

beforeEach(async () => {
  house = await openHouse();
  await house.shop.stock("tea", 100);
  await house.shop.stock("cup", 100);
  await house.worker();
  await house.untilOpen();
});

afterEach(() => house.close());

const flush = () => house.shop.redis.call("FLUSHALL");

async function setRules(sku: string, rules: SaleRules | null) {
  made += 1;
  return house.shop.rules.changeRules({ sku, rules }, `rules-${made}`, callContext());
}
const recorded = () => untilRecorded(house.shop.redis, house.database.url);

/** What decides what may be sold: the rules, and what customers have. */
async function limits() {
  const { redis, keys } = house.shop;
  return [await redis.hgetall(keys.rules), await redis.hgetall(keys.customers)];
}

const isLimited = { code: "LIMIT_EXCEEDED" };

test("an emptied Redis gets rules and counts back, and they limit as before", async () => {
  const { shop } = house;
  await setRules("tea", { max_per_customer: 4, paused: false });
  await setRules("cup", { max_active_holds: 1, hold_seconds: 60 });
  await setRules("gone", { max_per_order: 1 });
  await setRules("gone", null);
  const sold = await shop.reserve("tea", { quantity: 2 });
  await shop.confirm(sold);
  const held = await shop.reserve("tea");
  await shop.cancel(await shop.reserve("tea"));
  const cup = await shop.reserve("cup");
  await recorded();
  const before = await limits();
  expect(before[1]).toEqual({ "tea ann": "3 1", "cup ann": "1 1" });
  await house.through(flush);
  const [rules, counts] = await limits();
  expect(counts).toEqual(before[1]);
  expect(rules).toMatchObject(before[0] ?? {});
  await house.expectBooks(100);

  await expect(shop.reserve("tea", { quantity: 2 })).rejects.toMatchObject(isLimited);
  await expect(shop.reserve("cup")).rejects.toMatchObject(isLimited);
  await shop.cancel(held);
  await shop.cancel(cup);
  await shop.reserve("tea", { quantity: 2 });
  await shop.reserve("cup");
  await expect(shop.reserve("tea")).rejects.toMatchObject(isLimited);
  await house.expectBooks(100);
  const [report] = await house.recoveries();
  expect(report?.report.restored).toMatchObject({ rules: 3, customers: 2 });
  const auditor = await openAuditor(house.urls);
  await auditor.lookAround();
  await auditor.close();
  expect(await allFindings(house.database.url)).toEqual([]);
});

test("rules of more skus than are given back at once come back", async () => {
  await setRules("tea", { max_per_order: 7 });
  await recorded();
  await query(
    house.database.url,
    `insert into sale_rules (sku, rules, version, counts, changed_at)
     select 'sku-' || i, rules, version, counts, changed_at
     from sale_rules, generate_series(1, 4100) as i where sku = 'tea'`,
  );
  await house.through(flush);
  const [rules = {}] = await limits();
  expect(Object.keys(rules)).toHaveLength(4_101);
  expect(new Set(Object.values(rules))).toEqual(new Set([rules.tea]));
});

test("customers are counted on where there are no rules any more", async () => {
  const { shop } = house;
  await setRules("tea", { max_per_customer: 4 });
  await setRules("tea", null);
  await shop.reserve("tea", { quantity: 9 });
  await recorded();
  const before = await limits();
  await house.through(flush);
  expect(await limits()).toEqual(before);
  await setRules("tea", { max_per_customer: 10 });
  await expect(shop.reserve("tea", { quantity: 2 })).rejects.toMatchObject(isLimited);
  await house.expectBooks(100);
});

test("a tail that was recorded comes back, its rules and counts with it", async () => {
  const { shop, redis } = house;
  await setRules("tea", { max_per_customer: 9 });
  const first = await shop.reserve("tea", { quantity: 2 });
  await recorded();
  const file = await appendFile(shop.redis);
  const size = await file.size();
  await setRules("tea", { max_per_customer: 3 });
  await setRules("cup", { paused: true });
  await shop.cancel(first);
  await shop.reserve("tea");
  await recorded();
  const before = await limits();
  await house.through(async () => {
    await redis.kill();
    await file.cutTo(size);
    await redis.start();
    await until("the shop is back", () => (shop.redis.status === "ready" ? true : undefined));
  });
  expect(await limits()).toEqual(before);
  await expect(shop.reserve("cup")).rejects.toMatchObject({ code: "SALE_PAUSED" });
  await expect(shop.reserve("tea", { quantity: 3 })).rejects.toMatchObject(isLimited);
  await shop.reserve("tea", { quantity: 2 });
  await house.expectBooks(100);
});

test("what customers had before the first limit counts, though it comes and goes meanwhile", async () => {
  const { shop } = house;
  const [sold, cancelled] = [await shop.reserve("tea", { quantity: 2 }), await shop.reserve("tea")];
  await Promise.all([
    ...Array.from({ length: 20 }, () => shop.reserve("tea")),
    setRules("tea", { max_per_customer: 30 }),
    ...Array.from({ length: 4 }, () => shop.reserve("tea")),
    shop.confirm(sold),
    shop.cancel(cancelled),
  ]);
  const counted = () => shop.redis.hget(shop.keys.customers, "tea ann");
  await until("all are counted", async () => ((await counted()) === "26 24" ? true : undefined));
  await house.expectBooks(100);
  await expect(shop.reserve("tea", { quantity: 5 })).rejects.toMatchObject(isLimited);
  await shop.reserve("tea", { quantity: 4 });

  // Nothing is added twice to counts that came back with all of it.
  await recorded();
  await house.through(flush);
  expect(await counted()).toBe("30 25");
  await shop.stock("cup", 100);
  await setRules("cup", { max_per_customer: 5 });
  await shop.reserve("cup", { quantity: 5 });
  await house.expectBooks(100);
  expect(await counted()).toBe("30 25");
  await expect(shop.reserve("tea")).rejects.toMatchObject(isLimited);
});
