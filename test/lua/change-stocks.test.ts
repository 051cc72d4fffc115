import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import {
  CORRUPT_STOCKS,
  dumpAll,
  keys,
  openScripts,
  registerStores,
  type ScriptSide,
} from "./script-side.ts";
import { type ChangeSpec, changeRequest } from "./stock-requests.ts";

const UNITS_MAX = 1_000_000_000;
const STOCK_MAX = 999_999_999_999;

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

const change = (...specs: ChangeSpec[]) =>
  side.call("change_stocks", ...specs.map((spec) => changeRequest(spec)));
const wordsOf = (tuples: unknown[][]) => tuples.map(([word]) => word);

async function expectRefused(spec: ChangeSpec, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await change(spec)).tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("an adjustment", () => {
  test("adds to what is available or takes from it, and leaves what is held", async () => {
    await side.hold({ lines: [{ sku: "phone", quantity: 2 }] });
    const more = await change({ units: 7, event_id: "e-1" });
    expect(more.tuples).toEqual([["CHANGED", "e-1", more.now, 10, 2, 2, 7]]);
    const fewer = await change({ units: -4, event_id: "e-2" });
    expect(fewer.tuples).toEqual([["CHANGED", "e-2", fewer.now, 6, 2, 3, -4]]);
    expect(await side.stockOf("phone")).toEqual(["6", "2", "3"]);
    expect(await side.redis.hget("item:phone", "changed_at")).toBe(String(fewer.now));
  });

  test("is told by one event that is complete and that the recorder can read", async () => {
    const event_id = "0192b3a4-0000-7000-8000-000000000011";
    const odd = 'Zoë "\\/\u2028';
    const said = { reason: "damage", reference: odd, notes: odd, trace_id: odd, actor: odd };
    const { now } = await change({ units: -2, event_id, request_id: "r", ...said });
    const [entry = {}, ...others] = await side.entries();
    expect(others).toEqual([]);
    const payload = {
      event_version: 1,
      occurred_at: now,
      request_id: "r",
      ...said,
      lines: [
        { sku: "phone", store_id: "main", available_delta: -2, available: 3, held: 0, version: 1 },
      ],
    };
    expect(JSON.parse(entry.payload ?? "")).toEqual({ ...payload, record: expect.any(Array) });
    expect(parseEvent(entry)).toMatchObject({ event_id, type: "STOCK_ADJUSTED", seq: 1, payload });
    expect(await side.redis.get(keys.seq)).toBe("1");
  });

  test("leaves out of the event what was not said", async () => {
    await change({});
    const [entry] = await side.entries();
    expect(Object.keys(JSON.parse(entry?.payload ?? ""))).toEqual([
      "event_version",
      "occurred_at",
      "request_id",
      "actor",
      "record",
      "lines",
    ]);
  });

  test("makes a stock known that nobody knew, as if it had been empty", async () => {
    expect((await change({ sku: "case", units: 3 })).tuples[0]?.slice(3)).toEqual([3, 0, 1, 3]);
    expect(await side.stockOf("case")).toEqual(["3", "0", "1"]);
    await expectRefused({ sku: "ghost", units: -1 }, ["WOULD_GO_NEGATIVE", 0]);
  });

  test("leaves a TTL that somebody put on the stock as it is", async () => {
    await side.redis.set("stock:phone", "5", "PXAT", 4_000_000_000_000);
    await change({ units: 1 });
    expect(await side.redis.pexpiretime("stock:phone")).toBe(4_000_000_000_000);
  });

  test.each([
    [-4, ["CHANGED", 1]],
    [-5, ["CHANGED", 0]],
    [-6, ["WOULD_GO_NEGATIVE", 5]],
    [UNITS_MAX, ["CHANGED", UNITS_MAX + 5]],
    [-UNITS_MAX, ["WOULD_GO_NEGATIVE", 5]],
  ])("by %d of a stock of 5 is %j", async (units, answer) => {
    const { tuples } = await change({ units, event_id: "e" });
    const [word, ...rest] = tuples[0] ?? [];
    expect([word, word === "CHANGED" ? rest[2] : rest[0]]).toEqual(answer);
  });

  test.each([
    [STOCK_MAX - 3, 0, 2, "CHANGED"],
    [STOCK_MAX - 3, 0, 3, "CHANGED"],
    [STOCK_MAX - 3, 0, 4, "TOO_MANY"],
    [STOCK_MAX - 3, 2, 1, "CHANGED"],
    [STOCK_MAX - 3, 2, 2, "TOO_MANY"],
    [STOCK_MAX + 9, 0, -1, "CHANGED"],
    [999_999_999_999_999, 0, 1, "TOO_MANY"],
  ])("with %d available and %d held, by %d, is %s", async (available, held, units, word) => {
    await side.redis.set("stock:phone", String(available));
    await side.redis.hset("item:phone", { held: String(held), version: "1" });
    if (word === "TOO_MANY") await expectRefused({ units }, ["TOO_MANY", available]);
    else expect(wordsOf((await change({ units })).tuples)).toEqual(["CHANGED"]);
    const left = word === "TOO_MANY" ? available : available + units;
    expect(await side.redis.get("stock:phone")).toBe(String(left));
  });
});

describe("of a thousand stores, the default one among them,", () => {
  test("the last one is registered, and a known one may be changed on", async () => {
    await registerStores(side.redis, 998);
    const specs = [{ store_id: "north" }, { store_id: "north" }, { store_id: "main" }];
    expect(wordsOf((await change(...specs)).tuples)).toEqual(["CHANGED", "CHANGED", "CHANGED"]);
    expect(await side.redis.hlen(keys.stores)).toBe(999);
    expect(wordsOf((await change({ store_id: "north" })).tuples)).toEqual(["CHANGED"]);
  });

  test("another one is one too many, also within a batch", async () => {
    await registerStores(side.redis, 998);
    const { tuples } = await change({ store_id: "north" }, { store_id: "south" });
    expect(wordsOf(tuples)).toEqual(["CHANGED", "TOO_MANY_STORES"]);
    await expectRefused({ store_id: "south" }, ["TOO_MANY_STORES"]);
  });
});

describe("a count", () => {
  const count = (units: number, more: ChangeSpec = {}) =>
    change({ operation: "COUNT", units, event_id: "e", ...more });

  test.each([
    [0, 0, -3],
    [1, 0, -3],
    [2, 0, -3],
    [3, 1, -2],
    [4, 2, -1],
    [5, 3, 0],
    [6, 4, 1],
    [UNITS_MAX, UNITS_MAX - 2, UNITS_MAX - 5],
  ])("of %d, 2 of them held, leaves %d available, which is %d", async (units, left, delta) => {
    await side.hold({ lines: [{ sku: "phone", quantity: 2 }] });
    const { now, tuples } = await count(units);
    expect(tuples).toEqual([["CHANGED", "e", now, left, 2, 2, delta]]);
    expect(await side.stockOf("phone")).toEqual([String(left), "2", "2"]);
    const payload = JSON.parse((await side.entries())[1]?.payload ?? "");
    expect(payload.on_hand).toBe(units);
    expect(payload.lines).toEqual([
      {
        sku: "phone",
        store_id: "main",
        available_delta: delta,
        available: left,
        held: 2,
        version: 2,
      },
    ]);
  });

  test("is an event the recorder can read, also when it finds no difference", async () => {
    const event_id = "0192b3a4-0000-7000-8000-000000000012";
    await count(5, { event_id, reason: "count" });
    const [entry = {}] = await side.entries();
    expect(parseEvent(entry)).toMatchObject({
      type: "STOCK_COUNTED",
      payload: { on_hand: 5, reason: "count", lines: [{ available_delta: 0, version: 1 }] },
    });
  });

  test("of 0 makes a stock known that nobody knew", async () => {
    expect((await count(0, { sku: "case" })).tuples[0]?.slice(3)).toEqual([0, 0, 1, 0]);
    expect(await side.stockOf("case")).toEqual(["0", "0", "1"]);
  });

  test("mends a stock that is beyond all measure", async () => {
    await side.redis.set("stock:phone", "999999999999999");
    expect((await count(7)).tuples[0]?.[3]).toBe(7);
  });
});

describe("a store that is named", () => {
  test("is registered with rank 0 unless it is there, or is the default one", async () => {
    await side.redis.hset(keys.stores, "south", "7");
    await change({}, { store_id: "north" }, { store_id: "south" }, { store_id: "north" });
    expect(await side.redis.hgetall(keys.stores)).toEqual({ north: "0", south: "7" });
    expect(await side.stockOf("phone", "north")).toEqual(["2", "0", "2"]);
    expect(await side.stockOf("phone")).toEqual(["6", "0", "1"]);
  });

  test("is not registered by a change that is refused or repeated", async () => {
    await expectRefused({ store_id: "north", units: -1 }, ["WOULD_GO_NEGATIVE", 0]);
    await change({ store_id: "north", idem: "k" });
    await side.redis.del(keys.stores);
    expect(wordsOf((await change({ store_id: "north", idem: "k" })).tuples)).toEqual(["REPLAYED"]);
    expect(await side.redis.exists(keys.stores)).toBe(0);
  });
});

describe("a change that names a version", () => {
  test.each([
    [8, "VERSION_CONFLICT"],
    [9, "CHANGED"],
    [10, "VERSION_CONFLICT"],
  ])("of %d is, at version 9, %s", async (if_version, word) => {
    await side.redis.hset("item:phone", { held: "0", version: "9" });
    if (word === "CHANGED") expect(wordsOf((await change({ if_version })).tuples)).toEqual([word]);
    else await expectRefused({ if_version }, ["VERSION_CONFLICT", 9]);
  });

  test("of 0 is for a stock that no script has changed, known or not", async () => {
    const { tuples } = await change({ if_version: 0 }, { sku: "case", if_version: 0 });
    expect(wordsOf(tuples)).toEqual(["CHANGED", "CHANGED"]);
    await expectRefused({ if_version: 0 }, ["VERSION_CONFLICT", 1]);
  });

  test("is refused for it before its units are looked at, and repeated before both", async () => {
    await expectRefused({ if_version: 3, units: -6 }, ["VERSION_CONFLICT", 0]);
    await change({ if_version: 0, idem: "k" });
    expect(wordsOf((await change({ if_version: 0, idem: "k" })).tuples)).toEqual(["REPLAYED"]);
  });
});

describe("a batch of changes", () => {
  test("applies each to the stock as the one before has left it", async () => {
    const { now, tuples } = await change(
      { units: -5, event_id: "e-1" },
      { units: -1 },
      { units: 2, event_id: "e-2", if_version: 1 },
      { units: 2, if_version: 1 },
      { operation: "COUNT", units: 9, event_id: "e-3" },
    );
    expect(tuples).toEqual([
      ["CHANGED", "e-1", now, 0, 0, 1, -5],
      ["WOULD_GO_NEGATIVE", 0],
      ["CHANGED", "e-2", now, 2, 0, 2, 2],
      ["VERSION_CONFLICT", 2],
      ["CHANGED", "e-3", now, 9, 0, 3, 7],
    ]);
    expect(await side.stockOf("phone")).toEqual(["9", "0", "3"]);
    expect((await side.entries()).map(({ event_id }) => event_id)).toEqual(["e-1", "e-2", "e-3"]);
  });

  test("that leaves an unknown stock as empty as it was makes it known", async () => {
    await change({ sku: "case", units: 3 }, { sku: "case", units: -3 });
    expect(await side.stockOf("case")).toEqual(["0", "0", "2"]);
  });

  test("leaves bad neighbours aside", async () => {
    await side.redis.set("stock:broken", "abc");
    const { tuples } = await change(
      {},
      { units: "x" },
      { deadline: 1 },
      { sku: "broken" },
      { units: -9 },
      {},
    );
    expect(wordsOf(tuples)).toEqual([
      "CHANGED",
      "BAD_ARGUMENT",
      "LATE",
      "CORRUPT",
      "WOULD_GO_NEGATIVE",
      "CHANGED",
    ]);
    expect(await side.stockOf("phone")).toEqual(["7", "0", "2"]);
  });
});

describe("a change is refused, and nothing is written,", () => {
  const numbers = ["", "x", "1.5", "1e1", "0x1", "nan", "inf", " 1", "01", "+1", "--1", "-", "-01"];
  const bad: [string, ChangeSpec][] = [
    ...[...numbers, "0", "-0", "1000000001", "-1000000001"].map((units): [string, ChangeSpec] => [
      `an adjustment by ${units}`,
      { units },
    ]),
    ...[...numbers, "-1", "-0", "1000000001"].map((units): [string, ChangeSpec] => [
      `a count of ${units}`,
      { operation: "COUNT", units },
    ]),
    ...["-1", "x", "1.5", "01"].map((if_version): [string, ChangeSpec] => [
      `version ${if_version}`,
      { if_version },
    ]),
    ["another operation", { operation: "adjust" }],
    ["no operation", { operation: "" }],
    ["registers that is neither", { registers: "2" }],
    ["no registers", { registers: "" }],
    ["a deadline that is no number", { deadline: "soon" }],
  ];
  test.each(bad)("for a bad argument: %s", (_, spec) => expectRefused(spec, ["BAD_ARGUMENT"]));

  test.each(CORRUPT_STOCKS)("when its stock holds %s", async (_, corrupt) => {
    await corrupt(side.redis, "stock:phone");
    await expectRefused({}, ["CORRUPT", "stock:phone"]);
    await expectRefused({ operation: "COUNT" }, ["CORRUPT", "stock:phone"]);
  });

  test.each(["held", "version"])("when its item's %s is no whole number", async (field) => {
    await side.redis.hset("item:phone", field, "-1");
    await expectRefused({}, ["CORRUPT", "item:phone"]);
  });

  test.each(["item:phone", keys.stores])("when %s is of another type", async (key) => {
    await side.redis.set(key, "text");
    await expectRefused({}, ["CORRUPT", key]);
  });
});
