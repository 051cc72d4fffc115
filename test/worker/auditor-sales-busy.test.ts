import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { newEventId } from "../../src/domain/ids.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { createPool } from "../../src/postgres/client.ts";
import { createReturns } from "../../src/postgres/returns.ts";
import { createCounts } from "../../src/redis/counts.ts";
import { createCounter } from "../../worker/counter.ts";
import { startLoop } from "../../worker/loop.ts";
import { callContext } from "../setup/deciding-side.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { allFindings, openAuditor, openFindings } from "./audit-side.ts";
import { compareBooks, untilRecorded } from "./books.ts";
import { openNewShop } from "./parts.ts";
import { query } from "./query.ts";

const AT_ONCE = 200;
const CUSTOMERS = 40;
const TURNS = 1_000;
const TEST_MS_MAX = 120_000;

const [redis, database] = await Promise.all([freshRedis(), freshDatabase()]);
const { shop, recorder } = await openNewShop(redis.url, database.url);
const pool = createPool(database.url, shop.log);
const auditor = await openAuditor({ redisUrl: redis.url, databaseUrl: database.url });
const counts = createCounts({ batcher: shop.batcher, redis: shop.redis, keys: shop.keys });
let loops: ReturnType<typeof startLoop>[] = [];

beforeAll(async () => {
  await shop.stock("tea", 100_000);
  await shop.stock("cup", 20);
  loops = [recorder, auditor, createCounter({ pool, counts })].map(({ runOnce }) =>
    startLoop({ name: "test", idle_ms: 1, runOnce }, shop.log),
  );
});

afterAll(async () => {
  await Promise.all(loops.map((loop) => loop.stop()));
  await auditor.close();
  await recorder.close();
  await pool.end();
  await shop.close();
  await Promise.all([redis.close(), database.close()]);
});

const inTime = () => callContext(60_000);
const setRules = (sku: string, max_per_customer: number) =>
  shop.rules.changeRules(
    { sku, rules: { max_per_customer, returns_free: true } },
    randomUUID(),
    inTime(),
  );

async function hold(user_id: string, skus: string[], more: { replace?: boolean } = {}) {
  const lines = skus.map((sku) => ({ sku, store_id: "main", quantity: 2 }));
  const wish = { lines, user_id, ttl_seconds: 300, idempotency_key: randomUUID(), ...more };
  return (await shop.inventory.createHold(wish, inTime())).hold_id;
}

// Not more at once than Postgres has connections for.
const chains: Promise<void>[] = Array.from({ length: 4 }, async () => {});

async function giveBack(order_id: string) {
  const isRecorded = async () =>
    (await pool.query("select from orders where order_id = $1", [order_id])).rowCount || undefined;
  await until("it is recorded", isRecorded, 60_000);
  const line = { sku: "tea", qty: 1 };
  const input = { event_id: newEventId(), order_id, restock: false, reason: null, request_id: "r" };
  const { promise } = await createReturns(pool).promiseReturn(
    { ...input, wanted: [line] },
    {
      route: "return_order",
      key: randomUUID(),
      fingerprint: "f",
      by: { who: "test", request_id: "r" },
    },
  );
  await shop.counter.returnUnits(promise, inTime());
}

/** Everything that customers do with what they are limited in, one after the other. */
async function anything(n: number): Promise<unknown> {
  const user_id = `customer ${n % CUSTOMERS}`;
  switch (n % 9) {
    case 0:
      return shop.cancel(await hold(user_id, ["tea", "milk"]));
    case 1: {
      const hold_id = await hold(user_id, ["tea"]);
      const asked = { hold_id, ttl_seconds: 400, idempotency_key: randomUUID() };
      return shop.inventory.extendHold(asked, inTime());
    }
    case 2: {
      const wanted = [{ sku: "tea", quantity: 1 }];
      const hold_id = await hold(user_id, ["tea"]);
      const asked = { hold_id, wanted, idempotency_key: randomUUID() };
      return shop.inventory.changeHold(asked, inTime());
    }
    case 3:
      return hold(user_id, ["tea"], { replace: true });
    case 4: {
      const { order_id } = await shop.confirm(await hold(user_id, ["tea"]));
      const chain = n % chains.length;
      chains[chain] = Promise.resolve(chains[chain]).then(() => giveBack(order_id));
      return chains[chain];
    }
    case 5: {
      const wish = { sku: "cup", store_id: "main", quantity: 1, user_id, offer_seconds: 60 };
      const { waiter_id } = await shop.waiting.join(wish, randomUUID(), inTime());
      return n % 2 === 0 ? shop.waiting.leave(waiter_id, randomUUID(), inTime()) : waiter_id;
    }
    case 6:
      return shop.cancel(await hold(user_id, ["cup"]));
    case 7:
      return setRules(n % 2 === 0 ? "milk" : "tea", 1_000 + n);
    default:
      return shop.confirm(await hold(user_id, ["tea"]));
  }
}

test(
  "while 200 customers' requests are under way nothing is told but what was changed by hand",
  async () => {
    await shop.stock("milk", 100_000);
    for (let n = 0; n < 20; n += 1) await hold(`customer ${n}`, ["tea"]);
    const rounds = await auditor.rounds();
    let [turns, has_gone_round] = [0, false];
    const gone_round = until("a round ends while all are at work", async () =>
      (await auditor.rounds()) > rounds ? true : undefined,
    ).finally(() => {
      has_gone_round = true;
    });
    const client = async () => {
      while (turns < TURNS || !has_gone_round) {
        await anything(turns++).catch((error: unknown) => {
          if (!(error instanceof Rejection)) throw error;
        });
      }
    };
    await Promise.all([gone_round, ...Array.from({ length: AT_ONCE }, client)]);
    await untilRecorded(shop.redis, database.url);
    const after = await auditor.rounds();
    await until(
      "all was looked at",
      async () => ((await auditor.rounds()) > after + 3 ? true : undefined),
      60_000,
    );
    expect(await allFindings(database.url)).toEqual([]);
    expect(await compareBooks(shop.redis, database.url)).toEqual([]);
    const bases = await query(database.url, "select from customer_bases");
    expect(bases.length).toBeGreaterThan(0);

    // Among all the others it is found while they go on.
    await shop.redis.hset("inventory.customers", "tea customer 7", "1 1");
    const others = Array.from({ length: 20 }, async (_, n) => {
      while ((await openFindings(database.url)).length === 0) {
        await shop.cancel(await hold(`another ${n}`, ["tea"]));
      }
    });
    await Promise.all(others);
    expect(await openFindings(database.url)).toMatchObject([
      { kind: "CUSTOMER_COUNT", sku: "tea" },
    ]);
  },
  TEST_MS_MAX,
);
