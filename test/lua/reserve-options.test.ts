import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { rulesRequest } from "./rules-requests.ts";
import {
  type CreateSpec,
  cancelRequest,
  confirmRequest,
  createRequest,
  dumpAll,
  expireRequest,
  type HoldSpec,
  keys,
  newHold,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";
import { joinRequest, newWaiter } from "./waiting-requests.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.mset("stock:phone", "5", "stock:case", "5");
});

async function setRules(rules: string, sku = "phone") {
  const { tuples } = await side.call("change_rules", rulesRequest({ rules, sku }));
  if (tuples[0]?.[0] !== "CHANGED") throw new Error(`The rules were refused: ${tuples[0]}`);
}

const phones = (quantity: number) => ({ lines: [{ sku: "phone", quantity }] });
const both = (phone: number, other: number) => ({
  lines: [...phones(phone).lines, { sku: "case", quantity: other }],
});
const reserve = async (spec: CreateSpec) =>
  (await side.call("create_holds", createRequest(spec))).tuples[0] ?? [];
const partial = (spec: CreateSpec) => reserve({ options: "PARTIAL", ...spec });
const replace = (spec: CreateSpec) => reserve({ options: "REPLACE", ...spec });
/** What each line was granted. A refusal has numbers in these places, too. */
function grantedBy([word, , , , ...units]: unknown[]) {
  expect(word).toBe("CREATED");
  return units;
}
const linesOf = (hold_id: unknown) => side.redis.hget(keys.hold(String(hold_id)), "lines");
const statusOf = ({ hold_id }: HoldSpec) => side.redis.hget(keys.hold(hold_id), "status");

async function expectRefused(ask: () => Promise<unknown[]>, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect(await ask()).toEqual(tuple);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("PARTIAL", () => {
  test.each([
    [4, 4],
    [5, 5],
    [6, 5],
    [1000, 5],
  ])("of %d where there are 5 is granted %d", async (quantity, granted) => {
    const [word, hold_id, expires_at, created_at, ...units] = await partial(phones(quantity));
    expect([word, units]).toEqual(["CREATED", [granted]]);
    expect(Number(expires_at)).toBeGreaterThan(Number(created_at));
    expect(await linesOf(hold_id)).toBe(`phone@main=${granted}`);
    expect(await side.stockOf("phone")).toEqual([String(5 - granted), String(granted), "1"]);
    const payload = JSON.parse((await side.entries())[0]?.payload ?? "");
    expect(payload.lines).toMatchObject([{ sku: "phone", quantity: granted, held: granted }]);
  });

  test("leaves out the lines of which there is nothing, and says so", async () => {
    await side.redis.set("stock:case", "0");
    const [word, hold_id, , , ...units] = await partial({
      lines: [{ sku: "case", quantity: 2 }, ...phones(6).lines],
    });
    expect([word, units]).toEqual(["CREATED", [0, 5]]);
    expect(await linesOf(hold_id)).toBe("phone@main=5");
    expect(await side.stockOf("case")).toEqual(["0", null, null]);
  });

  test.each([
    ["SOLD_OUT", false],
    ["ALL_HELD", true],
  ])("of nothing at all is %s", async (word, held) => {
    if (held) await side.hold(phones(5));
    else await side.redis.set("stock:phone", "0");
    await expectRefused(() => partial(phones(2)), [word, "phone", "main", 2, 0, held ? 5 : 0]);
  });

  test.each([
    ["max_per_order=3", 3],
    ["max_per_customer=4", 4],
    ["max_per_customer=4 max_per_order=2", 2],
    ["max_per_order=9", 5],
  ])("takes what %s allows", async (rules, granted) => {
    await setRules(rules);
    expect(grantedBy(await partial(phones(6)))).toEqual([granted]);
  });

  test("shares what the rules allow between the lines of a sku, in their order", async () => {
    await setRules("max_per_order=4");
    await side.redis.set("stock:phone@north", "9");
    await side.redis.hset(keys.stores, "north", "0");
    const lines = [...phones(3).lines, { sku: "phone", store_id: "north", quantity: 3 }];
    const [, hold_id, , , ...granted] = await partial({ lines });
    expect(granted).toEqual([3, 1]);
    expect(await linesOf(hold_id)).toBe("phone@main=3 phone@north=1");
  });

  test("takes what is left to a customer, and is refused when that is nothing", async () => {
    await setRules("max_per_customer=3");
    await side.hold(phones(2));
    expect(grantedBy(await partial(phones(2)))).toEqual([1]);
    await expectRefused(
      () => partial(phones(2)),
      [...["LIMIT_EXCEEDED", "phone", "max_per_customer", 3, 0]],
    );
  });

  test("does not get around the number of holds, nor a sale that is closed", async () => {
    await setRules("max_active_holds=1");
    await side.hold(phones(1));
    await expectRefused(
      () => partial(phones(9)),
      [...["LIMIT_EXCEEDED", "phone", "max_active_holds", 1, 0]],
    );
    await setRules("paused=1");
    await expectRefused(() => partial(phones(9)), ["SALE_PAUSED", "phone"]);
  });

  test("is answered again with what was granted", async () => {
    const first = await partial({ ...both(9, 2), idem: "k" });
    await side.redis.set("stock:phone", "9");
    const again = await partial({ ...both(9, 2), idem: "k" });
    expect(again).toEqual(["REPLAYED", ...first.slice(1).map(String)]);
    expect(first.slice(4)).toEqual([5, 2]);
  });

  test("of a batch grants each unit once", async () => {
    const requests = Array.from({ length: 4 }, () =>
      createRequest({ ...phones(2), options: "PARTIAL" }),
    );
    const { tuples } = await side.call("create_holds", ...requests);
    expect(tuples.map(([word, ...words]) => [word, ...words.slice(3)])).toEqual([
      ["CREATED", 2],
      ["CREATED", 2],
      ["CREATED", 1],
      ["ALL_HELD", 0, 5],
    ]);
  });
});

describe("REPLACE", () => {
  test("of a hold with bad lines is refused, and the others of its batch are not", async () => {
    const old = await side.hold({ ...phones(2), options: "REPLACE" });
    const of_bad = createRequest({
      ...phones(1),
      options: "REPLACE",
      replaced: { ...old, lines: [{ sku: "phone", quantity: 0 }] },
    });
    const { tuples } = await side.call("create_holds", of_bad, createRequest(phones(1)));
    expect(tuples.map(([word]) => word)).toEqual(["BAD_ARGUMENT", "CREATED"]);
    expect(await statusOf(old)).toBe("ACTIVE");
  });

  test("without a hold of one's own makes one, which is found the next time", async () => {
    const hold_id = newHold();
    expect((await replace({ ...phones(2), hold_id }))[0]).toBe("CREATED");
    expect(await side.redis.hgetall(keys.own_holds)).toEqual({ "phone user-1": hold_id });
  });

  test("takes the units of the old hold, all of which it may need", async () => {
    const old = await side.hold({ ...phones(5), options: "REPLACE" });
    const hold_id = newHold();
    const [word] = await replace({ ...phones(5), hold_id, replaced: old });
    expect([word, await statusOf(old)]).toEqual(["CREATED", "CANCELLED"]);
    expect(await side.stockOf("phone")).toEqual(["0", "5", "3"]);
    const events = await side.entries();
    expect(events.map(({ type }) => type)).toEqual([
      "HOLD_CREATED",
      "HOLD_CANCELLED",
      "HOLD_CREATED",
    ]);
    expect(JSON.parse(events[1]?.payload ?? "")).toMatchObject({
      ...{ hold_id: old.hold_id, reason: "replaced", version: 2 },
      lines: [{ available: 5, held: 0, version: 2 }],
    });
    expect(await side.redis.zrange(keys.deadlines, "0", "-1")).toEqual([hold_id]);
    expect(await side.redis.hgetall(keys.own_holds)).toEqual({ "phone user-1": hold_id });
  });

  test.each([4, 5, 6])("of 5 held, asked for %d where nothing else is left", async (quantity) => {
    const old = await side.hold({ ...phones(5), options: "REPLACE" });
    const ask = () => replace({ ...phones(quantity), replaced: old });
    if (quantity <= 5) expect((await ask())[0]).toBe("CREATED");
    else await expectRefused(ask, ["ALL_HELD", "phone", "main", 6, 0, 5]);
    expect(await statusOf(old)).toBe(quantity <= 5 ? "CANCELLED" : "ACTIVE");
  });

  test("does not count the old hold against the customer", async () => {
    await setRules("max_per_customer=3 max_active_holds=1");
    const old = await side.hold(phones(3));
    const refusal = ["LIMIT_EXCEEDED", "phone", "max_per_customer", 3, 3];
    await expectRefused(() => replace({ ...phones(4), replaced: old }), refusal);
    const hold_id = newHold();
    expect((await replace({ ...phones(3), hold_id, replaced: old }))[0]).toBe("CREATED");
    expect(await side.redis.hget(keys.customers, "phone user-1")).toBe("3 1");
  });

  test("of a hold that is due expires that one, which no other may use before", async () => {
    const due = await side.dueHold({ ...phones(5), options: "REPLACE" });
    expect((await replace({ ...phones(5), replaced: due }))[0]).toBe("CREATED");
    expect(await statusOf(due)).toBe("EXPIRED");
    const { tuples } = await side.call("expire_holds", expireRequest(due));
    expect(tuples).toEqual([["ENDED"]]);
    expect(await side.stockOf("phone")).toEqual(["0", "5", "3"]);
  });

  test("gives back the other skus of the old hold", async () => {
    await setRules("max_per_customer=5", "case");
    const old = await side.hold({ ...both(2, 3), options: "REPLACE" });
    expect((await replace({ ...phones(1), replaced: old }))[0]).toBe("CREATED");
    expect(await side.stockOf("case")).toEqual(["5", "0", "2"]);
    expect(await side.redis.exists(keys.customers)).toBe(0);
    expect(Object.keys(await side.redis.hgetall(keys.own_holds))).toEqual(["phone user-1"]);
  });

  test("with PARTIAL takes what there is beside its own", async () => {
    const old = await side.hold({ ...phones(3), options: "REPLACE" });
    await side.hold({ ...phones(1), user_id: "user-2" });
    const spec = { ...phones(9), options: "PARTIAL REPLACE", replaced: old };
    expect(grantedBy(await reserve(spec))).toEqual([4]);
    expect(await side.stockOf("phone")).toEqual(["0", "5", "4"]);
  });

  test("with PARTIAL takes what the rules allow once the old hold is gone", async () => {
    await setRules("max_per_customer=3");
    const old = await side.hold(phones(3));
    const spec = { ...phones(9), options: "PARTIAL REPLACE", replaced: old };
    expect(grantedBy(await reserve(spec))).toEqual([3]);
  });

  test("finds a hold that has any of the skus, in whichever line that is", async () => {
    const old = await side.hold({ lines: both(1, 1).lines.slice(1), options: "REPLACE" });
    await expectRefused(() => replace(both(1, 1)), ["STALE_LINES"]);
    expect((await replace({ ...both(1, 1), replaced: old }))[0]).toBe("CREATED");
    expect(await statusOf(old)).toBe("CANCELLED");
  });

  test("of nobody finds no hold, since nobody has one of his own", async () => {
    for (let i = 0; i < 2; i += 1) {
      expect((await replace({ ...phones(1), user_id: "" }))[0]).toBe("CREATED");
    }
    expect(await side.redis.exists(keys.own_holds)).toBe(0);
    expect(await side.stockOf("phone")).toEqual(["3", "2", "2"]);
  });

  test("finds a hold of a sku with rules, however that was made", async () => {
    await setRules("max_per_order=5");
    const old = await side.hold(phones(1));
    await expectRefused(() => replace(phones(1)), ["STALE_LINES"]);
    expect((await replace({ ...phones(1), replaced: old }))[0]).toBe("CREATED");
  });

  test("finds an offer, which counts like any hold of one's own", async () => {
    await setRules("max_per_customer=3 max_active_holds=1");
    const taken = await side.hold({ ...phones(2), user_id: "user-2" });
    await side.hold({ ...phones(3), user_id: "user-3" });
    const waiter_id = newWaiter();
    await side.call("join_waiting", joinRequest({ waiter_id, user_id: "user-1", quantity: 2 }));
    await side.call("cancel_holds", cancelRequest(taken));
    const offer = { hold_id: `H-${waiter_id.slice(2)}`, ...phones(2) };
    expect(await side.redis.hget(keys.own_holds, "phone user-1")).toBe(offer.hold_id);
    const limit = ["LIMIT_EXCEEDED", "phone", "max_active_holds", 1, 0];
    await expectRefused(() => reserve(phones(1)), limit);
    await expectRefused(() => replace(phones(1)), ["STALE_LINES"]);
    const hold_id = newHold();
    expect((await replace({ ...phones(1), hold_id, replaced: offer }))[0]).toBe("CREATED");
    expect(await statusOf(offer)).toBe("CANCELLED");
    expect(await side.redis.hget(keys.own_holds, "phone user-1")).toBe(hold_id);
    expect(await side.redis.hget(keys.customers, "phone user-1")).toBe("1 1");
  });

  test("ends a hold that is in no index, when its caller names it", async () => {
    const old = await side.hold(phones(5));
    expect((await replace({ ...phones(5), replaced: old }))[0]).toBe("CREATED");
    expect(await statusOf(old)).toBe("CANCELLED");
  });

  test.each([
    ["confirm_holds", confirmRequest],
    ["cancel_holds", cancelRequest],
  ] as const)(
    "leaves a hold that %s has ended, and needs units of its own",
    async (script, end) => {
      const old = await side.hold({ ...phones(3), options: "REPLACE" });
      await side.call(script, end(old));
      expect(await side.redis.exists(keys.own_holds)).toBe(0);
      const before = await side.redis.hgetall(keys.hold(old.hold_id));
      expect((await replace({ ...phones(2), replaced: old }))[0]).toBe("CREATED");
      expect(await side.redis.hgetall(keys.hold(old.hold_id))).toEqual(before);
    },
  );

  test("never ends another customer's hold", async () => {
    const other = await side.hold({ ...phones(5), user_id: "user-2", options: "REPLACE" });
    await expectRefused(
      () => replace({ ...phones(1), replaced: other }),
      [...["ALL_HELD", "phone", "main", 1, 0, 5]],
    );
    const nobody = await side.hold({ lines: both(1, 1).lines.slice(1), user_id: "" });
    const spec = { ...both(1, 1), lines: both(1, 1).lines.slice(1), replaced: nobody };
    expect((await replace(spec))[0]).toBe("CREATED");
    expect(await statusOf(nobody)).toBe("ACTIVE");
  });

  test("is stale when the hold is another one by then, or has other lines", async () => {
    const old = await side.hold({ ...phones(2), options: "REPLACE" });
    const newer = await side.hold({ ...phones(1), options: "REPLACE", replaced: old });
    const ask = (replaced?: HoldSpec) => () => replace({ ...phones(1), replaced });
    await expectRefused(ask(), ["STALE_LINES"]);
    await expectRefused(ask(old), ["STALE_LINES"]);
    await expectRefused(ask({ ...newer, ...phones(2) }), ["STALE_LINES"]);
    await expectRefused(ask({ ...newer, ...both(1, 1) }), ["STALE_LINES"]);
  });

  test("twice by one customer in a batch: the second is told to look again", async () => {
    const old = await side.hold({ ...phones(1), options: "REPLACE" });
    const request = () => createRequest({ ...phones(2), options: "REPLACE", replaced: old });
    const { tuples } = await side.call("create_holds", request(), request());
    expect(tuples.map(([word]) => word)).toEqual(["CREATED", "STALE_LINES"]);
    expect(await side.stockOf("phone")).toEqual(["3", "2", "3"]);
  });

  test("is answered again with the hold it made, which stays", async () => {
    const old = await side.hold({ ...phones(1), options: "REPLACE" });
    const spec = { ...phones(2), replaced: old, idem: "k" };
    const first = await replace(spec);
    const again = ["REPLAYED", ...first.slice(1).map(String)];
    await expectRefused(() => replace(spec), again);
    // The caller looks for its own hold anew, and finds the one that this made.
    const own = { hold_id: String(first[1]), ...phones(2) };
    await expectRefused(() => replace({ ...spec, replaced: own }), again);
  });

  test.each([
    ["SALE_PAUSED", "paused=1"],
    ["SALE_CLOSED", "closes_at=1"],
    ["SALE_NOT_OPEN", "opens_at=4000000000000"],
  ])("that is refused as %s leaves the hold", async (word, rules) => {
    const old = await side.hold({ ...phones(1), options: "REPLACE" });
    await setRules(rules);
    const before = await dumpAll(side.redis);
    expect((await replace({ ...phones(1), replaced: old }))[0]).toBe(word);
    expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("is bad when the hold to be replaced is not said in full, with all behind it", async () => {
    const old = await side.hold({ ...phones(1), options: "REPLACE" });
    const cut = createRequest({ ...phones(1), options: "REPLACE", replaced: old });
    for (const [name, at] of [
      ["terms", 5],
      ["lines", 13],
    ] as const) {
      const bad = { keys: cut.keys, args: cut.args.with(at, "x") };
      const before = await dumpAll(side.redis);
      const { tuples } = await side.call("create_holds", bad, createRequest(phones(1)));
      expect([name, tuples]).toEqual([name, [["BAD_ARGUMENT"], ["BAD_ARGUMENT"]]]);
      expect(await dumpAll(side.redis)).toEqual(before);
    }
  });

  test("is refused when the old hold or its stock is corrupt", async () => {
    const old = await side.hold({ ...phones(2), options: "REPLACE" });
    const ask = () => replace({ ...phones(1), replaced: old });
    await side.redis.hset("item:phone", "held", "1");
    await expectRefused(ask, ["CORRUPT", "item:phone"]);
    await side.redis.hset("item:phone", "held", "2");
    await side.redis.hset(keys.hold(old.hold_id), "status", "ODD");
    await expectRefused(ask, ["CORRUPT", keys.hold(old.hold_id)]);
  });
});
