import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { callContext } from "../setup/deciding-side.ts";
import { untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";
import { appendFile } from "./aof.ts";
import { type House, openHouse } from "./house.ts";
import { openAdmitter, untilHeard } from "./workers.ts";

const TEST_MS_MAX = 120_000;

let house: House;

beforeEach(async () => {
  house = await openHouse();
});

afterEach(() => house.close());

/** Does `work`, waits until it is recorded, and takes it from Redis's file, whose end it is. */
async function lose(work: () => Promise<unknown>): Promise<void> {
  const { shop, redis, database } = house;
  await untilRecorded(shop.redis, database.url);
  const file = await appendFile(shop.redis);
  const size = await file.size();
  await work();
  await untilRecorded(shop.redis, database.url);
  await house.through(async () => {
    await redis.kill();
    await file.cutTo(size);
    await redis.start();
    await until("the shop is back", () => (shop.redis.status === "ready" ? true : undefined));
  });
}

test("a tail that was recorded is given back, and nothing else is touched", async () => {
  const { shop } = house;
  await shop.stock("tea", 1_000);
  await shop.stock("cup", 1_000);
  const { errors, warnings } = await house.worker();
  await house.untilOpen();
  const [sold, cancelled, left] = await shop.reserveMany(3, "tea");
  await shop.reserve("cup");
  await shop.redis.set("stock:cup", "50"); // by hand, since its last event
  let order = {};
  let made = "";
  await lose(async () => {
    order = await shop.confirm(sold ?? "");
    await shop.cancel(cancelled ?? "");
    made = await shop.reserve("tea", { quantity: 3 });
  });
  expect(await house.recoveries()).toMatchObject([
    {
      ...{ finding: "TAIL_LOST", events_lost: 0 },
      report: {
        ...{ redis_seq: 4, applied_seq: 7 },
        restored: { stocks: 1, units: 999, active_holds: 1, ended_holds: 2 },
        checked: { differing: 0 },
      },
    },
  ]);
  expect(await shop.redis.get("stock:cup")).toBe("50");
  expect(await shop.confirm(sold ?? "")).toEqual({ ...order, replayed: true });
  expect(await shop.cancel(cancelled ?? "")).toEqual({ status: "CANCELLED", replayed: true });
  await shop.confirm(left ?? "");
  await shop.confirm(made);
  await shop.reserve("cup");
  await house.expectBooks(1_000);
  expect(errors()).toEqual([]);
  expect(warnings().at(-1)).toMatchObject({ restored: { active_holds: 1, ended_holds: 2 } });
});

test("a tail that was not recorded is counted, though both sides are as far without it", async () => {
  const { shop, redis, urls } = house;
  await shop.stock("tea", 1_000);
  const first = await house.worker();
  await house.untilOpen();
  await shop.trade(10, "tea");
  await untilRecorded(shop.redis, house.database.url);
  await first.close();
  const file = await appendFile(shop.redis);
  const size = await file.size();
  const admitter = await openAdmitter(urls);
  try {
    await untilHeard(admitter.heard, 10);
    await shop.trade(6, "tea"); // it hears of them, and nobody records them
    await untilHeard(admitter.heard, 16);
    await redis.kill();
    await file.cutTo(size);
    await redis.start();
    await until("Redis is open again", async () => {
      await admitter.runOnce().catch(() => {}); // its connection comes back in a moment
      return (await house.state()) === "OPEN" && (await house.generation()) === 2
        ? true
        : undefined;
    });
    expect(await house.recoveries()).toMatchObject([
      {
        ...{ finding: "TAIL_LOST", events_lost: 6 },
        report: {
          ...{ redis_seq: 10, applied_seq: 10, seen_seq: 16, heard_all: false },
          restored: { stocks: 0 },
        },
      },
    ]);
    expect(admitter.errors()).toMatchObject([{ events_lost: 6, exact: false }]);
  } finally {
    await admitter.close();
  }
  await house.worker();
  await shop.scripts.learn();
  await shop.trade(10, "tea");
  await house.expectBooks(1_000);
});

test(
  "wherever the file was cut, Redis is as the ledger says, and the sequence has no gap",
  async () => {
    const { shop, redis, database } = house;
    await shop.stock("tea", 100_000);
    await house.worker();
    await house.untilOpen();
    for (const bytes of [1, 400, 6_000, 20_000, 40_000, 60_000]) {
      await shop.trade(60, "tea");
      await untilRecorded(shop.redis, database.url);
      const file = await appendFile(shop.redis);
      await house.through(async () => {
        await redis.kill();
        await file.cutBy(bytes);
        await redis.start();
        await until("the shop is back", () => (shop.redis.status === "ready" ? true : undefined));
      });
      await house.expectBooks(100_000);
    }
    const recoveries = await house.recoveries();
    expect(recoveries.length).toBeGreaterThanOrEqual(3);
    for (const { finding, events_lost, report } of recoveries) {
      expect({ finding, events_lost }).toEqual({ finding: "TAIL_LOST", events_lost: 0 });
      expect(report.redis_seq).toBeLessThan(report.applied_seq);
      expect(report.checked.differing).toBe(0);
    }
    await shop.trade(60, "tea");
    await house.expectBooks(100_000);
  },
  TEST_MS_MAX,
);

test("an old copy of Redis, from before holds ended, has none of them afterwards", async () => {
  const { shop } = house;
  await shop.stock("tea", 100);
  await house.worker();
  await house.untilOpen();
  const holds = await shop.reserveMany(4, "tea");
  await lose(async () => {
    for (const hold_id of holds) await shop.cancel(hold_id);
    await untilRecorded(shop.redis, house.database.url);
    // As if it were days ago: the events are kept, but Redis would have forgotten the holds by now.
    const ago = "- interval '3 days'";
    await query(
      house.database.url,
      `update processed_events set recorded_at = recorded_at ${ago}, occurred_at = occurred_at ${ago}`,
    );
  });
  expect(await shop.redis.zcard(shop.keys.deadlines)).toBe(0);
  expect(await shop.redis.keys("hold:*")).toEqual([]);
  expect(await shop.redis.get("stock:tea")).toBe("100");
  await expect(shop.confirm(holds[0] ?? "")).rejects.toMatchObject({ code: "HOLD_NOT_FOUND" });
  const stocks = await shop.counter.readStocks(["tea"], callContext());
  expect(stocks.get("tea")).toMatchObject([{ available: 100, held: 0 }]);
});
