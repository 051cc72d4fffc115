import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { createPool } from "../../src/postgres/client.ts";
import { requestRecount } from "../../src/postgres/sale-findings.ts";
import { createCounts } from "../../src/redis/counts.ts";
import { createCounter } from "../../worker/counter.ts";
import { auditDrift, auditRoundAge } from "../../worker/metrics.ts";
import { callContext } from "../setup/deciding-side.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { openAuditor } from "./audit-side.ts";
import { metric, openNewShop, type openRecorder } from "./parts.ts";
import { query } from "./query.ts";
import type { Shop } from "./shop.ts";

const [redis, database] = await Promise.all([freshRedis(), freshDatabase()]);
const urls = { redisUrl: redis.url, databaseUrl: database.url };
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;
let auditor: Awaited<ReturnType<typeof openAuditor>>;
let pool: ReturnType<typeof createPool>;
let made = 0;
const key = () => {
  made += 1;
  return `key-${made}`;
};

const hold = async (user_id: string, quantity: number) => {
  const lines = [{ sku: "tea", store_id: "main", quantity }];
  const wish = { lines, user_id, ttl_seconds: 300, idempotency_key: key() };
  return (await shop.inventory.createHold(wish, callContext())).hold_id;
};
const setRules = (
  sku: string,
  rules: { max_per_customer?: number; hold_seconds?: number } | null,
) => shop.rules.changeRules({ sku, rules }, key(), callContext());
const join = async (user_id: string) => {
  const wish = { sku: "cup", store_id: "main", quantity: 1, user_id, offer_seconds: 60 };
  return (await shop.waiting.join(wish, key(), callContext())).waiter_id;
};

const TEST_MS_MAX = 90_000;

/** Of ann: an active hold; of "bob b": an order, and a hold that has ended. */
let holds: { ann: string; bob: string };
let waiters: string[];

beforeAll(async () => {
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
  pool = createPool(database.url, shop.log);
  await shop.stock("cup", 0);
  await setRules("tea", { max_per_customer: 50 });
  await setRules("milk", { hold_seconds: 60 });
  await setRules("gone", { hold_seconds: 60 });
  await setRules("gone", null);
  const ann = await hold("ann", 2);
  await shop.confirm(await hold("bob b", 3));
  const bob = await hold("bob b", 1);
  await shop.cancel(bob);
  holds = { ann, bob };
  waiters = [await join("ann"), await join("bob b"), await join("cyd")];
  await recorder.drainThroughFaults();
  auditor = await openAuditor(urls);
  await auditor.lookAround();
});

afterAll(async () => {
  await auditor.close();
  await pool.end();
  await recorder.close();
  await shop.close();
  await Promise.all([redis.close(), database.close()]);
});

const findings = () =>
  query<{ kind: string; ledger_says: string | null; redis_says: string | null }>(
    database.url,
    `select kind, sku, user_id, ledger_says, redis_says from audit_findings
     where gone_at is null order by kind, sku, user_id`,
  );
const by = { who: "test", request_id: "r" };
const sql = (text: string, values: unknown[] = []) => query(database.url, text, values);
const TEA = "version=1 counts=1 max_per_customer=50";
const MILK = "version=2 hold_seconds=60";

type Breaking = [
  pass: number,
  how: string,
  breaks: () => Promise<unknown>,
  told: object[],
  mends: () => Promise<unknown>,
];
const hset = (name: string, field: string, value: string | number) => () =>
  shop.redis.hset(`inventory.${name}`, field, value);
const hdel = (name: string, field: string) => () => shop.redis.hdel(`inventory.${name}`, field);
const rules = (sku: string, redis_says: string | null, ledger_says: string | null) => [
  { kind: "RULES", sku, user_id: "", redis_says, ledger_says },
];
const counted = (user_id: string, redis_says: string | null, ledger_says: string | null) => [
  { kind: "CUSTOMER_COUNT", sku: "tea", user_id, redis_says, ledger_says },
];
const own = (user_id: string, sku = "tea") => [
  {
    ...{ kind: "OWN_HOLD", sku, user_id, ledger_says: null },
    redis_says: expect.stringMatching(/^H-/),
  },
];
const queue = (redis_says: string) => [
  { kind: "QUEUE", sku: "cup", user_id: "", redis_says, ledger_says: "3 wait" },
];
const waits = (user_id: string, redis_says: unknown, ledger_says: unknown) => [
  { kind: "WAITER", sku: "cup", user_id, redis_says, ledger_says },
];
const at = expect.stringMatching(/^W-\S+ at \d+$/);

/** Those of one pass are about different things, so they can be broken at once. */
const broken: Breaking[] = [
  [
    1,
    "other rules",
    hset("rules", "tea", `${TEA}1`),
    rules("tea", `${TEA}1`, TEA),
    hset("rules", "tea", TEA),
  ],
  [1, "no rules", hdel("rules", "milk"), rules("milk", null, MILK), hset("rules", "milk", MILK)],
  [
    1,
    "rules that nobody decided",
    hset("rules", "jam", "version=9 max_per_order=1"),
    rules("jam", "version=9 max_per_order=1", null),
    hdel("rules", "jam"),
  ],
  [
    1,
    "rules that were taken away",
    hset("rules", "gone", "version=3 paused=1"),
    rules("gone", "version=3 paused=1", null),
    hdel("rules", "gone"),
  ],
  [
    2,
    "rules that nobody can read",
    hset("rules", "milk", "none"),
    rules("milk", "none", MILK),
    hset("rules", "milk", MILK),
  ],
  [
    1,
    "fewer units of a customer",
    hset("customers", "tea ann", "1 1"),
    counted("ann", "1 1", "2 1"),
    hset("customers", "tea ann", "2 1"),
  ],
  [
    2,
    "another number of active holds",
    hset("customers", "tea ann", "2 0"),
    counted("ann", "2 0", "2 1"),
    hset("customers", "tea ann", "2 1"),
  ],
  [
    1,
    "a customer who was forgotten",
    hdel("customers", "tea bob b"),
    counted("bob b", null, "3 0"),
    hset("customers", "tea bob b", "3 0"),
  ],
  [
    1,
    "a customer who never bought",
    hset("customers", "tea eve", "1 0"),
    counted("eve", "1 0", null),
    hdel("customers", "tea eve"),
  ],
  [
    3,
    "a count that is none",
    hset("customers", "tea ann", "many"),
    counted("ann", "many", "2 1"),
    hset("customers", "tea ann", "2 1"),
  ],
  [
    1,
    "an own hold that has ended",
    () => shop.redis.hset("inventory.own_holds", "tea bob b", holds.bob),
    own("bob b"),
    hdel("own_holds", "tea bob b"),
  ],
  [
    1,
    "an own hold of somebody else",
    () => shop.redis.hset("inventory.own_holds", "tea eve", holds.ann),
    own("eve"),
    hdel("own_holds", "tea eve"),
  ],
  [
    1,
    "an own hold of another sku",
    () => shop.redis.hset("inventory.own_holds", "milk ann", holds.ann),
    own("ann", "milk"),
    hdel("own_holds", "milk ann"),
  ],
  [
    1,
    "more who wait than there are",
    hset("waiting", "cup", 4),
    queue("4 counted, 3 in the queue, 3 places"),
    hset("waiting", "cup", 3),
  ],
  [
    2,
    "a queue that nobody counts",
    hdel("waiting", "cup"),
    queue("0 counted, 3 in the queue, 3 places"),
    hset("waiting", "cup", 3),
  ],
  [
    3,
    "somebody who waits no more",
    async () => {
      await shop.redis.zrem("inventory.waiting:cup", waiters[2] ?? "");
      await shop.redis.hdel("inventory.waiting_users:cup", "cyd");
      await shop.redis.hset("inventory.waiting", "cup", 2);
    },
    waits("cyd", null, at),
    async () => {
      await shop.redis.zadd("inventory.waiting:cup", 12, waiters[2] ?? "");
      await shop.redis.hset("inventory.waiting_users:cup", "cyd", waiters[2] ?? "");
      await shop.redis.hset("inventory.waiting", "cup", 3);
    },
  ],
  [
    1,
    "somebody who jumped the queue",
    () => shop.redis.zadd("inventory.waiting:cup", 1, waiters[1] ?? ""),
    waits("bob b", expect.stringMatching(/ at 1$/), at),
    () => shop.redis.zadd("inventory.waiting:cup", 11, waiters[1] ?? ""),
  ],
  [
    3,
    "somebody of whom only Redis knows",
    () => sql("update waiters set status = 'LEFT' where user_id = 'ann'"),
    waits("ann", at, null),
    () => sql("update waiters set status = 'WAITING' where user_id = 'ann'"),
  ],
];

test.each([1, 2, 3])(
  "what is broken by hand is found, and gone when mended: pass %i",
  async (pass) => {
    const ways = broken.filter(([of]) => of === pass);
    const told = ways.flatMap(([, , , of]) => of);
    const lines = auditor.errors().length;
    for (const [, , breaks] of ways) await breaks();
    await auditor.lookAround();
    expect(await findings()).toEqual(expect.arrayContaining(told));
    expect(await findings()).toHaveLength(told.length);
    expect(await metric(auditDrift)).toBe(told.length);
    const errors = auditor.errors().slice(lines);
    expect(errors).toHaveLength(told.length);
    expect(new Set(errors.map(({ msg }) => msg))).toEqual(new Set(["what limits a sale drifts"]));
    for (const [, , , , mends] of ways) await mends();
    await auditor.lookAround();
    expect(await findings()).toEqual([]);
    expect(await metric(auditDrift)).toBe(0);
  },
);

test("says how long ago it has looked at all stocks, and at all that limits sales", async () => {
  await auditor.lookAround();
  for (const what of ["STOCKS", "SALES"]) {
    const age = await metric(auditRoundAge, { of: what });
    expect(age).toBeGreaterThan(0);
    expect(age).toBeLessThan(TEST_MS_MAX / 1000);
  }
});

test(
  "all that a key holds is missed when it holds something else",
  async () => {
    await shop.redis.rename("inventory.rules", "put:away");
    await shop.redis.set("inventory.rules", "x");
    await auditor.lookAround();
    expect(new Set((await findings()).map(({ kind }) => kind))).toEqual(new Set(["RULES"]));
    await shop.redis.rename("put:away", "inventory.rules");
    await auditor.lookAround();
    expect(await findings()).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "nothing is told of a customer whose event is not recorded, nor closed",
  async () => {
    await shop.redis.hset("inventory.customers", "tea ann", "9 1");
    await auditor.lookAround();
    const told = await findings();
    expect(told).toMatchObject([{ redis_says: "9 1" }]);
    await hold("ann", 1);
    await shop.redis.hset("inventory.customers", "tea ann", "3 2");
    for (let turns = 0; turns < 50; turns += 1) await auditor.runOnce();
    expect(await findings()).toEqual(told);
    await recorder.drainThroughFaults();
    await auditor.lookAround();
    expect(await findings()).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "a recount puts right what is asked for, though the customer buys on meanwhile",
  async () => {
    const counter = createCounter({
      pool,
      counts: createCounts({ batcher: shop.batcher, redis: shop.redis, keys: shop.keys }),
    });
    const inRedis = () => shop.redis.hmget("inventory.customers", "tea ann", "tea bob b");
    expect(await inRedis()).toEqual(["3 2", "3 0"]);
    expect(await requestRecount(pool, by, { sku: "tea" })).toBe(0);
    await shop.redis.hset("inventory.customers", "tea ann", "7 4", "tea bob b", "1 0");
    await auditor.lookAround();
    expect(await findings()).toHaveLength(2);
    // Nobody has asked.
    expect(await inRedis()).toEqual(["7 4", "1 0"]);

    expect(await requestRecount(pool, by, { sku: "tea", user_id: "ann" })).toBe(1);
    await hold("ann", 1);
    await recorder.drainThroughFaults();
    await auditor.lookAround();
    await hold("ann", 1);
    expect(await sql("select sku, user_id, units::int, active::int from customer_bases")).toEqual([
      { sku: "tea", user_id: "ann", units: -4, active: -2 },
    ]);
    await until("it is told", async () => ((await counter.runOnce()) === 0 ? true : undefined));
    expect(await inRedis()).toEqual(["5 4", "1 0"]);
    await recorder.drainThroughFaults();
    await auditor.lookAround();
    expect(await findings()).toMatchObject([{ user_id: "bob b" }]);

    expect(await requestRecount(pool, by, { sku: "tea" })).toBe(1);
    await auditor.lookAround();
    // It is as good as done: the counter tells it sooner or later, and once.
    expect(await findings()).toEqual([]);
    await until("it is told", async () => ((await counter.runOnce()) === 0 ? true : undefined));
    expect(await inRedis()).toEqual(["5 4", "3 0"]);
  },
  TEST_MS_MAX,
);

test(
  "rules that were PUT again are those of both sides, and no customer counts twice",
  async () => {
    await shop.redis.hdel("inventory.rules", "tea");
    await auditor.lookAround();
    expect(await findings()).toMatchObject([{ kind: "RULES", sku: "tea", redis_says: null }]);
    await setRules("tea", { max_per_customer: 50 });
    await recorder.drainThroughFaults();
    await auditor.lookAround();
    expect(await findings()).toEqual([]);
    expect(await sql("select from customer_bases where units > 0 and user_id = 'ann'")).toEqual([]);
  },
  TEST_MS_MAX,
);
