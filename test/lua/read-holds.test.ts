import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { dumpAll, keys, newHold, openScripts, type ScriptSide } from "./script-side.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

const read = (...hold_ids: string[]) =>
  side.call(
    "read_holds",
    ...hold_ids.map((hold_id) => ({ keys: [keys.hold(hold_id)], args: ["1", "HOLD"] })),
  );

test("a hold is read as its hash is, unknown fields included", async () => {
  const { hold_id } = await side.hold();
  await side.redis.hset(keys.hold(hold_id), "note", "");
  const fields = Object.entries(await side.redis.hgetall(keys.hold(hold_id))).flat();
  expect((await read(hold_id)).tuples).toEqual([["HOLD", ...fields]]);
});

test("reads of one batch are answered in order and each by itself", async () => {
  const [one, two] = [await side.hold(), await side.hold()];
  await side.redis.set(keys.hold("H-text"), "text");
  const { now, tuples } = await read(one.hold_id, newHold(), "H-text", two.hold_id, one.hold_id);
  expect(tuples.map(([word]) => word)).toEqual([
    "HOLD",
    "HOLD_NOT_FOUND",
    "CORRUPT",
    "HOLD",
    "HOLD",
  ]);
  expect(tuples[2]).toEqual(["CORRUPT", keys.hold("H-text")]);
  expect(tuples[0]).toEqual(tuples[4]);
  expect(Math.abs(now - (await side.now()))).toBeLessThan(60_000);
});

test("a hold's lines are read alone", async () => {
  const { hold_id } = await side.hold({ lines: [{ sku: "phone", quantity: 2 }] });
  await side.redis.set(keys.hold("H-text"), "text");
  await side.redis.hset(keys.hold("H-empty"), "status", "ACTIVE");
  const ids = [hold_id, newHold(), "H-text", "H-empty"];
  const requests = ids.map((id) => ({ keys: [keys.hold(id)], args: ["1", "LINES"] }));
  expect((await side.call("read_holds", ...requests)).tuples).toEqual([
    ["LINES", "phone@main=2"],
    ["HOLD_NOT_FOUND"],
    ["CORRUPT", keys.hold("H-text")],
    ["HOLD_NOT_FOUND"],
  ]);
});

test("a read writes nothing, and works where nothing may be written", async () => {
  const { hold_id } = await side.hold();
  const before = await dumpAll(side.redis);
  await side.redis.config("SET", "min-replicas-to-write", "1");
  try {
    expect((await read(hold_id, newHold())).tuples).toHaveLength(2);
  } finally {
    await side.redis.config("SET", "min-replicas-to-write", "0");
  }
  expect(await dumpAll(side.redis)).toEqual(before);
});
