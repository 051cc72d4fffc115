import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { until } from "../../scripts/until.ts";
import { createPool } from "../../src/postgres/client.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { deadDozens } from "./dead-dozens.ts";
import { keptLog, openNewShop, openRecorder } from "./parts.ts";
import { query } from "./query.ts";
import type { Shop } from "./shop.ts";

const redis = await freshRedis();
const database = await freshDatabase();
const pool = createPool(database.url, keptLog().log);
const dozens = deadDozens(pool);
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;

beforeEach(async () => {
  await dozens.allow();
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
});

afterEach(async () => {
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await pool.end();
  await redis.close();
  await database.close();
});

const books = () => compareBooks(shop.redis, database.url);

describe("what is killed in between is done again", () => {
  test("when its session ends in the transaction", async () => {
    await dozens.bury(1, shop, recorder);
    await dozens.allow();
    await dozens.request();
    const somebody = new pg.Client({ connectionString: database.url });
    await somebody.connect();
    await somebody.query("begin; lock table holds in access exclusive mode");
    const failing = recorder.runOnce().catch((error: unknown) => error);
    const pid = await until("the replay waits", async () => {
      const [row] = await query<{ pid: number }>(
        database.url,
        `select pid from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return row?.pid;
    });
    await somebody.query("select pg_terminate_backend($1)", [pid]);
    expect(await failing).toMatchObject({ code: "57P01" });
    await somebody.query("rollback");
    await somebody.end();
    expect(await dozens.letters()).toEqual([expect.objectContaining({ requested: true })]);
    await dozens.replayAll(recorder);
    expect(await books()).toEqual([]);
  });

  const withFault = async (call: "apply" | "keepDead", place: "before" | "after") => {
    await recorder.close();
    let faults = 1;
    recorder = await openRecorder({
      redisUrl: redis.url,
      databaseUrl: database.url,
      changeRecording: (recording) => {
        const work = recording[call] as (...args: unknown[]) => Promise<never>; // either of the two
        return {
          ...recording,
          [call]: async (...args: unknown[]) => {
            faults -= 1;
            if (faults < 0) return work(...args);
            if (place === "after") await work(...args);
            await recording.close();
            return work(...args);
          },
        };
      },
    });
  };

  test.each(["before", "after"] as const)("%s an event is recorded", async (place) => {
    await dozens.bury(3, shop, recorder);
    await dozens.allow();
    await dozens.request();
    await withFault("apply", place);
    await expect(recorder.runOnce()).rejects.toThrow();
    expect(await dozens.letters()).toHaveLength(place === "before" ? 3 : 2);
    await dozens.replayAll(recorder);
    expect(await books()).toEqual([]);
  });

  test.each(["before", "after"] as const)("%s a letter is kept", async (place) => {
    await dozens.bury(1, shop, recorder);
    const [{ attempts } = { attempts: 0 }] = await dozens.letters();
    await dozens.request();
    await withFault("keepDead", place);
    await expect(recorder.runOnce()).rejects.toThrow();
    const requested = place === "before";
    expect(await dozens.letters()).toEqual([
      expect.objectContaining({ requested, attempts: requested ? attempts : attempts + 1 }),
    ]);
    await dozens.replayAll(recorder);
    expect(await dozens.letters()).toEqual([
      expect.objectContaining({ requested: false, attempts: attempts + 1 }),
    ]);
  });
});

test("letters and a backlog go on side by side, some of both at a time", async () => {
  await dozens.refuse();
  await Promise.all(Array.from({ length: 75 }, () => shop.reserve("tea", { quantity: 12 })));
  await recorder.drain();
  expect(await dozens.letters()).toHaveLength(75);
  await query(
    database.url,
    `insert into dead_events (partition, entry_id, fields, error, attempts)
     select 0, '0-' || n, '{}', 'why', 1 from generate_series(1, 75) as n`,
  );
  await dozens.allow();
  await dozens.request();
  await shop.stock("cup", 10_000);
  await shop.trade(2_500, "cup");
  const left = async () => (await dozens.letters()).filter(({ requested }) => requested).length;
  await until("a look was due", async () => {
    await recorder.runOnce();
    return (await left()) < 150 ? true : undefined;
  });
  expect(await left()).toBeGreaterThanOrEqual(50);
  await dozens.replayAll(recorder);
  await recorder.drain();
  const differences = await books();
  expect(differences.filter((line) => !/^75 events are dead|^2575 of 2575/.test(line))).toEqual([]);
});
