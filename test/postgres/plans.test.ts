import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { forgetDeeds, listDeeds } from "../../src/postgres/audit-log.ts";
import { createCatalogue } from "../../src/postgres/catalogue.ts";
import { createPool, type Pool } from "../../src/postgres/client.ts";
import { createHistory } from "../../src/postgres/history.ts";
import { freshDatabase } from "../setup/stack.ts";
import { keptLog } from "../worker/parts.ts";
import { query } from "../worker/query.ts";
import {
  eventIdOf,
  fillWithMany,
  HOT_SKU,
  HOT_USER,
  idOf,
  MANY,
  PAST_USER,
  timeOf,
} from "./many-rows.ts";

// With some of everything, and not only a little: which plan Postgres takes depends on it.

const PAGE = 50;
/** For a page of each of twenty stores, their events, and what a filter leaves out; no more. */
const ROWS_MAX = MANY / 10;

const database = await freshDatabase();
const pool = createPool(database.url, keptLog().log);
const plans: Plan[] = [];
const explained = explaining(pool, plans);
const history = createHistory(explained);
const catalogue = createCatalogue(explained, "main");

beforeAll(() => fillWithMany(database.url), 120_000);

afterAll(async () => {
  await pool.end();
  await database.close();
});

const users = [undefined, "user-7", HOT_USER, PAST_USER];
const skus = [undefined, "sku-7", HOT_SKU];
const statuses = [undefined, "ACTIVE", "CANCELLED", "CONFIRMED", "EXPIRED"] as const;
const middle = MANY / 2;

// The third begins behind most of those that are active.
const holdPlaces = [undefined, idOf("H", middle), idOf("H", MANY - 450)];
const holdLists = combine(users, skus, statuses, holdPlaces);
test.each(holdLists)("holds of user %s, sku %s, status %s, before %s", async (...filters) => {
  const [user_id, sku, status, before] = filters;
  const { items } = await history.listHolds({ user_id, sku, status, before, limit: PAGE });
  const common = user_id === undefined && sku !== "sku-7" && status !== "ACTIVE";
  if (common) expect(items).toHaveLength(PAGE);
  expectPagesRead();
});

const orderLists = combine(users, [undefined, idOf("O", middle)]);
test.each(orderLists)("orders of user %s, before %s", async (user_id, before) => {
  const { items } = await history.listOrders({ user_id, before, limit: PAGE });
  expect(items.length).toBeGreaterThan(0);
  expectPagesRead();
});

const places = [undefined, { recorded_id: middle, movement_id: middle }];
const movementLists = combine(["sku-7", HOT_SKU], [undefined, "shop-5"], places);
test.each(movementLists)("movements of sku %s, store %s, before %j", async (...filters) => {
  const [sku, store_id, before] = filters;
  const { items } = await history.listMovements({ sku, store_id, before, limit: PAGE });
  if (sku === HOT_SKU) expect(items).toHaveLength(PAGE);
  expectPagesRead();
});

test("the newest movements of some stocks", async () => {
  const stocks = [HOT_SKU, "sku-7"].map((sku) => ({ sku, store_id: "shop-5" }));
  const newest = await history.listNewest(stocks, 20);
  expect(newest.get(`${HOT_SKU}@shop-5`)).toHaveLength(20);
  expectPagesRead();
});

const sinces = [undefined, { event_id: eventIdOf(middle) }, { at_ms: timeOf(middle) }];
const eventLists = combine(skus, [undefined, "shop-5"], sinces);
test.each(eventLists)("events of sku %s, store %s, since %j", async (sku, store_id, since) => {
  const { items } = await history.listEvents({ sku, store_id, since, limit: PAGE });
  if (sku !== "sku-7") expect(items).toHaveLength(PAGE);
  expectPagesRead();
});

test.each(combine([undefined, "shop-5"]))("levels of skus in store %s", async (store_id) => {
  const levels = await history.readLevels([HOT_SKU, "sku-7", "none"], store_id);
  expect([...levels.keys()]).toEqual([HOT_SKU, "sku-7", "none"]);
  expectPagesRead();
});

describe("products", () => {
  const lists = {
    list: (q?: string, page = 1) =>
      catalogue.listProducts({ q, limit: PAGE, offset: (page - 1) * PAGE }),
    totals: (q?: string, page = 1) => catalogue.readTotals({ q, page, size: PAGE }),
  };

  test.each(["list", "totals"] as const)("%s of a search", async (list) => {
    expect((await lists[list]("SKU-77")).total).toBe(111);
    expectPagesRead();
  });

  // Nobody counts rows without having seen them.
  test.each(["list", "totals"] as const)("%s of all, but for their count", async (list) => {
    expect(await lists[list](undefined, 3)).toMatchObject({ total: MANY });
    const [plan] = plans;
    const counted = nodesOf(plan).filter((node) => node["Node Type"] === "Aggregate")[0];
    expectPagesRead(nodesOf(counted));
  });

  test("one by its sku", async () => {
    expect(await catalogue.readProduct("sku-7")).toMatchObject({ sku: "sku-7" });
    expectPagesRead();
  });
});

// Movements are kept for ever.
test.each(eventLists)(
  "events of sku %s, store %s, since %j, when most are forgotten",
  async (...of) => {
    const [sku, store_id, since] = of;
    await query(database.url, "delete from processed_events where recorded_id < $1", [MANY - 500]);
    await query(database.url, "vacuum analyze processed_events");
    const list = history.listEvents({ sku, store_id, since, limit: PAGE });
    if (since && "event_id" in since)
      await expect(list).rejects.toMatchObject({ code: "NOT_FOUND" });
    else if (sku !== "sku-7") expect((await list).items.length).toBeGreaterThan(5);
    else await list;
    expectPagesRead();
  },
);

// Nobody called hot has ever made a key, or adjusted a stock.
const deedLists = combine(
  [undefined, "hot", "who-7"],
  [undefined, "STOCK_COUNTED", "STOCK_ADJUSTED", "KEY_CREATED"] as const,
  [undefined, timeOf(middle)],
  [undefined, { done_at: timeOf(middle + 1_000), deed_id: middle }],
);
test("who did what, by any filter and from any place", async () => {
  for (const [who, what, since, before] of deedLists) {
    const { items } = await listDeeds(explained, { who, what, since, before, limit: PAGE });
    if (who === undefined && what === undefined) expect(items).toHaveLength(PAGE);
    expectPagesRead();
  }
});

test("the oldest of who did what are found by their time", async () => {
  expect(await forgetDeeds(explained, timeOf(1), 10)).toBe(0);
  expectPagesRead();
});

// Otherwise the tests above could not fail.
test("a table that is gone through is noticed", async () => {
  await explained.query("select from holds where payment_ref = 'none'");
  expect(() => expectPagesRead()).toThrow("Seq Scan on holds");
  await explained.query("select from holds where hold_id > '' order by hold_id limit 10000");
  expect(() => expectPagesRead()).toThrow();
});

const planNode = z.object({
  "Node Type": z.string(),
  "Relation Name": z.string().optional(),
  "Actual Rows": z.number(),
  "Actual Loops": z.number(),
  "Rows Removed by Filter": z.number().default(0),
  "Rows Removed by Index Recheck": z.number().default(0),
  get Plans() {
    return z.array(planNode).default([]);
  },
});
type Plan = z.infer<typeof planNode>;

/** The statements of this test so far read pages out of indexes, and not tables. Then it begins anew. */
function expectPagesRead(except: Plan[] = []) {
  const nodes = plans.splice(0).flatMap(nodesOf);
  expect(nodes.length).toBeGreaterThan(0);
  const scans = nodes.filter(
    (node) => node["Relation Name"] !== undefined && !except.includes(node),
  );
  // Of partitions without a row any plan will do.
  const gone = scans.filter((node) => node["Node Type"] === "Seq Scan" && rowsOf(node) > 0);
  expect(gone.map((node) => `Seq Scan on ${node["Relation Name"]}`)).toEqual([]);
  expect(scans.reduce((sum, node) => sum + rowsOf(node), 0)).toBeLessThan(ROWS_MAX);
  const sorts = nodes.filter((node) => node["Node Type"].includes("Sort"));
  for (const sort of sorts) expect(sort["Actual Rows"]).toBeLessThan(ROWS_MAX / 2);
}

const nodesOf = (plan: Plan | undefined): Plan[] =>
  plan ? [plan, ...plan.Plans.flatMap(nodesOf)] : [];

const rowsOf = (node: Plan) =>
  node["Actual Loops"] *
  (node["Actual Rows"] + node["Rows Removed by Filter"] + node["Rows Removed by Index Recheck"]);

/** A pool that keeps the plan of each statement, as it was carried out. */
function explaining(real: Pool, kept: Plan[]): Pool {
  const query = async (statement: string | { text: string; values?: unknown[] }) => {
    const { text, values = [] } = typeof statement === "string" ? { text: statement } : statement;
    const { rows } = await real.query(`explain (analyze, format json) ${text}`, values);
    kept.push(z.tuple([z.object({ Plan: planNode })]).parse(rows[0]?.["QUERY PLAN"])[0].Plan);
    return real.query(text, values);
  };
  return Object.assign(Object.create(real), { query });
}

/** Every way to take one value of each list. */
function combine<const Lists extends readonly (readonly unknown[])[]>(...lists: Lists) {
  return lists.reduce<unknown[][]>(
    (ways, values) => ways.flatMap((way) => values.map((value) => [...way, value])),
    [[]],
  ) as { -readonly [K in keyof Lists]: Lists[K][number] }[]; // each is made of one value of each
}
