import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { READ_SCRIPTS, readScripts } from "../../src/redis/scripts.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { GRANTED, stockFor } from "./granted.ts";
import { dumpAll, GENERATION, keys, openScripts, type ScriptSide } from "./script-side.ts";
import { readStocksRequest } from "./stock-requests.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
});

/** Ways Redis may not be admitted with the generation that the scripts have. */
const CLOSED: [string, (redis: Redis) => Promise<unknown>][] = [
  ["is not there", (redis) => redis.del(keys.generation)],
  ["is older", (redis) => redis.set(keys.generation, GENERATION - 1)],
  ["is newer", (redis) => redis.set(keys.generation, GENERATION + 1)],
  ["is longer", (redis) => redis.set(keys.generation, `${GENERATION} `)],
  ["is empty", (redis) => redis.set(keys.generation, "")],
  ["is a list", (redis) => redis.multi().del(keys.generation).rpush(keys.generation, "1").exec()],
];

test("every script is tried here, or only reads", () => {
  const tried = [...GRANTED.map(([script]) => script), ...READ_SCRIPTS];
  expect(tried.sort()).toEqual([...readScripts().keys()].sort());
});

describe.each(GRANTED)("%s", (script, word, request) => {
  beforeEach(() => stockFor(script, side));

  test.each(CLOSED)("does nothing while the key %s, and its work afterwards", async (_, close) => {
    await close(side.redis);
    const before = await dumpAll(side.redis);
    const asked = request();
    expect((await side.call(script, asked)).tuples).toEqual([["RECOVERING"]]);
    expect(await dumpAll(side.redis)).toEqual(before);
    await side.redis.del(keys.generation);
    await admit(side.redis, GENERATION);
    expect((await side.call(script, asked)).tuples[0]?.[0]).toBe(word);
  });

  test("refuses a whole batch, what is late and what is nonsense with it", async () => {
    await side.redis.del(keys.generation);
    const before = await dumpAll(side.redis);
    const [good, late] = [request(), request()];
    const nonsense = { keys: good.keys, args: good.args.map(() => "x") };
    const batch = [good, { ...late, args: ["1", ...late.args.slice(1)] }, nonsense];
    const { now, tuples } = await side.call(script, ...batch);
    expect(tuples).toEqual(batch.map(() => ["RECOVERING"]));
    expect(now).toBeGreaterThan(1_700_000_000_000);
    expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("of an older generation is still in Redis's cache, and refuses", async () => {
    await admit(side.redis, GENERATION + 1);
    const old = readScripts(GENERATION).get(script)?.sha ?? "";
    expect(await side.redis.script("EXISTS", old)).toEqual([1]);
    const before = await dumpAll(side.redis);
    expect((await side.call(script, request())).tuples).toEqual([["RECOVERING"]]);
    expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("names its generation in the event", async () => {
    await side.call(script, request());
    expect((await side.entries()).at(-1)?.generation).toBe(String(GENERATION));
  });
});

test("reading goes on while nothing is decided", async () => {
  const hold = await stockFor("read_holds", side);
  await side.redis.del(keys.generation);
  const read = { keys: [keys.hold(hold.hold_id)], args: ["1", "LINES"] };
  expect((await side.call("read_holds", read)).tuples).toEqual([["LINES", "phone@main=1"]]);
  const { tuples } = await side.call("read_stocks", readStocksRequest("phone", ["main"], 0));
  expect(tuples[0]?.slice(0, 4)).toEqual(["STOCKS", "main", 4, 1]);
});

test("each generation has texts and SHAs of its own, which differ in nothing else", () => {
  const [one, two] = [readScripts(1), readScripts(2)];
  for (const [name, { source, sha }] of one) {
    const other = two.get(name);
    expect(other?.sha).not.toBe(sha);
    expect(other?.source.replace('GENERATION = "2"', 'GENERATION = "1"')).toBe(source);
  }
});
