import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { Recovering } from "../../src/redis/outcome.ts";
import { untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";
import { type House, openHouse } from "./house.ts";
import { watching } from "./watching.ts";
import { openAdmitter } from "./workers.ts";

let house: House;

beforeEach(async () => {
  house = await openHouse();
});

afterEach(() => house.close());

test.each([
  ["was emptied", "restoreHolds", () => house.shop.redis.call("FLUSHALL")],
  [
    "was left behind, and still has its scripts and its key",
    "raise",
    () => query(house.database.url, "update recorder_progress set generation = 7"),
  ],
])("a Redis that %s decides nothing until the admission is over", async (_, step, lose) => {
  const { shop } = house;
  await shop.stock("tea", 1_000);
  const first = await house.worker();
  await house.untilOpen();
  await shop.trade(50, "tea");
  await untilRecorded(shop.redis, house.database.url);
  await first.close();
  await lose();
  const decided: string[] = [];
  const refused: string[] = [];
  const after = async (name: string) => {
    // Twice: a look that was under way may have begun before the step.
    await shop.scripts.learn();
    await shop.scripts.learn();
    await shop.reserve("tea").then(
      () => decided.push(name),
      (error: unknown) => refused.push(error instanceof Recovering ? name : String(error)),
    );
  };
  const admitter = await openAdmitter({ ...house.urls, ...watching(after) });
  try {
    await until("Redis is open", async () => {
      await admitter.runOnce();
      return decided.includes("finish") || undefined;
    });
  } finally {
    await admitter.close();
  }
  expect(decided).toEqual(["open", "finish", "close"]);
  expect(refused).toEqual(expect.arrayContaining(["begin", "setState", "announce", step]));
  await house.worker();
  await house.untilOpen();
  await house.expectBooks(1_000);
});

test("a Redis stays closed, and nothing is compared, until all of its stream is recorded", async () => {
  const { shop } = house;
  await shop.stock("tea", 1_000);
  const first = await house.worker();
  await house.untilOpen();
  await first.close();
  await shop.trade(6, "tea"); // which nobody records
  await shop.redis.script("FLUSH");
  const steps: string[] = [];
  const admitter = await openAdmitter({
    ...house.urls,
    ...watching(async (name) => {
      steps.push(name);
    }),
  });
  try {
    for (let runs = 1; runs <= 20; runs += 1) await admitter.runOnce();
  } finally {
    await admitter.close();
  }
  expect(new Set(steps)).toEqual(new Set(["begin", "setState", "check", "close"]));
  expect(await house.state()).toBe("DRAINING");
  expect(await shop.scripts.isAdmitted()).toBe(false);
  await house.worker();
  await house.untilOpen(1);
  expect(await house.recoveries()).toEqual([]); // nothing was lost
  await house.expectBooks(1_000);
});
