import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { readScripts } from "../../src/redis/scripts.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import {
  createRequest,
  GENERATION,
  openScripts,
  type ScriptSide,
  SHARED_KEYS,
} from "./script-side.ts";

const TRACEPARENT = `00-${"0123456789abcdef".repeat(2)}-${"fedcba9876543210"}-01`;
const sha = readScripts(GENERATION).get("create_holds")?.sha ?? "";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

/** Three reserves, the second one for more than there is, and what the first argument is to be. */
async function createThree(count: string) {
  const lines = [{ sku: "phone", quantity: 6 }];
  const requests = [createRequest(), createRequest({ lines }), createRequest()];
  const names = [...SHARED_KEYS, ...requests.flatMap(({ keys }) => keys)];
  const args = [count, ...requests.flatMap(({ args }) => args)];
  const reply = await side.redis.call("EVALSHA", [sha, names.length, ...names, ...args]);
  const [, tuples] = reply as [number, string[][]]; // what every batch script replies
  const words = tuples.map(([word]) => word);
  const events = (await side.entries()).map(({ payload = "" }) => JSON.parse(payload).traceparent);
  return { words, events };
}

test("the event of a traced request has its traceparent, and no other event has", async () => {
  expect(await createThree("3")).toMatchObject({ events: [undefined, undefined] });
  const traced = `3 2=${TRACEPARENT.replace(/01$/, "00")} 3=${TRACEPARENT}`;
  const { words, events } = await createThree(traced);
  expect(words.map((word) => word === "CREATED")).toEqual([true, false, true]);
  expect(events.slice(-2)).toEqual([undefined, TRACEPARENT]);
});

test("what is no traceparent changes nothing", async () => {
  for (const bad of [`1="x","y":1`, `1=00-"-0-01`, "1=", "x".repeat(200), ` 9=${TRACEPARENT}`]) {
    const { words, events } = await createThree(`3 ${bad}`);
    expect(words).toHaveLength(3);
    expect(events.filter((one) => one !== undefined)).toEqual([]);
  }
});

test("behind the fence traced requests are refused as others are", async () => {
  await side.redis.del("inventory.generation");
  const { words } = await createThree(`3 1=${TRACEPARENT}`);
  expect(words).toEqual(["RECOVERING", "RECOVERING", "RECOVERING"]);
});
