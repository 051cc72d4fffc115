import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import {
  CORRUPT_STOCKS,
  cancelRequest,
  confirmRequest,
  DAY_MS,
  dumpAll,
  keys,
  newHold,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";
import { type PurchaseSpec, purchaseRequest } from "./stock-requests.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.mset("stock:phone", "5", "stock:phone@north", "5");
  await side.redis.hset(keys.stores, "north", "0");
});

const STORES = ["main", "north"];
const purchase = (...specs: PurchaseSpec[]) =>
  side.call(
    "create_purchases",
    ...specs.map((spec) => purchaseRequest({ stores: STORES, ...spec })),
  );
const wordsOf = (tuples: unknown[][]) => tuples.map(([word]) => word);

async function expectRefused(spec: PurchaseSpec, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await purchase(spec)).tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("a purchase", () => {
  test("takes stock and leaves a hold that was sold at once, for a day, without a deadline", async () => {
    const hold_id = newHold();
    const { now, tuples } = await purchase({
      ...{ hold_id, order_id: "O-7", user_id: "user 1", event_id: "e-7" },
      ...{ stores: ["north", "main"], quantity: 2 },
    });
    expect(tuples).toEqual([["PURCHASED", hold_id, "O-7", "north", now]]);
    expect(await side.redis.hgetall(keys.hold(hold_id))).toEqual({
      status: "CONFIRMED",
      lines: "phone@north=2",
      user_id: "user 1",
      created_at: String(now),
      expires_at: String(now),
      ended_at: String(now),
      ended_by: "e-7",
      order_id: "O-7",
      version: "1",
    });
    expect(await side.redis.pexpiretime(keys.hold(hold_id))).toBe(now + DAY_MS);
    expect(await side.redis.exists(keys.deadlines, keys.turns)).toBe(0);
    expect(await side.stockOf("phone", "north")).toEqual(["3", "0", "1"]);
    expect(await side.redis.hget("item:phone@north", "changed_at")).toBe(String(now));
    expect(await side.stockOf("phone")).toEqual(["5", null, null]);
  });

  test("is told by one event that is complete and that the recorder can read", async () => {
    const hold_id = newHold();
    const event_id = "0192b3a4-0000-7000-8000-000000000014";
    const odd = 'Zoë "\\/\u2028';
    const { now } = await purchase({ hold_id, event_id, request_id: odd, user_id: odd });
    const [entry = {}, ...others] = await side.entries();
    expect(others).toEqual([]);
    const payload = {
      event_version: 1,
      occurred_at: now,
      request_id: odd,
      hold_id,
      status: "CONFIRMED",
      user_id: odd,
      created_at: now,
      expires_at: now,
      version: 1,
      lines: [{ sku: "phone", store_id: "main", quantity: 1, available: 4, held: 0, version: 1 }],
      ended_at: now,
      order_id: "O-1",
    };
    expect(JSON.parse(entry.payload ?? "")).toEqual({ ...payload, record: expect.any(Array) });
    expect(parseEvent(entry)).toMatchObject({ event_id, type: "HOLD_PURCHASED", seq: 1, payload });
  });

  test("is confirmed again as any sold hold is, and not cancelled", async () => {
    const hold_id = newHold();
    const { now } = await purchase({ hold_id, order_id: "O-7" });
    const hold = { hold_id, lines: [{ sku: "phone", quantity: 1 }] };
    const before = await dumpAll(side.redis);
    const answers = [
      await side.call("confirm_holds", confirmRequest({ ...hold, payment_ref: "" })),
      await side.call("confirm_holds", confirmRequest({ ...hold, payment_ref: "p" })),
      await side.call("cancel_holds", cancelRequest(hold)),
    ];
    expect(answers.map(({ tuples }) => tuples[0])).toEqual([
      ["REPLAYED", "O-7", String(now)],
      ["HOLD_ALREADY_CONFIRMED"],
      ["HOLD_ALREADY_CONFIRMED"],
    ]);
    expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("without a buyer's name is one of nobody", async () => {
    const hold_id = newHold();
    await purchase({ hold_id, user_id: "" });
    expect(await side.redis.hget(keys.hold(hold_id), "user_id")).toBe("");
    expect(JSON.parse((await side.entries())[0]?.payload ?? "").user_id).toBe("");
  });

  test.each([
    [4, "PURCHASED"],
    [5, "PURCHASED"],
    [6, "SOLD_OUT"],
    [1000, "SOLD_OUT"],
  ])("of %d where no store has more than 5 is %s", async (quantity, word) => {
    await side.redis.set("stock:phone", "3");
    const { tuples } = await purchase({ quantity });
    if (word === "SOLD_OUT") expect(tuples).toEqual([[word, quantity, 5, 8, 0]]);
    else expect(tuples[0]?.[3]).toBe("north");
  });

  test.each([999, 1000])("may be of %d", async (quantity) => {
    await side.redis.set("stock:phone", "1000");
    expect(wordsOf((await purchase({ quantity })).tuples)).toEqual(["PURCHASED"]);
  });

  test("sells what only another store knows", async () => {
    await side.redis.set("stock:case@north", "1");
    const { tuples } = await purchase({ sku: "case" }, { sku: "case" });
    expect(tuples[0]?.[3]).toBe("north");
    expect(tuples[1]).toEqual(["SOLD_OUT", 1, 0, 0, 0]);
    expect(await side.redis.exists("stock:case", "item:case")).toBe(0);
  });
});

describe("a batch of purchases", () => {
  test("sells each unit once, wherever it is", async () => {
    const { tuples } = await purchase(...Array.from({ length: 12 }, () => ({})));
    expect(wordsOf(tuples)).toEqual([...Array(10).fill("PURCHASED"), "SOLD_OUT", "SOLD_OUT"]);
    expect(await side.stockOf("phone")).toEqual(["0", "0", "5"]);
    expect(await side.stockOf("phone", "north")).toEqual(["0", "0", "5"]);
    expect((await side.entries()).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 10 }, (_, i) => String(i + 1)),
    );
  });

  test("leaves bad neighbours aside", async () => {
    await side.redis.set("stock:broken", "abc");
    const { tuples } = await purchase(
      {},
      { quantity: "x" },
      { deadline: 1 },
      { sku: "broken" },
      { sku: "ghost" },
      { stores_seen: 0 },
      {},
    );
    expect(wordsOf(tuples)).toEqual([
      "PURCHASED",
      "BAD_ARGUMENT",
      "LATE",
      "CORRUPT",
      "UNKNOWN_SKU",
      "STALE_STORES",
      "PURCHASED",
    ]);
  });

  test("never makes two holds of one hold_id", async () => {
    const hold_id = newHold();
    const { tuples } = await purchase({ hold_id }, { hold_id });
    expect(tuples[1]).toEqual(["CORRUPT", keys.hold(hold_id)]);
    expect(await side.redis.get("stock:phone")).toBe("4");
  });

  test("is bad from a request on that does not say how many stores it has", async () => {
    for (const count of ["", "x", "10001", "-1"]) {
      const requests = [purchaseRequest(), purchaseRequest(), purchaseRequest()].map(
        ({ keys: names, args }, i) => ({
          keys: names,
          args: (i === 1 ? args.with(11, count) : args).with(10, "1"),
        }),
      );
      const { tuples } = await side.call("create_purchases", ...requests);
      expect([count, wordsOf(tuples)]).toEqual([
        count,
        ["PURCHASED", "BAD_ARGUMENT", "BAD_ARGUMENT"],
      ]);
    }
  });
});

describe("a purchase is refused, and nothing is written,", () => {
  const bad: [string, PurchaseSpec][] = [
    ...["0", "1001", "-1", "1.5", "", "01"].map((quantity): [string, PurchaseSpec] => [
      `quantity ${quantity}`,
      { quantity },
    ]),
    ["another policy", { policy: "nearest" }],
    ["no policy", { policy: "" }],
    ["no stores", { stores: [], stores_seen: 1 }],
    ["a number of stores seen that is none", { stores_seen: "x" }],
    ["a deadline that is no number", { deadline: "soon" }],
  ];
  test.each(bad)("for a bad argument: %s", (_, spec) => expectRefused(spec, ["BAD_ARGUMENT"]));

  test("when no store knows the sku", () =>
    expectRefused({ sku: "ghost" }, ["UNKNOWN_SKU", "ghost"]));

  test.each([0, 1, 2])("when one store is registered and %d were seen", async (stores_seen) => {
    if (stores_seen === 1)
      expect((await purchase({ stores_seen })).tuples[0]?.[0]).toBe("PURCHASED");
    else await expectRefused({ stores_seen }, ["STALE_STORES"]);
  });

  test("when stores have come, before it is said to be sold out or unknown", async () => {
    await expectRefused({ stores_seen: 0, quantity: 9 }, ["STALE_STORES"]);
    await expectRefused({ stores_seen: 0, sku: "ghost" }, ["STALE_STORES"]);
  });

  test("unless its key did it before, however many stores there are now", async () => {
    await purchase({ idem: "k", order_id: "O-1" });
    await side.redis.hset(keys.stores, "south", "0");
    const { tuples } = await purchase({ idem: "k", order_id: "O-2" });
    expect(tuples[0]?.slice(0, 1)).toEqual(["REPLAYED"]);
    expect(tuples[0]?.slice(2, 4)).toEqual(["O-1", "main"]);
  });

  test("when there is something under its hold_id already", async () => {
    const { hold_id } = await side.hold();
    await expectRefused({ hold_id }, ["CORRUPT", keys.hold(hold_id)]);
  });

  test.each(CORRUPT_STOCKS)("when a store's stock holds %s", async (_, corrupt) => {
    await corrupt(side.redis, "stock:phone@north");
    await expectRefused({}, ["CORRUPT", "stock:phone@north"]);
  });

  test.each(["held", "version"])("when an item's %s is no whole number", async (field) => {
    await side.redis.hset("item:phone@north", field, "-1");
    await expectRefused({}, ["CORRUPT", "item:phone@north"]);
  });

  test.each(["item:phone", keys.stores, keys.turns])("when %s is of another type", async (key) => {
    await side.redis.del(key);
    await side.redis.set(key, "text");
    await expectRefused({}, ["CORRUPT", key]);
  });

  test.each(["", "x", "-1", "1.5"])("when a store's rank or a sku's turn is %j", async (text) => {
    await side.redis.hset(keys.turns, "phone", text);
    await expectRefused({}, ["CORRUPT", keys.turns]);
    await side.redis.hset(keys.stores, "north", text);
    await expectRefused({}, ["CORRUPT", keys.stores]);
  });
});
