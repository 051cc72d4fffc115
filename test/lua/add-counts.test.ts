import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { type BaseSpec, basesRequest, rulesRequest } from "./rules-requests.ts";
import {
  cancelRequest,
  createRequest,
  dumpAll,
  FOREVER,
  keys,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "50");
});

const add = async (...bases: BaseSpec[]) =>
  (await side.call("add_counts", basesRequest({ bases }))).tuples[0];
const counts = () => side.redis.hgetall(keys.customers);

test("what customers had is added to what is counted since, and limits them", async () => {
  const held = await side.hold({ lines: [{ sku: "phone", quantity: 3 }] });
  await side.call("change_rules", rulesRequest({ rules: "max_per_customer=4" }));
  await side.call("cancel_holds", cancelRequest(held));
  expect(await counts()).toEqual({ "phone user-1": "-3 -1" });
  const bases = [{ units: 3 }, { place: 2, user_id: "user 2", units: 4, active: 0 }];
  expect(await add(...bases)).toEqual(["ADDED", 2]);
  expect(await counts()).toEqual({ "phone user 2": "4 0", place: "2" });
  const lines = [{ sku: "phone", quantity: 1 }];
  const requests = ["user-1", "user 2"].map((user_id) => createRequest({ user_id, lines }));
  const { tuples } = await side.call("create_holds", ...requests);
  expect(tuples.map(([word]) => word)).toEqual(["CREATED", "LIMIT_EXCEEDED"]);
});

test("each is added once, in whatever chunks they come", async () => {
  const bases = [1, 3, 7].map((place) => ({ place, units: place, active: 1 }));
  expect(await add(...bases.slice(0, 2))).toEqual(["ADDED", 3]);
  const before = await dumpAll(side.redis);
  expect(await add(...bases.slice(0, 2))).toEqual(["REPLAYED", 3]);
  expect(await dumpAll(side.redis)).toEqual(before);
  expect(await add(...bases)).toEqual(["ADDED", 7]);
  expect(await counts()).toEqual({ "phone user-1": "11 3", place: "7" });
});

test("what puts a count right may be below zero", async () => {
  expect(await add({ units: 3, active: 1 })).toEqual(["ADDED", 1]);
  expect(await add({ place: 2, units: -2, active: -1 })).toEqual(["ADDED", 2]);
  expect(await counts()).toEqual({ "phone user-1": "1 0", place: "2" });
  expect(await add({ place: 3, units: -1 })).toEqual(["ADDED", 3]);
});

test("the requests of one batch go on where the one before ended", async () => {
  const requests = [1, 2, 2, 1].map((place) => basesRequest({ bases: [{ place, units: 5 }] }));
  const { tuples } = await side.call("add_counts", ...requests);
  expect(tuples).toEqual([
    ["ADDED", 1],
    ["ADDED", 2],
    ["REPLAYED", 2],
    ["REPLAYED", 2],
  ]);
  expect(await counts()).toEqual({ "phone user-1": "10 2", place: "2" });
});

describe("nothing is done", () => {
  const refused = async (tuple: unknown[], bases: BaseSpec[], deadline?: number) => {
    const before = await dumpAll(side.redis);
    const request = basesRequest({ bases, deadline: deadline ?? FOREVER });
    expect((await side.call("add_counts", request)).tuples).toEqual([tuple]);
    expect(await dumpAll(side.redis)).toEqual(before);
  };

  test.each<[string, BaseSpec[]]>([
    ["a place that is none", [{ place: "x" }]],
    ["the same place twice", [{}, {}]],
    ["places that go back", [{ place: 2 }, { place: 1 }]],
    ["units that are none", [{ units: "1.5" }]],
    ["holds that are no number", [{ active: "x" }]],
    ["nobody", [{ user_id: "" }]],
    ["no sku", [{ sku: "" }]],
    ["no bases", []],
    ["501 of them", Array.from({ length: 501 }, (_, i) => ({ place: i + 1 }))],
  ])("for %s", (_, bases) => refused(["BAD_ARGUMENT"], bases));

  test("for a request that is late", () => refused(["LATE"], [{}], 1));

  test("for one of 500, when a count among them is corrupt", async () => {
    const bases = Array.from({ length: 500 }, (_, i) => ({ place: i + 1, user_id: `user-${i}` }));
    await side.redis.hset(keys.customers, "phone user-499", "x");
    await refused(["CORRUPT", keys.customers], bases);
    await side.redis.hdel(keys.customers, "phone user-499");
    expect(await add(...bases)).toEqual(["ADDED", 500]);
  });

  test("when it can't be told how far it has come", async () => {
    await side.redis.hset(keys.customers, "place", "-1");
    await refused(["CORRUPT", keys.customers], [{}]);
  });
});
