import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import {
  cancelRequest,
  confirmRequest,
  createRequest,
  dumpAll,
  expireRequest,
  keys,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";
import { changeRequest, purchaseRequest, transferRequest } from "./stock-requests.ts";

// A stream whose last id is the highest there is refuses the next event, and Lua does not roll back: so
// nothing may be written before it.

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

const LAST_ID = "18446744073709551615-18446744073709551615";
const END = { idem: "ending" };

test.each([
  ["create_holds", async () => createRequest()],
  ["create_purchases", async () => purchaseRequest({ policy: "round-robin" })],
  ["confirm_holds", async () => confirmRequest({ ...(await side.hold()), ...END })],
  ["cancel_holds", async () => cancelRequest({ ...(await side.hold()), ...END })],
  ["expire_holds", async () => expireRequest(await side.dueHold())],
  ["change_stocks", async () => changeRequest({ store_id: "north" })],
  ["transfer_stock", async () => transferRequest()],
] as const)("%s changes nothing when its event can't be appended", async (script, prepare) => {
  const request = await prepare();
  await side.redis.xadd(keys.stream, "*", "event_id", "an earlier one");
  await side.redis.call("XSETID", keys.stream, LAST_ID);
  const before = await dumpAll(side.redis);
  await expect(side.call(script, request)).rejects.toThrow("exhausted");
  expect(await dumpAll(side.redis)).toEqual(before);
});
