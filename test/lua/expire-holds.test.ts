import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { endAroundDeadline } from "./deadline-edge.ts";
import {
  cancelRequest,
  confirmRequest,
  DAY_MS,
  dumpAll,
  expireRequest,
  keys,
  newHold,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";

const MINUTE_MS = 60_000;

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

const expire = (...specs: Parameters<typeof expireRequest>[0][]) =>
  side.call("expire_holds", ...specs.map(expireRequest));
const deadlines = () => side.redis.zrange(keys.deadlines, "0", "-1", "WITHSCORES");

test("a due hold's units come back, and one event tells it", async () => {
  const hold = await side.dueHold({ lines: [{ sku: "phone", quantity: 2 }] });
  const created = await side.redis.hgetall(keys.hold(hold.hold_id));
  const { now, tuples } = await expire(hold);
  expect(tuples).toEqual([["EXPIRED"]]);
  expect(await side.redis.hgetall(keys.hold(hold.hold_id))).toEqual({
    ...created,
    status: "EXPIRED",
    version: "2",
    ended_at: String(now),
    ended_by: (await side.entries()).at(-1)?.event_id,
  });
  expect(await side.redis.pexpiretime(keys.hold(hold.hold_id))).toBe(now + DAY_MS);
  expect(await deadlines()).toEqual([]);
  expect(await side.stockOf("phone")).toEqual(["5", "0", "2"]);
  const [, entry = {}] = await side.entries();
  expect(parseEvent(entry)).toMatchObject({
    type: "HOLD_EXPIRED",
    seq: 2,
    payload: {
      status: "EXPIRED",
      occurred_at: now,
      ended_at: now,
      expires_at: hold.expires_at,
      version: 2,
      lines: [{ sku: "phone", store_id: "main", quantity: 2, available: 5, held: 0, version: 2 }],
    },
  });
  expect(await side.redis.keys("idem:*")).toHaveLength(1); // the create's
});

test("a hold expires from its deadline on, and not a millisecond earlier", async () => {
  const { now, answers } = await endAroundDeadline(side, "expire_holds", expireRequest);
  expect(answers).toEqual(
    answers.map(({ expires_at }) => ({
      expires_at,
      word: now >= expires_at ? "EXPIRED" : "NOT_DUE",
    })),
  );
  expect(answers.map(({ expires_at }) => expires_at - now)).toEqual(
    expect.arrayContaining([-1, 0, 1]),
  );
  const left = await side.redis.zrange(keys.deadlines, "0", "-1");
  expect(left).toHaveLength(answers.filter(({ word }) => word === "NOT_DUE").length);
});

test("a hold that is not due is left alone, its deadline too", async () => {
  const hold = await side.hold();
  const before = await dumpAll(side.redis);
  expect((await expire(hold)).tuples).toEqual([["NOT_DUE"]]);
  expect(await dumpAll(side.redis)).toEqual(before);
});

test.each([
  ["confirmed", "confirm_holds", confirmRequest],
  ["cancelled", "cancel_holds", cancelRequest],
] as const)(
  "a %s hold is left alone, and a deadline left of it goes",
  async (_, script, request) => {
    const hold = await side.hold();
    await side.call(script, request(hold));
    const before = await dumpAll(side.redis);
    await side.redis.zadd(keys.deadlines, 1, hold.hold_id);
    expect((await expire(hold)).tuples).toEqual([["ENDED"]]);
    expect(await dumpAll(side.redis)).toEqual(before);
  },
);

test("a second expiry of a hold finds it ended", async () => {
  const hold = await side.dueHold();
  await expire(hold);
  const before = await dumpAll(side.redis);
  expect((await expire(hold)).tuples).toEqual([["ENDED"]]);
  expect(await dumpAll(side.redis)).toEqual(before);
});

test("a deadline without a hold goes for good, and nothing else changes", async () => {
  const hold_id = newHold();
  const before = await dumpAll(side.redis);
  await side.redis.zadd(keys.deadlines, 1, hold_id);
  expect((await expire({ hold_id, lines: [] })).tuples).toEqual([["HOLD_NOT_FOUND"]]);
  expect(await dumpAll(side.redis)).toEqual(before);
});

test.each([
  ["its stock", () => side.redis.set("stock:phone", "abc")],
  ["its item", () => side.redis.set("item:phone", "text")],
  ["its count of held units", () => side.redis.hset("item:phone", "held", "0")],
])(
  "a due hold with a corrupt %s is postponed by a minute and else untouched",
  async (_, corrupt) => {
    const hold = await side.dueHold();
    await corrupt();
    const before = await dumpAll(side.redis);
    const { now, tuples } = await expire(hold);
    expect(tuples[0]?.[0]).toBe("CORRUPT");
    expect(await deadlines()).toEqual([hold.hold_id, String(now + MINUTE_MS)]);
    await side.redis.zadd(keys.deadlines, hold.expires_at, hold.hold_id);
    expect(await dumpAll(side.redis)).toEqual(before);
  },
);

test("a due hold that is itself corrupt is postponed by a minute", async () => {
  const hold = await side.dueHold();
  for (const corrupt of [
    () => side.redis.hdel(keys.hold(hold.hold_id), "lines"),
    () => side.redis.hset(keys.hold(hold.hold_id), "version", "x"),
    () => side.redis.set(keys.hold(hold.hold_id), "text"),
  ]) {
    await corrupt();
    const { now, tuples } = await expire({ hold_id: hold.hold_id, lines: [] });
    expect(tuples).toEqual([["CORRUPT", keys.hold(hold.hold_id)]]);
    expect(await deadlines()).toEqual([hold.hold_id, String(now + MINUTE_MS)]);
  }
});

test("a corrupt hold without a deadline does not get one", async () => {
  const hold = await side.dueHold();
  await side.redis.zrem(keys.deadlines, hold.hold_id);
  await side.redis.set("stock:phone", "abc");
  expect((await expire(hold)).tuples[0]?.[0]).toBe("CORRUPT");
  expect(await deadlines()).toEqual([]);
});

test("a postponed hold expires once its stock is mended", async () => {
  const hold = await side.dueHold();
  await side.redis.set("stock:phone", "abc");
  await expire(hold);
  await side.redis.set("stock:phone", "4");
  expect((await expire(hold)).tuples).toEqual([["EXPIRED"]]);
  expect(await side.stockOf("phone")).toEqual(["5", "0", "2"]);
  expect(await deadlines()).toEqual([]);
});

test("a batch of 100 due holds gives all units back, each hold with its own event", async () => {
  await side.redis.set("stock:phone", "100");
  const holds = [];
  for (let i = 0; i < 99; i += 1) holds.push(await side.hold({ ttl_ms: 1 }));
  holds.push(await side.dueHold());
  const { tuples } = await expire(...holds);
  expect(tuples).toEqual(holds.map(() => ["EXPIRED"]));
  expect(await side.stockOf("phone")).toEqual(["100", "0", "200"]);
  const types = (await side.entries()).map(({ type }) => type);
  expect(types.filter((type) => type === "HOLD_EXPIRED")).toHaveLength(100);
});
