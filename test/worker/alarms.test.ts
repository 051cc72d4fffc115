import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { createPool } from "../../src/postgres/client.ts";
import { createLedger } from "../../src/postgres/ledger.ts";
import { dueHoldIds } from "../../src/redis/deadlines.ts";
import { createLagMeter } from "../../worker/lag-meter.ts";
import { startLoop } from "../../worker/loop.ts";
import { agentFailures, lagEvents, lagSeconds, seqRewinds } from "../../worker/metrics.ts";
import { createSweeper } from "../../worker/sweeper.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshDatabase, freshPostgres, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { keptLog, metric, openRecorder } from "./parts.ts";
import { countRows, emptyLedger, query } from "./query.ts";
import { openShop, type Shop } from "./shop.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const SCRIPT_CALLS_MAX = 10;

const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;

beforeEach(async () => {
  await emptyLedger(database.url);
  shop = await openShop(redis.url);
  await emptyRedis(shop.redis);
  await shop.stock("tea", 1_000);
});

afterEach(() => shop.close());

afterAll(async () => {
  await redis.close();
  await database.close();
});

describe("the sweeper", () => {
  function openSweeper() {
    const { inventory, redis, keys, stream } = shop;
    const kept = keptLog();
    const dueHolds = (now: number, count: number) => dueHoldIds(redis, keys, now, count);
    return {
      ...kept,
      ...createSweeper({ inventory, redisNow: stream.now, dueHolds, log: kept.log }),
    };
  }

  /** Makes holds that are due, after those that are due already. */
  async function dueHolds(count: number) {
    const holds = await shop.reserveMany(count, "tea", { ttl_seconds: 0.001 });
    await until("the holds are due", async () => {
      const due = await dueHoldIds(shop.redis, shop.keys, await shop.stream.now(), 1_000);
      return holds.every((id) => due.some(({ hold_id }) => hold_id === id)) || undefined;
    });
    return holds;
  }

  const statusOf = (hold_id: string) => shop.redis.hget(shop.keys.hold(hold_id), "status");

  async function scriptCalls(): Promise<number> {
    const stats = await shop.redis.info("commandstats");
    return Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
  }

  test("pauses with one line a run while a key that all holds share is corrupt", async () => {
    const holds = await dueHolds(3);
    const seq = (await shop.redis.get(shop.keys.seq)) ?? "";
    const deadlines = await shop.redis.zrange(shop.keys.deadlines, "0", "-1", "WITHSCORES");
    await shop.redis.set(shop.keys.seq, "abc");
    const { runOnce, errors } = openSweeper();
    for (const runs of [1, 2, 3]) {
      expect(await runOnce()).toBe(0);
      expect(errors()).toHaveLength(runs);
    }
    expect(errors()[0]?.hold_ids).toEqual(expect.arrayContaining(holds));
    // It is not the holds' fault: none of them has to wait for its minute afterwards.
    expect(await shop.redis.zrange(shop.keys.deadlines, "0", "-1", "WITHSCORES")).toEqual(
      deadlines,
    );

    await shop.redis.set(shop.keys.seq, seq);
    expect(await runOnce()).toBe(3);
    expect(await Promise.all(holds.map(statusOf))).toEqual(holds.map(() => "EXPIRED"));
    expect(errors()).toHaveLength(3);
  });

  test("takes a hold that names a stock twice for corrupt, at the cost of no more calls", async () => {
    const bad = await dueHolds(20);
    const good = await dueHolds(5);
    const twice = "tea@main=1 tea@main=1";
    await Promise.all(bad.map((id) => shop.redis.hset(shop.keys.hold(id), "lines", twice)));
    const { runOnce, errors } = openSweeper();
    const before = await scriptCalls();

    expect(await runOnce()).toBe(good.length);

    expect((await scriptCalls()) - before).toBeLessThan(SCRIPT_CALLS_MAX);
    expect(await Promise.all(good.map(statusOf))).toEqual(good.map(() => "EXPIRED"));
    expect(await Promise.all(bad.map(statusOf))).toEqual(bad.map(() => "ACTIVE"));
    const now = await shop.stream.now();
    for (const hold_id of bad) {
      const in_ms = Number(await shop.redis.zscore(shop.keys.deadlines, hold_id)) - now;
      expect(in_ms).toBeGreaterThan(30_000);
      expect(in_ms).toBeLessThanOrEqual(60_000);
    }
    expect(errors()).toHaveLength(1);
    expect(new Set(errors()[0]?.hold_ids as string[])).toEqual(new Set(bad)); // a list, as logged
    expect(await runOnce()).toBe(0);
  });
});

test("a dead letter with a NUL in it hinders no late event, and comes again without alarm", async () => {
  const recorder = await openRecorder({ redisUrl: redis.url, databaseUrl: database.url });
  try {
    await shop.reserveMany(5, "tea");
    const [first, second, third, fourth, fifth] = (await shop.entries()).map(
      ({ fields }) => fields,
    );
    await shop.redis.xtrim(shop.keys.stream, "MAXLEN", 0);
    await shop.append(first ?? {});
    await shop.append({ ...second, type: "TEA\u0000SPILT", note: "\u0000" });
    await shop.append(third ?? {});
    await shop.append(fifth ?? {});
    await recorder.drain();
    const still_missing = () =>
      query(database.url, "select seqs::text, still_missing::text from seq_gaps");
    expect(await still_missing()).toEqual([{ seqs: "[4,5)", still_missing: "{[4,5)}" }]);
    expect(await query(database.url, "select seq::int, fields from dead_events")).toEqual([
      { seq: 2, fields: { ...second, type: "TEA\u0000SPILT", note: "\u0000" } },
    ]);
    const errors = recorder.errors().length;
    const rewinds = await metric(seqRewinds);

    await shop.append(fourth ?? {});
    await recorder.drain();
    expect(await still_missing()).toEqual([{ seqs: "[4,5)", still_missing: "{}" }]);
    expect(await countRows(database.url, "processed_events")).toBe(4);

    await shop.append(second ?? {});
    await recorder.drain();
    expect(await countRows(database.url, "processed_events")).toBe(5);
    expect(await compareBooks(shop.redis, database.url)).toEqual([]);
    expect(await metric(seqRewinds)).toBe(rewinds);
    expect(recorder.errors().slice(errors)).toEqual([]);
  } finally {
    await recorder.close();
  }
});

test("the lag grows while Postgres is away, and is gone once everything is recorded", async () => {
  const postgres = await freshPostgres();
  const { log } = keptLog();
  const pool = createPool(postgres.url, log);
  const recorder = await openRecorder({ redisUrl: redis.url, databaseUrl: postgres.url });
  try {
    const openMeter = () => createLagMeter({ stream: shop.stream, ledger: createLedger(pool) });
    const { runOnce } = openMeter();
    const lag = async () => {
      await runOnce();
      return { events: await metric(lagEvents), seconds: await metric(lagSeconds) };
    };
    await shop.trade(10, "tea");
    await recorder.drain();
    expect(await lag()).toEqual({ events: 0, seconds: 0 });

    await postgres.stop();
    expect(await lag()).toEqual({ events: 0, seconds: 0 });
    let seconds = 0;
    for (const events of [4, 8, 12]) {
      await shop.trade(4, "tea");
      expect((await lag()).events).toBe(events);
      seconds = await until("the oldest event is older", async () => {
        const { seconds: now } = await lag();
        return now > seconds + 0.1 ? now : undefined;
      });
    }
    // One that was never told how far Postgres is can't say anything.
    await expect(openMeter().runOnce()).rejects.toThrow();

    await postgres.start();
    await recorder.drainThroughFaults();
    expect(await compareBooks(shop.redis, postgres.url)).toEqual([]);
    expect(await lag()).toEqual({ events: 0, seconds: 0 });
  } finally {
    await recorder.close();
    await pool.end();
    await postgres.close();
  }
});

describe("the loop", () => {
  test("logs a failure again when its reason changes, and counts every one", async () => {
    const name = "changeable";
    const reasons = ["Postgres is away.", "Postgres is away.", "Redis is away.", "Redis is away."];
    const { log, lines, warnings } = keptLog();
    let runs = 0;
    const runOnce = async () => {
      const reason = reasons[runs];
      runs += 1;
      if (reason !== undefined) throw new Error(reason);
      return 0;
    };
    const loop = startLoop({ name, idle_ms: 1, runOnce }, log);
    await until("it works again", () => runs > reasons.length || undefined);
    await loop.stop();

    expect(warnings()).toEqual([
      expect.objectContaining({
        agent: name,
        failures: 1,
        err: expect.objectContaining({ message: "Postgres is away." }),
      }),
      expect.objectContaining({
        agent: name,
        failures: 3,
        err: expect.objectContaining({ message: "Redis is away." }),
      }),
    ]);
    expect(lines.at(-1)).toMatchObject({ agent: name, msg: "the agent works again" });
    expect(await metric(agentFailures, { agent: name })).toBe(reasons.length);
  });

  test("ends with a bug, which is no failure to be waited out", async () => {
    const bug = new TypeError("stock is not a function");
    const { log, warnings } = keptLog();
    const runOnce = () => Promise.reject(bug);
    const loop = startLoop({ name: "buggy", idle_ms: 1, runOnce }, log);
    await expect(loop.stop()).rejects.toBe(bug);
    expect(warnings()).toEqual([]);
    expect(await metric(agentFailures, { agent: "buggy" })).toBe(0);
  });

  test("takes its process down with a bug, after a single run", async () => {
    const script = `
      import { createLog } from "./src/log.ts";
      import { startLoop } from "./worker/loop.ts";
      const runOnce = async () => {
        process.stdout.write("run ");
        throw new TypeError("stock is not a function");
      };
      startLoop({ name: "buggy", idle_ms: 1, runOnce }, createLog("worker", "info"));
      setInterval(() => {}, 1_000); // what else a worker has to do`;
    const run = promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], {
      cwd: ROOT,
      timeout: 50_000,
    });
    await expect(run).rejects.toMatchObject({
      code: 1,
      stdout: "run ",
      stderr: expect.stringContaining("TypeError: stock is not a function"),
    });
  }, 60_000);
});
