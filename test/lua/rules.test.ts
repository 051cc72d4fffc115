import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { rulesRequest } from "./rules-requests.ts";
import {
  type CreateSpec,
  cancelRequest,
  confirmRequest,
  createRequest,
  dumpAll,
  expireRequest,
  keys,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";
import { type PurchaseSpec, purchaseRequest } from "./stock-requests.ts";

const FAR = 4_000_000_000_000;

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.mset("stock:phone", "1000", "stock:phone@north", "1000", "stock:case", "1000");
  await side.redis.hset(keys.stores, "north", "0");
});

async function setRules(rules: string, sku = "phone") {
  const { tuples } = await side.call("change_rules", rulesRequest({ rules, sku }));
  if (tuples[0]?.[0] !== "CHANGED") throw new Error(`The rules were refused: ${tuples[0]}`);
}

const one = (quantity: number | string, sku = "phone", store_id = "main") => ({
  lines: [{ sku, store_id, quantity }],
});
const reserve = async (spec: CreateSpec = {}) =>
  (await side.call("create_holds", createRequest(spec))).tuples[0] ?? [];
const purchase = async (spec: PurchaseSpec = {}) =>
  (await side.call("create_purchases", purchaseRequest({ stores: ["main", "north"], ...spec })))
    .tuples[0] ?? [];
const countOf = (sku = "phone", user_id = "user-1") =>
  side.redis.hget(keys.customers, `${sku} ${user_id}`);

async function expectRefused(ask: () => Promise<unknown[]>, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect(await ask()).toEqual(tuple);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("max_per_order", () => {
  beforeEach(() => setRules("max_per_order=3"));

  test.each([2, 3])("of 3 lets %d through, again and again, for nobody too", async (quantity) => {
    for (const user_id of ["user-1", "user-1", ""]) {
      expect((await reserve({ ...one(quantity), user_id }))[0]).toBe("CREATED");
      expect((await purchase({ quantity, user_id }))[0]).toBe("PURCHASED");
    }
    expect(await side.redis.exists(keys.customers)).toBe(0);
  });

  test("of 3 refuses 4, from one store or from two", async () => {
    const refusal = ["LIMIT_EXCEEDED", "phone", "max_per_order", 3, 3];
    const lines = [...one(2).lines, ...one(2, "phone", "north").lines];
    await expectRefused(() => reserve(one(4)), refusal);
    await expectRefused(() => reserve({ lines }), refusal);
    await expectRefused(() => purchase({ quantity: 4 }), refusal);
  });

  test("binds its own sku alone, in whichever line that is", async () => {
    const lines = [...one(9, "case").lines, ...one(3).lines];
    expect((await reserve({ lines }))[0]).toBe("CREATED");
    await expectRefused(
      () => reserve({ lines: [...one(9, "case").lines, ...one(4).lines] }),
      ["LIMIT_EXCEEDED", "phone", "max_per_order", 3, 3],
    );
  });
});

describe("max_per_customer", () => {
  beforeEach(() => setRules("max_per_customer=5"));

  test.each([
    [1, "CREATED"],
    [2, "CREATED"],
    [3, "LIMIT_EXCEEDED"],
  ])("of 5 with 3 held answers %d more with %s", async (quantity, word) => {
    await side.hold(one(3));
    if (word === "CREATED") expect((await reserve(one(quantity)))[0]).toBe(word);
    else
      await expectRefused(() => reserve(one(quantity)), [word, "phone", "max_per_customer", 5, 2]);
  });

  test.each([
    [2, "PURCHASED"],
    [3, "LIMIT_EXCEEDED"],
  ])("of 5 with 3 bought answers %d more with %s", async (quantity, word) => {
    await purchase({ quantity: 3 });
    expect(await countOf()).toBe("3 0");
    const refusal = [word, "phone", "max_per_customer", 5, 2];
    if (word === "PURCHASED") expect((await purchase({ quantity }))[0]).toBe(word);
    else await expectRefused(() => purchase({ quantity }), refusal);
  });

  test("counts units of all stores, each customer apart", async () => {
    await side.hold({ lines: [...one(2).lines, ...one(2, "phone", "north").lines] });
    expect(await countOf()).toBe("4 2");
    await expectRefused(
      () => reserve(one(2, "phone", "north")),
      ["LIMIT_EXCEEDED", "phone", "max_per_customer", 5, 1],
    );
    expect((await reserve({ ...one(5), user_id: "user-2" }))[0]).toBe("CREATED");
    expect((await reserve({ ...one(5), user_id: "user 1" }))[0]).toBe("CREATED");
    expect(await countOf("phone", "user 1")).toBe("5 1");
  });

  test("is used up by the requests of one batch", async () => {
    const requests = Array.from({ length: 7 }, () => createRequest(one(2)));
    const { tuples } = await side.call("create_holds", ...requests);
    expect(tuples.map(([word]) => word)).toEqual([
      ...["CREATED", "CREATED"],
      ...Array(5).fill("LIMIT_EXCEEDED"),
    ]);
    expect(await countOf()).toBe("4 2");
  });

  test("is free again when a hold is cancelled or expires, and not when it is sold", async () => {
    const [sold, cancelled] = [await side.hold(one(2)), await side.hold(one(2))];
    const due = await side.dueHold(one(1));
    expect(await countOf()).toBe("5 3");
    await side.call("expire_holds", expireRequest(due));
    expect(await countOf()).toBe("4 2");
    await side.call("cancel_holds", cancelRequest(cancelled));
    expect(await countOf()).toBe("2 1");
    await side.call("confirm_holds", confirmRequest(sold));
    expect(await countOf()).toBe("2 0");
    expect((await reserve(one(4)))[4]).toBe(3);
    expect((await reserve(one(3)))[0]).toBe("CREATED");
  });

  test("is given back once, however often an ending is asked for", async () => {
    await side.hold(one(2));
    const hold = await side.hold(one(2));
    await side.call("cancel_holds", cancelRequest(hold), cancelRequest(hold));
    await side.call("cancel_holds", cancelRequest(hold));
    await side.call("expire_holds", expireRequest(hold));
    expect(await countOf()).toBe("2 1");
  });

  test("counts a replay once", async () => {
    await reserve({ ...one(3), idem: "k" });
    expect((await reserve({ ...one(3), idem: "k" }))[0]).toBe("REPLAYED");
    await purchase({ quantity: 2, idem: "k" });
    expect((await purchase({ quantity: 2, idem: "k" }))[0]).toBe("REPLAYED");
    expect(await countOf()).toBe("5 1");
  });

  test("leaves no trace of a customer who has nothing any more", async () => {
    await side.call("cancel_holds", cancelRequest(await side.hold(one(2))));
    expect(await side.redis.exists(keys.customers, keys.own_holds)).toBe(0);
  });

  test("that is lowered takes nothing away, and says that nothing is left", async () => {
    await side.hold(one(5));
    await setRules("max_per_customer=2");
    await expectRefused(
      () => reserve(one(1)),
      ["LIMIT_EXCEEDED", "phone", "max_per_customer", 2, 0],
    );
    await setRules("max_per_customer=6");
    expect((await reserve(one(1)))[0]).toBe("CREATED");
  });
});

describe("max_active_holds", () => {
  beforeEach(() => setRules("max_active_holds=2"));

  test("of 2 refuses the third, until one has ended, however it ends", async () => {
    const endings = [
      ["confirm_holds", confirmRequest],
      ["cancel_holds", cancelRequest],
    ] as const;
    await side.hold(one(1));
    for (const [script, request] of endings) {
      const hold = await side.hold(one(9));
      const refusal = ["LIMIT_EXCEEDED", "phone", "max_active_holds", 2, 0];
      await expectRefused(() => reserve(one(1)), refusal);
      await side.call(script, request(hold));
    }
    const due = await side.dueHold(one(1));
    expect((await reserve(one(1)))[0]).toBe("LIMIT_EXCEEDED");
    await side.call("expire_holds", expireRequest(due));
    expect((await reserve(one(1)))[0]).toBe("CREATED");
  });

  test("does not limit what is bought at once", async () => {
    await side.hold(one(1));
    await side.hold(one(1));
    expect((await purchase({ quantity: 9 }))[0]).toBe("PURCHASED");
    expect(await countOf()).toBe("11 2");
  });
});

test("the first limit that is passed is the one that is told", async () => {
  await setRules("max_per_order=2 max_per_customer=1 max_active_holds=1");
  expect((await reserve(one(3)))[2]).toBe("max_per_order");
  expect((await reserve(one(2)))[2]).toBe("max_per_customer");
  await side.hold(one(1));
  expect((await reserve(one(1)))[2]).toBe("max_active_holds");
});

describe.each(["max_per_customer=5", "max_active_holds=5"])("%s", (rules) => {
  test("is for customers with a name", async () => {
    await setRules(rules);
    const refusal = ["CUSTOMER_REQUIRED", "phone"];
    await expectRefused(() => reserve({ ...one(1), user_id: "" }), refusal);
    await expectRefused(() => purchase({ user_id: "" }), refusal);
    expect((await reserve({ ...one(1, "case"), user_id: "" }))[0]).toBe("CREATED");
  });
});

describe("opens_at and closes_at", () => {
  // Redis's clock can't be stopped: skus that open and close at each of these times are asked at once.
  // Undefined when a busy machine came too late for all of them.
  async function askAtEdge() {
    const first = (await side.now()) + 20;
    const times = Array.from({ length: 200 }, (_, i) => first + i);
    const skus = times.flatMap((at) => [`opens-${at}`, `closes-${at}`]);
    await side.redis.mset(...skus.flatMap((sku) => [`stock:${sku}`, "1"]));
    const rules = skus.flatMap((sku) => [sku, `version=1 ${sku.replace("-", "_at=")}`]);
    await side.redis.hset(keys.rules, ...rules);
    let now = 0;
    while (now < first + 20) now = await side.now();
    const asked = await side.call("create_holds", ...skus.map((sku) => createRequest(one(1, sku))));
    return asked.now < first + 199 ? { times, asked } : undefined;
  }

  test("let the sale begin at the one, to the millisecond, and end at the other", async () => {
    const { times, asked } = await until("a batch comes in time", askAtEdge, 25_000);
    const edge = asked.now;
    for (const [i, at] of times.entries()) {
      const [opening, closing] = [asked.tuples[2 * i], asked.tuples[2 * i + 1]];
      if (edge >= at) {
        expect([at - edge, opening?.[0]]).toEqual([at - edge, "CREATED"]);
        expect(closing).toEqual(["SALE_CLOSED", `closes-${at}`, at]);
      } else {
        expect(opening).toEqual(["SALE_NOT_OPEN", `opens-${at}`, at]);
        expect([at - edge, closing?.[0]]).toEqual([at - edge, "CREATED"]);
      }
    }
  });

  test("bind purchases too, and not what is held by then", async () => {
    const [sold, cancelled] = [await side.hold(one(1)), await side.hold(one(1))];
    await setRules(`opens_at=${FAR}`);
    await expectRefused(() => purchase(), ["SALE_NOT_OPEN", "phone", FAR]);
    await setRules("closes_at=1");
    await expectRefused(() => purchase(), ["SALE_CLOSED", "phone", 1]);
    const { tuples } = await side.call("confirm_holds", confirmRequest(sold));
    expect(tuples[0]?.[0]).toBe("CONFIRMED");
    const ended = await side.call("cancel_holds", cancelRequest(cancelled));
    expect(ended.tuples[0]?.[0]).toBe("CANCELLED");
  });

  test("do not keep a key from its answer", async () => {
    await reserve({ ...one(1), idem: "k" });
    await setRules("closes_at=1");
    expect((await reserve({ ...one(1), idem: "k" }))[0]).toBe("REPLAYED");
  });
});

describe("a sku that is", () => {
  test.each([
    ["paused", () => setRules("paused=1")],
    ["stopped", () => side.redis.hset(keys.stopped, "phone", "drift")],
    [
      "stopped, though its rules would let it be sold",
      async () => {
        await setRules("max_per_order=5");
        await side.redis.hset(keys.stopped, "phone", "drift");
      },
    ],
  ])("%s is not sold, and others are", async (_, stop) => {
    await stop();
    await expectRefused(() => reserve(), ["SALE_PAUSED", "phone"]);
    await expectRefused(() => purchase(), ["SALE_PAUSED", "phone"]);
    const both = { lines: [...one(1, "case").lines, ...one(1).lines] };
    await expectRefused(() => reserve(both), ["SALE_PAUSED", "phone"]);
    expect((await reserve(one(1, "case")))[0]).toBe("CREATED");
  });

  test("unknown is said to be unknown, whatever its rules say", async () => {
    await setRules("paused=1", "ghost");
    await expectRefused(() => reserve(one(1, "ghost")), ["UNKNOWN_SKU", "ghost"]);
  });

  test("closed is said to be closed before it is said to be sold out", async () => {
    await setRules("closes_at=1");
    await side.redis.set("stock:phone", "0");
    await expectRefused(() => reserve(one(1)), ["SALE_CLOSED", "phone", 1]);
  });
});

describe("how long a hold lasts", () => {
  test.each([
    ["", "", 300_000],
    ["", 7_000, 7_000],
    ["hold_seconds=60", "", 60_000],
    ["hold_seconds=60", 7_000, 7_000],
    ["hold_seconds=60", 61_000, 61_000],
    ["max_hold_seconds=60", "", 60_000],
    ["max_hold_seconds=60", 59_999, 59_999],
    ["max_hold_seconds=60", 60_000, 60_000],
    ["max_hold_seconds=60", 60_001, 60_000],
    ["hold_seconds=50 max_hold_seconds=60", "", 50_000],
    ["hold_seconds=60 max_hold_seconds=60", 90_000, 60_000],
  ])("with the rules %j and %j ms asked for", async (rules, ttl_ms, lasts_ms) => {
    if (rules) await setRules(rules);
    const [, , expires_at, created_at] = await reserve({ ttl_ms });
    expect(Number(expires_at) - Number(created_at)).toBe(lasts_ms);
  });

  test.each([
    ["", 7_000, 1_999, 8_999],
    ["", "", 2_000, 302_000],
    ["", 86_399_000, 999, 86_399_999],
    ["", 86_399_000, 1_000, 86_400_000],
    ["", 86_399_000, 1_001, 86_400_000],
    ["", 86_400_000, 3_600_000, 86_400_000],
    ["hold_seconds=50", "", 15_000, 65_000],
    ["hold_seconds=50 max_hold_seconds=60", "", 9_999, 59_999],
    ["hold_seconds=50 max_hold_seconds=60", "", 10_000, 60_000],
    ["hold_seconds=50 max_hold_seconds=60", "", 10_001, 60_000],
    ["max_hold_seconds=60", 60_000, 1, 60_000],
    ["paused=0", 86_400_000, 1, 86_400_000],
  ])(
    "with the rules %j, %j ms asked for and a jitter of %d ms",
    async (rules, ttl_ms, jitter_ms, lasts_ms) => {
      if (rules) await setRules(rules);
      const [, hold_id, expires_at, created_at] = await reserve({ ttl_ms, jitter_ms });
      expect(Number(expires_at) - Number(created_at)).toBe(lasts_ms);
      expect(await side.redis.zscore(keys.deadlines, String(hold_id))).toBe(String(expires_at));
    },
  );

  test("is the least that the rules of its skus say", async () => {
    await setRules("hold_seconds=60 max_hold_seconds=90");
    await setRules("hold_seconds=80 max_hold_seconds=85", "case");
    const lines = [...one(1, "case").lines, ...one(1).lines];
    const lasts = async (ttl_ms: number | string) => {
      const [, , expires_at, created_at] = await reserve({ lines, ttl_ms });
      return Number(expires_at) - Number(created_at);
    };
    expect([await lasts(""), await lasts(86_000)]).toEqual([60_000, 85_000]);
  });
});

describe("what is corrupt", () => {
  test.each(["version", "version=x", "version=-1", "Version=1", "a=1.5", "paused=yes", "=1"])(
    "as the rules %j stops the sale of that sku, and of no other",
    async (text) => {
      const hold = await side.hold(one(1));
      await side.redis.hset(keys.rules, "phone", text, "case", "version=1");
      const refusal = ["CORRUPT", keys.rules];
      await expectRefused(() => reserve(), refusal);
      await expectRefused(() => purchase(), refusal);
      const change = rulesRequest({ rules: "paused=1" });
      await expectRefused(
        async () => (await side.call("change_rules", change)).tuples[0] ?? [],
        refusal,
      );
      const ended = await side.call("cancel_holds", cancelRequest(hold));
      expect(ended.tuples).toEqual([refusal]);
      expect((await reserve(one(1, "case")))[0]).toBe("CREATED");
    },
  );

  test.each(["", "1", "1 2 3", "x 1", "1 x", "+1 1", "1.5 1", "01 0", `${"9".repeat(16)} 1`])(
    "as the count %j stops that customer, and no other",
    async (text) => {
      await setRules("max_per_customer=5");
      await side.redis.hset(keys.customers, "phone user-1", text);
      await expectRefused(() => reserve(), ["CORRUPT", keys.customers]);
      await expectRefused(() => purchase(), ["CORRUPT", keys.customers]);
      expect((await reserve({ user_id: "user-2" }))[0]).toBe("CREATED");
    },
  );

  test.each(["rules", "customers", "own_holds", "stopped", "waiting"] as const)(
    "as the key of %s stops everything",
    async (name) => {
      await side.redis.set(keys[name], "text");
      await expectRefused(() => reserve(), ["CORRUPT", keys[name]]);
    },
  );
});

test("a customer who gives back what was never counted has less than nothing, and may have more", async () => {
  const hold = await side.hold(one(3));
  await setRules("max_per_customer=5");
  await side.call("cancel_holds", cancelRequest(hold));
  expect(await countOf()).toBe("-3 -1");
  expect((await reserve(one(8)))[0]).toBe("CREATED");
  expect(await countOf()).toBe("5 0");
  expect((await reserve(one(1)))[0]).toBe("LIMIT_EXCEEDED");
});
