import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { AdmissionLost, type Restoring } from "../../src/redis/restoring.ts";
import { untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";
import { appendFile } from "./aof.ts";
import { type House, openHouse } from "./house.ts";
import { watching } from "./watching.ts";
import { openAdmitter } from "./workers.ts";

let house: House;

beforeEach(async () => {
  house = await openHouse();
});

afterEach(() => house.close());

/** What an admitter does its work with, so that it stops after its first `step`. */
function stoppingAfter(step: string, stop: () => Promise<void>) {
  let met = false;
  return watching(async (name) => {
    if (name !== step || met) return;
    met = true;
    await stop();
  });
}

const KILLED = new Error("killed by the test");
const STEPS = [
  ...["begin", "setState", "compare", "announce", "raise", "restoreStocks", "restoreHolds"],
  ...["restoreRecords", "restoreCounters", "open", "finish"],
];

/** Runs an admitter until it fails. */
async function runUntilItFails(options: object): Promise<unknown> {
  const admitter = await openAdmitter({ ...house.urls, ...options });
  try {
    for (;;) {
      const failure = await admitter.runOnce().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure) return failure;
    }
  } finally {
    await admitter.close();
  }
}

async function sellSome() {
  const { shop, database } = house;
  await shop.stock("tea", 1_000);
  const first = await house.worker();
  await house.untilOpen();
  await shop.trade(50, "tea");
  await untilRecorded(shop.redis, database.url);
  return first;
}

describe("an admitter that dies", () => {
  test.each(STEPS)("after %s: the next one comes to the same result", async (step) => {
    const { shop, database } = house;
    const first = await sellSome();
    await first.close();
    await shop.trade(7, "tea");
    await query(database.url, "update recorder_progress set seen_seq = 57");
    await shop.redis.call("FLUSHALL");
    const stop = () => Promise.reject(KILLED);
    expect(await runUntilItFails(stoppingAfter(step, stop))).toBe(KILLED);
    await house.worker();
    await until("Redis is open, and told to be", async () => {
      await shop.scripts.learn();
      const [recovery] = await house.recoveries();
      const is_told = recovery?.finished_at && (await house.state()) === "OPEN";
      return shop.scripts.generation() !== null && is_told ? true : undefined;
    });
    expect(await house.recoveries()).toMatchObject([
      {
        finding: "EMPTY",
        events_lost: 7,
        report: { redis_seq: 0, applied_seq: 50, events_lost: 7 },
      },
    ]);
    expect(Number(await shop.redis.get(shop.keys.seq))).toBe(57);
    await shop.trade(20, "tea");
    await house.expectBooks(1_000);
  });

  test("again and again leaves the fence closed, and nothing is counted twice", async () => {
    const { shop } = house;
    const first = await sellSome();
    await first.close();
    await shop.redis.call("FLUSHALL");
    for (const step of ["raise", "restoreHolds", "restoreCounters", "raise"]) {
      const stop = () => Promise.reject(KILLED);
      expect(await runUntilItFails(stoppingAfter(step, stop))).toBe(KILLED);
      expect(await shop.scripts.isAdmitted()).toBe(false);
    }
    await house.worker();
    await house.untilOpen(1);
    expect(await house.recoveries()).toMatchObject([{ finding: "EMPTY", events_lost: 0 }]);
    await shop.trade(20, "tea");
    await house.expectBooks(1_000);
  });
});

test("one that hangs, and wakes up when another has opened Redis, changes nothing any more", async () => {
  const { shop, database } = house;
  const first = await sellSome();
  await first.close();
  await shop.redis.call("FLUSHALL");
  let wakeUp = () => {};
  const awake = new Promise<void>((resolve) => {
    wakeUp = resolve;
  });
  let hangs = false;
  const failure = runUntilItFails(
    stoppingAfter("restoreStocks", () => {
      hangs = true;
      return awake;
    }),
  );
  await until("it hangs", () => (hangs ? true : undefined));
  // Postgres ends a session that is silent, and with it the lock.
  await query(
    database.url,
    // Of this database: all tests share the server.
    `select pg_terminate_backend(pid) from pg_locks
     where locktype = 'advisory' and granted and classid = 4063254
       and database = (select oid from pg_database where datname = current_database())`,
  );
  const second = await house.worker();
  await house.untilOpen(1);
  await shop.trade(30, "tea");
  await house.expectBooks(1_000);
  wakeUp();
  expect(await failure).not.toBeUndefined();
  expect(await shop.scripts.isAdmitted()).toBe(true);
  await shop.trade(10, "tea");
  await house.expectBooks(1_000);
  expect(second.errors()).toEqual([]);
});

test("one whose Redis was begun anew by another is refused each of its writes", async () => {
  const { shop } = house;
  await shop.stock("tea", 5);
  const failure = await runUntilItFails({
    changeRestoring: (restoring: Restoring) => ({
      ...restoring,
      begin: async () => {
        const side = await restoring.begin();
        await restoring.begin();
        const stock = {
          ...{ sku: "tea", store_id: "main", available: 9, held: 0, version: 3, changed_at: 1 },
        };
        const refused = await Promise.allSettled([
          side.check(),
          side.announce(9),
          side.restoreStocks([stock], "FORCED"),
          side.restoreHolds([], "FORCED"),
          side.forgetHolds([]),
          side.restoreRecords([]),
          side.restoreCounters(9, "9-9", []),
          side.open(9),
        ]);
        const lost = refused.filter(
          (result) => result.status === "rejected" && result.reason instanceof AdmissionLost,
        );
        expect(lost).toHaveLength(refused.length);
        return side;
      },
    }),
  });
  expect(failure).toBeInstanceOf(AdmissionLost);
  expect(await shop.redis.get("stock:tea")).toBe("5");
  expect(await shop.redis.get(shop.keys.generation)).toBeNull();
});

test("a Redis that restarts in the middle, and loses again what it was given, is given it once more", async () => {
  const { shop, redis } = house;
  const first = await sellSome();
  await first.close();
  await shop.redis.call("FLUSHALL");
  const stop = async () => {
    const file = await appendFile(shop.redis);
    await redis.kill();
    await file.cutBy(2_000);
    await redis.start();
    await until("the shop is back", () => (shop.redis.status === "ready" ? true : undefined));
  };
  const failure = await runUntilItFails(stoppingAfter("restoreRecords", stop));
  expect(failure).toBeInstanceOf(Error);
  expect(await shop.scripts.isAdmitted()).toBe(false);
  await house.worker();
  await house.untilOpen(1);
  await shop.trade(20, "tea");
  await house.expectBooks(1_000);
});

test("of two workers one admits, and both go on", async () => {
  const { shop } = house;
  await shop.stock("tea", 1_000);
  const workers = [
    await house.worker({ name: "left" }),
    await house.worker({ name: "right" }),
  ] as const;
  await house.untilOpen();
  await shop.trade(50, "tea");
  await house.expectBooks(1_000);
  for (let round = 1; round <= 3; round += 1) {
    await house.through(() => shop.redis.call("FLUSHALL"));
    await shop.trade(10, "tea");
    await house.expectBooks(1_000);
  }
  const said = workers.flatMap(({ lines }) => lines.map(({ msg }) => msg));
  const given = "redis had lost data, was given it back, and is open again";
  expect(said.filter((msg) => msg === given)).toHaveLength(3);
  expect(await house.recoveries()).toHaveLength(3);
  expect(await house.generation()).toBe(4);
});
