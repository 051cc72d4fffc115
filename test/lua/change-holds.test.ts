import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { type ChangeSpec, changeLinesRequest } from "./changing-requests.ts";
import { rulesRequest } from "./rules-requests.ts";
import {
  cancelRequest,
  confirmRequest,
  createRequest,
  DAY_MS,
  dumpAll,
  keys,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";

const EVENT_ID = "01890000-0000-7000-8000-000000000001";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await side.redis.config("SET", "maxmemory", "0");
  await emptyRedis(side.redis);
  await side.redis.mset("stock:phone", "10", "stock:case", "10", "stock:film", "10");
});

type Script = "change_holds" | "reduce_holds";
const ask = (script: Script, ...specs: ChangeSpec[]) =>
  side.call(script, ...specs.map(changeLinesRequest));
const change = async (spec: ChangeSpec) => (await ask("change_holds", spec)).tuples[0];
const setRules = (rules: string, sku = "phone") =>
  side.call("change_rules", rulesRequest({ sku, rules }));
const hashOf = (hold_id: string) => side.redis.hgetall(keys.hold(hold_id));
const count = (sku: string) => side.redis.hget(keys.customers, `${sku} user-1`);

async function expectNothingDone(script: Script, spec: ChangeSpec, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await ask(script, spec)).tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

/** A hold of 3 phones and 2 cases. */
const held = () =>
  side.hold({
    lines: [
      { sku: "phone", quantity: 3 },
      { sku: "case", quantity: 2 },
    ],
  });
const phones = (quantity: number | string) => [{ sku: "phone", quantity }];

describe("a change", () => {
  test("of some lines leaves the others, takes the difference, and says all of it in one event", async () => {
    const hold = await held();
    const before = await hashOf(hold.hold_id);
    const wanted = [
      { sku: "case", quantity: 0 },
      { sku: "film", quantity: 4 },
      { sku: "phone", quantity: 3 },
    ];
    const spec = { ...hold, wanted, event_id: EVENT_ID, idem: "k" };
    const lines = "phone@main=3 film@main=4";
    const at = String(hold.expires_at);
    expect(await change(spec)).toEqual(["CHANGED", EVENT_ID, "2", at, lines]);
    expect(await hashOf(hold.hold_id)).toEqual({ ...before, lines, version: "2" });
    expect(await side.redis.zscore(keys.deadlines, hold.hold_id)).toBe(at);
    expect(await side.stockOf("phone")).toEqual(["7", "3", "1"]); // untouched
    expect(await side.stockOf("case")).toEqual(["10", "0", "2"]);
    expect(await side.stockOf("film")).toEqual(["6", "4", "1"]);
    const entry = (await side.entries())[1] ?? {};
    const { lines: told, ...payload } = JSON.parse(entry.payload ?? "");
    const line = (sku: string, quantity: number, delta: number, after: number[]) => ({
      ...{ sku, store_id: "main", quantity },
      ...{ available: after[0], held: after[1], version: after[2] },
      ...{ available_delta: 0 - delta, held_delta: delta },
    });
    expect(told).toEqual([
      line("phone", 3, 0, [7, 3, 1]),
      line("case", 0, -2, [10, 0, 2]),
      line("film", 4, 4, [6, 4, 1]),
    ]);
    expect(payload).toMatchObject({ status: "ACTIVE", version: 2, expires_at: hold.expires_at });
    expect(parseEvent(entry)).toMatchObject({ type: "HOLD_CHANGED", event_id: EVENT_ID, seq: 2 });
    // Its own key knows it, whatever the lines are by then.
    const again = { ...spec, event_id: "other", lines: lineSpecs(lines) };
    const words = ["REPLAYED", "CHANGED", EVENT_ID, "2", at, ...lines.split(" ")];
    await expectNothingDone("change_holds", again, words);
    await expectNothingDone("reduce_holds", again, words);
    await expectNothingDone("change_holds", { ...again, fingerprint: "g" }, [
      "IDEMPOTENCY_KEY_REUSED",
    ]);
  });

  test("to nothing ends the hold as a cancel does, and can be asked again", async () => {
    const hold = await held();
    const wanted = [...phones(0), { sku: "case", quantity: 0 }];
    const spec = { ...hold, wanted, event_id: EVENT_ID, idem: "k" };
    const { now, tuples } = await ask("reduce_holds", spec);
    const at = String(hold.expires_at);
    expect(tuples).toEqual([["CANCELLED", EVENT_ID, 2, at]]);
    const after = { status: "CANCELLED", ended_at: String(now), ended_by: EVENT_ID, version: "2" };
    expect(await hashOf(hold.hold_id)).toMatchObject(after);
    expect(await side.redis.pexpiretime(keys.hold(hold.hold_id))).toBe(now + DAY_MS);
    expect(await side.redis.zcard(keys.deadlines)).toBe(0);
    expect(await side.stockOf("phone")).toEqual(["10", "0", "2"]);
    expect((await side.entries()).map(({ type }) => type)).toEqual([
      ...["HOLD_CREATED", "HOLD_CANCELLED"],
    ]);
    const words = ["REPLAYED", "CANCELLED", EVENT_ID, "2", at];
    await expectNothingDone("reduce_holds", spec, words);
  });

  test("to what it has already is none", async () => {
    const hold = await held();
    const unchanged = ["UNCHANGED", "1", String(hold.expires_at), "phone@main=3 case@main=2"];
    await expectNothingDone("change_holds", { ...hold, wanted: phones(3) }, unchanged);
    const none = [{ sku: "film", quantity: 0 }];
    await expectNothingDone("reduce_holds", { ...hold, wanted: none }, unchanged);
  });

  test.each([
    [9, "CHANGED"],
    [10, "CHANGED"],
    [11, "SOLD_OUT"],
  ])("to %d of 10 units, 3 of which it has: %s", async (quantity, word) => {
    const hold = await side.hold({ lines: phones(3) });
    const answer = await change({ ...hold, wanted: phones(quantity) });
    if (word === "SOLD_OUT") expect(answer).toEqual([word, "phone", "main", quantity - 3, 7, 0]);
    else expect(answer?.[0]).toBe(word);
    const now_held = word === "SOLD_OUT" ? 3 : quantity;
    const [available, of_holds] = await side.stockOf("phone");
    expect([available, of_holds]).toEqual([String(10 - now_held), String(now_held)]);
  });

  test("that is short of several skus names each, and takes nothing of the rest", async () => {
    const hold = await held();
    const wanted = [...phones(11), { sku: "case", quantity: 1 }, { sku: "film", quantity: 11 }];
    await expectNothingDone("change_holds", { ...hold, wanted }, [
      ...["SOLD_OUT", "phone", "main", 8, 7, 0],
      ...["film", "main", 11, 10, 0],
    ]);
  });

  test("of a hold at another version than named is refused, at this one done", async () => {
    const hold = await side.hold({ lines: phones(3) });
    for (const if_version of [0, 2]) {
      const spec = { ...hold, wanted: phones(2), if_version };
      await expectNothingDone("reduce_holds", spec, ["VERSION_CONFLICT", 1]);
    }
    expect((await change({ ...hold, wanted: phones(2), if_version: 1 }))?.[0]).toBe("CHANGED");
  });

  test("is decided by what those before it in the batch have left", async () => {
    const hold = await side.hold({ lines: phones(3) });
    const other = await side.hold({ lines: phones(6) });
    const { tuples } = await ask(
      "change_holds",
      { ...hold, wanted: phones(1) },
      { ...other, wanted: phones(9) },
      { ...hold, wanted: phones(2) },
      { ...hold, lines: phones(1), wanted: phones(2) },
    );
    expect(tuples.map(([word]) => word)).toEqual(["CHANGED", "CHANGED", "STALE_LINES", "ALL_HELD"]);
    expect(await side.stockOf("phone")).toEqual(["0", "10", "4"]);
  });
});

const lineSpecs = (text: string) =>
  text.split(" ").map((word) => {
    const [sku = "", quantity = ""] = word.split("@main=");
    return { sku, quantity };
  });

describe("the rules of a sale", () => {
  const STOPS = ["paused=1", "opens_at=4000000000000", "closes_at=1"];
  test.each(STOPS)("%s stop more, and never less", async (rules) => {
    const hold = await side.hold({ lines: phones(3) });
    await setRules(rules);
    const word = { p: "SALE_PAUSED", o: "SALE_NOT_OPEN", c: "SALE_CLOSED" }[rules.charAt(0)];
    expect((await change({ ...hold, wanted: phones(4) }))?.slice(0, 2)).toEqual([word, "phone"]);
    expect((await change({ ...hold, wanted: phones(2) }))?.[0]).toBe("CHANGED");
    const added = [...phones(1), { sku: "film", quantity: 1 }];
    expect((await change({ ...hold, lines: phones(2), wanted: added }))?.[0]).toBe("CHANGED");
  });

  test.each([
    ["max_per_order=4", "max_per_order", 4, 1],
    ["max_per_customer=5", "max_per_customer", 5, 1], // one is sold
  ])("%s counts what the hold has already", async (rules, name, limit, left) => {
    await setRules(rules);
    const sold = await side.hold();
    await side.call("confirm_holds", confirmRequest(sold));
    const hold = await side.hold({ lines: phones(3) });
    const spec = { ...hold, wanted: phones(5) };
    await expectNothingDone("change_holds", spec, ["LIMIT_EXCEEDED", "phone", name, limit, left]);
    expect((await change({ ...hold, wanted: phones(4) }))?.[0]).toBe("CHANGED");
  });

  test("of active holds count a sku that is added, and not one that grows", async () => {
    await setRules("max_active_holds=1");
    const hold = await side.hold({ lines: phones(1) });
    expect((await change({ ...hold, wanted: phones(3) }))?.[0]).toBe("CHANGED");
    const other = await side.hold({ lines: [{ sku: "case", quantity: 1 }] });
    await expectNothingDone("change_holds", { ...other, wanted: phones(1) }, [
      ...["LIMIT_EXCEEDED", "phone", "max_active_holds", 1, 0],
    ]);
    expect(await count("phone")).toBe("3 1");
    const empty = [...phones(0), { sku: "film", quantity: 1 }];
    const [word, , , , lines] = (await change({ ...hold, lines: phones(3), wanted: empty })) ?? [];
    expect([word, lines]).toEqual(["CHANGED", "film@main=1"]);
    expect(await count("phone")).toBeNull();
    expect((await change({ ...other, wanted: phones(1) }))?.[0]).toBe("CHANGED");
    expect(await count("phone")).toBe("1 1");
  });

  test("ask who buys more of a sku that is limited per customer", async () => {
    const hold = await side.hold({ lines: phones(3), user_id: "" });
    await setRules("max_per_customer=5");
    const spec = { ...hold, wanted: phones(4) };
    await expectNothingDone("change_holds", spec, ["CUSTOMER_REQUIRED", "phone"]);
    expect((await change({ ...hold, wanted: phones(2) }))?.[0]).toBe("CHANGED");
  });
});

describe("a customer's own hold", () => {
  const own = (sku: string) => side.redis.hget(keys.own_holds, `${sku} user-1`);

  test("of a sku with rules is found by what it has now", async () => {
    for (const sku of ["phone", "case"]) await setRules("max_per_order=9", sku);
    const hold = await side.hold({ lines: phones(3) });
    expect([await own("phone"), await own("case")]).toEqual([hold.hold_id, null]);
    const wanted = [...phones(0), { sku: "case", quantity: 1 }];
    expect((await change({ ...hold, wanted }))?.[0]).toBe("CHANGED");
    expect([await own("phone"), await own("case")]).toEqual([null, hold.hold_id]);
    const lines = [{ sku: "case", quantity: 1 }];
    const none = [{ sku: "case", quantity: 0 }];
    const { tuples } = await ask("reduce_holds", { ...hold, lines, wanted: none });
    expect([tuples[0]?.[0], await own("case")]).toEqual(["CANCELLED", null]);
  });

  test("is not replaced by one of a sku that it has no more, as the ledger may not know yet", async () => {
    const hold = await side.hold({ lines: [{ sku: "case", quantity: 1 }] });
    const request = createRequest({ lines: phones(1), options: "REPLACE", replaced: hold });
    expect((await side.call("create_holds", request)).tuples[0]?.[0]).toBe("CREATED");
    expect(await hashOf(hold.hold_id)).toMatchObject({ status: "ACTIVE" });
  });
});

describe("a change is refused", () => {
  test("for a hold that is not, or has ended: the refusal says how", async () => {
    const [sold, cancelled, due] = [await side.hold(), await side.hold(), await side.dueHold()];
    await side.call("confirm_holds", confirmRequest(sold));
    await side.call("cancel_holds", cancelRequest(cancelled));
    const refusals = [
      [sold, ["HOLD_ALREADY_CONFIRMED"]],
      [cancelled, ["HOLD_CANCELLED"]],
      [due, ["HOLD_EXPIRED", due.expires_at]],
      [{ hold_id: "H-none", lines: [] }, ["HOLD_NOT_FOUND"]],
    ] as const;
    for (const [hold, tuple] of refusals) {
      const spec = { ...hold, lines: [...hold.lines], wanted: phones(0) };
      await expectNothingDone("reduce_holds", spec, [...tuple]);
      await expectNothingDone("change_holds", { ...spec, wanted: phones(2) }, [...tuple]);
    }
  });

  test("for what nobody has stocked, but only when it is to be had", async () => {
    const hold = await side.hold({ lines: phones(3) });
    const ghost = (quantity: number) => [{ sku: "ghost", quantity }];
    await expectNothingDone("change_holds", { ...hold, wanted: ghost(1) }, [
      "UNKNOWN_SKU",
      "ghost",
    ]);
    expect((await change({ ...hold, wanted: ghost(0) }))?.[0]).toBe("UNCHANGED");
  });

  test.each([-1, "1.5", "nan", "", 1001])("for a quantity of %j", async (quantity) => {
    const hold = await side.hold({ lines: phones(3) });
    for (const script of ["change_holds", "reduce_holds"] as const) {
      await expectNothingDone(script, { ...hold, wanted: phones(quantity) }, ["BAD_ARGUMENT"]);
    }
  });

  test("for a sku named twice, another version than a number, and more than 100 lines", async () => {
    const hold = await side.hold({ lines: phones(3) });
    const bad = ["BAD_ARGUMENT"];
    const twice = { ...hold, wanted: [...phones(1), ...phones(2)] };
    await expectNothingDone("change_holds", twice, bad);
    await expectNothingDone("change_holds", { ...hold, wanted: phones(1), if_version: "x" }, bad);
    const skus = Array.from({ length: 100 }, (_, i) => `sku-${i}`);
    await side.redis.mset(skus.flatMap((sku) => [`stock:${sku}`, "1"]));
    const all = skus.map((sku) => ({ sku, quantity: 1 }));
    await expectNothingDone("change_holds", { ...hold, wanted: all }, bad);
    expect((await change({ ...hold, wanted: all.slice(1) }))?.[0]).toBe("CHANGED");
  });
});

describe("a full Redis", () => {
  test("gives units back, and lets nobody take more", async () => {
    const [hold, other] = [await held(), await side.hold({ lines: phones(3) })];
    await side.redis.config("SET", "maxmemory", "1");
    const before = await dumpAll(side.redis);
    const more = { ...other, wanted: phones(4) };
    await expect(ask("change_holds", more)).rejects.toThrow(/^OOM /);
    expect((await ask("reduce_holds", more)).tuples).toEqual([["BAD_ARGUMENT"]]);
    expect(await dumpAll(side.redis)).toEqual(before);
    const { tuples } = await ask("reduce_holds", { ...hold, wanted: phones(1) });
    expect(tuples[0]?.[0]).toBe("CHANGED");
    expect(await side.stockOf("phone")).toEqual(["6", "4", "3"]);
  });
});
