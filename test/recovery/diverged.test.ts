import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import type { SaleRules } from "../../src/domain/rules.ts";
import { callContext } from "../setup/deciding-side.ts";
import { compareBooks, untilRecorded } from "../worker/books.ts";
import { openRecorder } from "../worker/parts.ts";
import { query } from "../worker/query.ts";
import { type House, openHouse } from "./house.ts";

let house: House;
let replica: House;

beforeEach(async () => {
  house = await openHouse();
  replica = await openHouse(house);
});

afterEach(async () => {
  await replica.close();
  await house.close();
});

/** Sells some of a thousand, follows it with a replica, and stops the worker. */
async function follow() {
  const { shop, redis } = house;
  await shop.stock("tea", 1_000);
  const worker = await house.worker();
  await house.untilOpen();
  await replica.shop.redis.replicaof("127.0.0.1", redis.port);
  await shop.trade(20, "tea");
  await untilFollowed();
  return worker;
}

/** Waits until all is recorded, and the replica has it too. */
async function untilFollowed() {
  const { shop } = house;
  await untilRecorded(shop.redis, house.database.url);
  await until("the replica has it all", async () => {
    const [here, there] = await Promise.all(
      [shop, replica.shop].map(({ redis: of }) => of.info("replication")),
    );
    const offset = /master_repl_offset:(\d+)/;
    const same = offset.exec(here ?? "")?.[1] === offset.exec(there ?? "")?.[1];
    return same && there?.includes("master_link_status:up") ? true : undefined;
  });
}

test("a replica that takes over without the tail is given what was recorded", async () => {
  const worker = await follow();
  await replica.shop.redis.replicaof("NO", "ONE");
  await house.shop.trade(30, "tea");
  await untilRecorded(house.shop.redis, house.database.url);
  await worker.close();
  await expect(replica.shop.reserve("tea")).rejects.toMatchObject({ name: "Recovering" });
  await replica.worker();
  await replica.untilOpen(1);
  expect(await house.recoveries()).toMatchObject([
    {
      ...{ finding: "TAIL_LOST", events_lost: 0 },
      report: { diverged: false, redis_seq: 20, applied_seq: 50, checked: { differing: 0 } },
    },
  ]);
  await replica.shop.trade(20, "tea");
  await replica.expectBooks(1_000);
});

/** The former master goes on by itself, while the replica is admitted in its place. */
async function divide() {
  const worker = await follow();
  await worker.close();
  await replica.shop.redis.replicaof("NO", "ONE");
  const promoted = await replica.worker();
  await replica.untilOpen(1);
  await replica.shop.trade(30, "tea");
  await untilRecorded(replica.shop.redis, house.database.url);
  await promoted.close();
  await house.shop.trade(6, "tea");
}

test("events of an older generation are refused, and stay refused", async () => {
  await divide();
  const recorder = await openRecorder({ ...house.urls });
  await recorder.drain();
  const dead = () =>
    query<{ outdated: boolean; attempts: number }>(
      house.database.url,
      "select outdated, attempts from dead_events",
    );
  expect(await dead()).toEqual(Array.from({ length: 6 }, () => ({ outdated: true, attempts: 1 })));
  expect(recorder.errors()).toHaveLength(6);
  expect(await query(house.database.url, "select from processed_events")).toHaveLength(50);
  await query(house.database.url, "update dead_events set replay_requested_at = now()");
  await until("all were tried again", async () => {
    await recorder.runOnce();
    return (await dead()).every(({ attempts }) => attempts === 2) ? true : undefined;
  });
  expect(await query(house.database.url, "select from processed_events")).toHaveLength(50);
  await recorder.close();
  await replica.expectBooks(1_000);
});

test("a former master that comes back is closed, and becomes what the ledger says", async () => {
  await divide();
  const [rogue] = await house.shop.reserveMany(2, "tea");
  const sold = await house.shop.reserve("tea");
  await house.shop.confirm(sold);
  const key = { idempotency_key: randomUUID(), user_id: "ann", ttl_seconds: 300 };
  const once = { ...key, lines: [{ sku: "tea", store_id: "main", quantity: 1 }] };
  const forgotten = await house.shop.inventory.createHold(once, callContext());
  await house.worker();
  await house.untilOpen(2);
  expect((await house.recoveries()).at(-1)).toMatchObject({
    ...{ finding: "DIVERGED", generation: 3 },
    report: { diverged: true, checked: { differing: 0 } },
  });
  await expect(house.shop.confirm(rogue ?? "")).rejects.toMatchObject({ code: "HOLD_NOT_FOUND" });
  // Nobody but it had heard that this was sold: who asks again is told so, and can pay back.
  await expect(house.shop.confirm(sold)).rejects.toMatchObject({ code: "HOLD_NOT_FOUND" });
  const again = await house.shop.inventory.createHold(once, callContext());
  expect(again.hold_id).not.toBe(forgotten.hold_id);
  await house.shop.trade(20, "tea");
  await untilRecorded(house.shop.redis, house.database.url);
  expect(await compareBooks(house.shop.redis, house.database.url)).toEqual([]);
  expect(await house.unitsOf("tea")).toBe(1_000);
});

const setRules = ({ shop }: House, sku: string, rules: SaleRules) =>
  shop.rules.changeRules({ sku, rules }, randomUUID(), callContext());
const wait = ({ shop }: House, user_id: string) =>
  shop.waiting.join(
    { sku: "cup", store_id: "main", quantity: 1, user_id, offer_seconds: 600 },
    randomUUID(),
    callContext(),
  );
/** Everything that Redis has about rules, customers, and who waits. */
async function saleOf({ shop: { redis } }: House) {
  const names = (await redis.keys("inventory.*")).filter((name) =>
    /^inventory\.(rules|customers|own_holds|stopped|wait)/.test(name),
  );
  const dumps = names.map(async (name) => [
    name,
    (await redis.type(name)) === "zset"
      ? await redis.zrange(name, "0", "-1", "WITHSCORES")
      : await redis.hgetall(name),
  ]);
  return Object.fromEntries(await Promise.all(dumps));
}

test("a former master forgets the rules, counts, queues and own holds that it alone has", async () => {
  const worker = await follow();
  await house.shop.stock("cup", 0);
  await setRules(house, "tea", { max_per_customer: 500, max_per_order: 9 });
  await wait(house, "ada");
  const indexed = await house.shop.reserve("tea");
  await untilFollowed();
  await worker.close();
  await replica.shop.redis.replicaof("NO", "ONE");
  const promoted = await replica.worker();
  await replica.untilOpen(1);
  await setRules(replica, "cup", { max_active_holds: 1 });
  await wait(replica, "bob");
  await replica.shop.cancel(indexed);
  await replica.shop.reserve("tea", { quantity: 3 });
  await untilRecorded(replica.shop.redis, house.database.url);
  await until("what ann had before the first limit is counted", async () => {
    return (await replica.shop.redis.hexists("inventory.customers", "place")) === 1 || undefined;
  });
  await promoted.close();

  await setRules(house, "tea", { max_per_customer: 1 });
  await setRules(house, "pot", { paused: true });
  await wait(house, "cyd");
  await wait(house, "bob");
  expect(Object.keys((await saleOf(house))["inventory.rules"])).toContain("pot");
  await house.worker();
  await house.untilOpen(2);
  const { "inventory.own_holds": own, ...sale } = await saleOf(replica);
  expect(Object.keys(sale).toSorted()).toEqual([
    ...["inventory.customers", "inventory.rules"],
    ...[
      expect.stringMatching(/^inventory\.waiter:W-/),
      expect.stringMatching(/^inventory\.waiter:W-/),
    ],
    ...["inventory.waiting", "inventory.waiting:cup", "inventory.waiting_users:cup"],
  ]);
  expect(await saleOf(house)).toEqual(sale);
  expect(own).toBeDefined();
  const rules = await house.shop.redis.hgetall("inventory.rules");
  expect(Object.keys(rules).toSorted()).toEqual(["cup", "tea"]);
}, 90_000);
