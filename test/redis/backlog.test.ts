import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { type Backlog, createBacklog } from "../../src/redis/backlog.ts";
import { createKeys, GROUP } from "../../src/redis/keys.ts";
import type { ScriptName } from "../../src/redis/scripts.ts";
import { createStream } from "../../src/redis/stream.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";
import { keptLog } from "../worker/parts.ts";

const LIMIT = 10;
const BEGINNING: ScriptName[] = [
  "create_holds",
  "create_purchases",
  "change_stocks",
  "transfer_stock",
];
const ENDING: ScriptName[] = ["confirm_holds", "cancel_holds", "expire_holds"];
const READING: ScriptName[] = ["read_holds", "read_stocks"];
const ALL = [...BEGINNING, ...ENDING, ...READING];

const keys = createKeys("main");
let server: Awaited<ReturnType<typeof freshRedis>>;
let redis: Redis;
let backlog: Backlog;
let kept: ReturnType<typeof keptLog>;
let seq = 0;

beforeAll(async () => {
  server = await freshRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.close();
});
beforeEach(async () => {
  await redis.config("SET", "maxmemory", "0");
  await emptyRedis(redis);
  seq = 0;
  kept = keptLog();
  backlog = createBacklog({ redis, keys, limit: LIMIT, log: kept.log });
  await backlog.start();
});
afterEach(() => backlog.stop());

/** Appends events as the scripts do. */
async function decide(count: number) {
  for (let i = 0; i < count; i += 1) {
    seq += 1;
    await redis.xadd(keys.stream, "*", "event_id", `e-${seq}`, "seq", String(seq));
  }
  await redis.set(keys.seq, seq);
}

const read = (count: number) =>
  redis.xreadgroup("GROUP", GROUP, "w", "COUNT", count, "STREAMS", keys.stream, ">");

/** Records so many of the oldest ones, as the worker does. */
async function record(count: number) {
  await read(count);
  const pending = (await redis.xpending(keys.stream, GROUP, "-", "+", count)) as [string][]; // its rows
  await redis.xack(keys.stream, GROUP, ...pending.map(([id]) => id));
}

const group = () => redis.xgroup("CREATE", keys.stream, GROUP, "0", "MKSTREAM");
const refused = () => ALL.filter((script) => backlog.refusal(script) !== null);
const untilRefused = (scripts: ScriptName[]) =>
  until(`${scripts.length} scripts are refused`, () =>
    refused().join() === scripts.join() ? true : undefined,
  );
const reason = () => backlog.refusal("create_holds")?.because;
const looks = async () =>
  /cmdstat_xinfo\|groups:calls=(\d+)/.exec(await redis.info("commandstats"));

/** Waits until it has looked and noted what it saw. */
async function looked() {
  const before = Number((await looks())?.[1] ?? 0);
  await until("it has looked", async () => Number((await looks())?.[1]) > before + 1 || undefined);
}

describe("unrecorded events", () => {
  test.each([true, false])(
    "close at the limit, and not before (a group is there: %s)",
    async (there) => {
      if (there) await group();
      await decide(LIMIT - 1);
      await looked();
      expect(refused()).toEqual([]);
      await backlog.check();
      await decide(1);
      await untilRefused(BEGINNING);
      expect(reason()).toBe("BACKLOG");
      await expect(backlog.check()).rejects.toThrow("10 events wait to be recorded in Postgres");
    },
  );

  test("let holds end until there are twice as many, and everything be read for ever", async () => {
    await group();
    await decide(2 * LIMIT - 1);
    await untilRefused(BEGINNING);
    await decide(1);
    await untilRefused([...BEGINNING, ...ENDING]);
    await decide(LIMIT);
    await looked();
    expect(refused()).toEqual([...BEGINNING, ...ENDING]);
    await record(LIMIT + 3);
    await untilRefused(BEGINNING);
  });

  test("count as long as they are not acknowledged, though they were delivered", async () => {
    await group();
    await decide(LIMIT);
    await read(LIMIT);
    await untilRefused(BEGINNING);
  });

  test("open when a tenth of the limit is free again, and are told once at either end", async () => {
    await group();
    await decide(LIMIT);
    await untilRefused(BEGINNING);
    await record(1);
    await looked();
    expect(refused()).toEqual(BEGINNING);
    await decide(1);
    await record(2);
    await untilRefused([]);
    await backlog.check();
    expect(kept.lines.map(({ level, msg }) => [level, msg])).toEqual([
      ["error", "nothing new is taken on"],
      ["info", "new requests are taken on again"],
    ]);
    expect(kept.lines[0]).toMatchObject({ because: "BACKLOG", events: LIMIT, limit: LIMIT });
  });

  test("are not those that were recorded, however long the stream is", async () => {
    await group();
    await decide(5 * LIMIT);
    await untilRefused([...BEGINNING, ...ENDING]);
    await record(5 * LIMIT);
    await untilRefused([]);
    expect(await redis.xlen(keys.stream)).toBe(5 * LIMIT);
  });

  test("are counted by their seq when Redis can't, since one was deleted by hand", async () => {
    await group();
    await decide(LIMIT);
    await record(2);
    await decide(3);
    const [, second] = await redis.xrevrange(keys.stream, "+", "-", "COUNT", 2);
    await redis.xdel(keys.stream, second?.[0] ?? "");
    const groups = (await redis.xinfo("GROUPS", keys.stream)) as unknown[][];
    expect(groups[0]?.[groups[0].indexOf("lag") + 1]).toBeNull();
    expect(await createStream(redis, keys).countUnrecorded()).toBe(LIMIT + 1);
  });
});

describe("Redis's memory", () => {
  /** Gives Redis such a maxmemory that it uses about this part of it. */
  async function use(part: number) {
    const used = Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
    await redis.config("SET", "maxmemory", Math.round(used / part));
  }

  test("closes at nine tenths of its maxmemory, before Redis says OOM, and lets holds end", async () => {
    await use(0.8);
    await looked();
    expect(refused()).toEqual([]);
    await use(0.93);
    await untilRefused(BEGINNING);
    expect(reason()).toBe("MEMORY");
    await expect(backlog.check()).rejects.toThrow("Redis uses 90 % of its maxmemory");
    await redis.set("room", "x".repeat(100));
    await use(0.86);
    await looked();
    expect(refused()).toEqual(BEGINNING);
    await use(0.7);
    await untilRefused([]);
  });

  test("is no limit when it has none", async () => {
    await redis.set("large", "x".repeat(5_000_000));
    await looked();
    expect(refused()).toEqual([]);
  });
});

test("while Redis is away it stays as it was, and looks again", async () => {
  await group();
  await decide(LIMIT);
  await untilRefused(BEGINNING);
  await server.restart();
  await looked();
  expect(refused()).toEqual(BEGINNING);
  await record(LIMIT);
  await untilRefused([]);
});
