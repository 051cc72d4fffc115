import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { settleRequest } from "./payment-requests.ts";
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
import { readStocksRequest } from "./stock-requests.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await side.redis.config("SET", "maxmemory", "0");
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

const fill = () => side.redis.config("SET", "maxmemory", "1");

test("a full Redis refuses a new hold before the script's first line", async () => {
  await fill();
  const before = await dumpAll(side.redis);
  await expect(side.call("create_holds", createRequest())).rejects.toThrow(/^OOM /);
  expect(await dumpAll(side.redis)).toEqual(before);
});

test("a full Redis still writes down a payment that it can't fulfil", async () => {
  const hold = await side.hold();
  await side.call("cancel_holds", cancelRequest(hold));
  await fill();
  const { tuples } = await side.call("settle_payments", settleRequest(hold));
  expect(tuples[0]?.[0]).toBe("UNFULFILLED");
});

test("a full Redis still sells, takes back, expires and reads what is held", async () => {
  const [sold, given_back] = [await side.hold(), await side.hold()];
  const due = await side.dueHold();
  await fill();
  const answers = [
    await side.call("confirm_holds", confirmRequest({ ...sold, idem: "k" })),
    await side.call("cancel_holds", cancelRequest({ ...given_back, idem: "k" })),
    await side.call("expire_holds", expireRequest(due)),
    await side.call("read_holds", { keys: [keys.hold(due.hold_id)], args: ["1", "HOLD"] }),
  ];
  expect(answers.map(({ tuples }) => tuples[0]?.[0])).toEqual([
    "CONFIRMED",
    "CANCELLED",
    "EXPIRED",
    "HOLD",
  ]);
  const stocks = await side.call("read_stocks", readStocksRequest("phone", ["main"]));
  expect(stocks.tuples[0]?.[0]).toBe("STOCKS");
  expect(await side.stockOf("phone")).toEqual(["4", "0", "6"]);
  expect(await side.entries()).toHaveLength(6);
});
