import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { READ_SCRIPTS, readScripts, type ScriptName } from "../../src/redis/scripts.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { GRANTED, stockFor } from "./granted.ts";
import {
  dumpAll,
  GENERATION,
  keys,
  openScripts,
  type Request,
  type ScriptSide,
  SHARED_KEYS,
} from "./script-side.ts";
import { readStocksRequest } from "./stock-requests.ts";

// For every script, each of its keys with each type that Redis has, and arbitrary bytes for its arguments.
const BYTES = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a]);
const TYPES: [string, (redis: Redis, key: string) => Promise<unknown>][] = [
  ["text", (redis, key) => redis.set(key, BYTES)],
  ["a list", (redis, key) => redis.rpush(key, BYTES)],
  ["a set", (redis, key) => redis.sadd(key, BYTES)],
  ["a sorted set", (redis, key) => redis.zadd(key, 1, BYTES)],
  ["a hash", (redis, key) => redis.hset(key, "held", BYTES, "version", BYTES, "status", BYTES)],
  ["a stream", (redis, key) => redis.xadd(key, "1-1", "field", BYTES)],
];

/** What these do is told by an event of before. */
const WITHOUT_EVENT: ReadonlySet<ScriptName> = new Set(["add_counts"]);
/** What else than the answer to its request has an effect: of no units left, a hold is none any more. */
const ALSO_GRANTED: ReadonlyMap<ScriptName, string> = new Map([["change_holds", "CANCELLED"]]);

let side: ScriptSide;
let hold_id = "";
beforeAll(async () => {
  side = await openScripts();
  await side.redis.config("SET", "appendfsync", "no"); // durability is not the question here
});
afterAll(() => side.close());

const ALL: [ScriptName, string, () => Request][] = [
  ...GRANTED,
  ["read_holds", "HOLD", () => ({ keys: [keys.hold(hold_id)], args: ["1", "HOLD"] })],
  ["read_stocks", "STOCKS", () => readStocksRequest("phone", ["main"], 0)],
];

test("every script is tried here", () => {
  expect(ALL.map(([script]) => script).sort()).toEqual([...readScripts().keys()].sort());
});

async function startFor(script: ScriptName): Promise<void> {
  await emptyRedis(side.redis);
  ({ hold_id } = await stockFor(script, side));
}

// An expiry that is refused may still take its deadline out of the way.
const comparable = (dump: Record<string, string>, script: ScriptName) =>
  script === "expire_holds" ? { ...dump, [keys.deadlines]: "" } : dump;

describe.each(ALL)("%s", (script, granted, request) => {
  const shared = READ_SCRIPTS.has(script) ? [] : SHARED_KEYS;

  beforeEach(() => startFor(script));

  test.each(TYPES)("does all or nothing where any of its keys is %s", async (_, put) => {
    const found = new Set<string>();
    for (let i = 0; i < shared.length + request().keys.length; i += 1) {
      await startFor(script);
      const asked = request();
      const key = [...shared, ...asked.keys][i] ?? "";
      await side.redis.del(key);
      await put(side.redis, key);
      const before = await dumpAll(side.redis);
      const { tuples } = await side.call(script, asked); // that it fails as a whole would be a part
      const word = String(tuples[0]?.[0]);
      found.add(word);
      const after = await dumpAll(side.redis);
      if (word === granted && !READ_SCRIPTS.has(script)) {
        expect(await side.redis.exists(keys.stream)).toBe(1);
        expect(after).not.toEqual(before);
      } else expect(comparable(after, script)).toEqual(comparable(before, script));
    }
    // A reader hands a hash on as it is.
    if (!READ_SCRIPTS.has(script)) expect([...found].length).toBeGreaterThan(1);
  });

  test("does all or nothing with arbitrary bytes for any of its arguments", async () => {
    const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array));
    const changes = fc.array(fc.tuple(fc.nat(), bytes), { minLength: 1, maxLength: 3 });
    const sha = readScripts(GENERATION).get(script)?.sha ?? "";
    const property = fc.asyncProperty(changes, async (list) => {
      await startFor(script);
      const asked = request();
      const args: (string | Buffer)[] = [...asked.args];
      for (const [i, text] of list) args[i % args.length] = text;
      const names = [...shared, ...asked.keys];
      const before = await dumpAll(side.redis);
      const length = await side.redis.xlen(keys.stream);
      const reply = await side.redis.call("EVALSHA", [sha, names.length, ...names, "1", ...args]);
      const [, tuples] = reply as [number, unknown[][]]; // what every batch script replies
      const word = String(tuples[0]?.[0]);
      const is_granted = word === granted || word === ALSO_GRANTED.get(script);
      if (is_granted && !READ_SCRIPTS.has(script)) {
        const events = WITHOUT_EVENT.has(script) ? 0 : 1;
        expect(await side.redis.xlen(keys.stream)).toBe(length + events);
      } else {
        const after = await dumpAll(side.redis);
        expect(comparable(after, script)).toEqual(comparable(before, script));
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });
});
