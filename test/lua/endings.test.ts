import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { askAroundDeadlines } from "./deadline-edge.ts";
import {
  CORRUPT_STOCKS,
  cancelRequest,
  confirmRequest,
  dumpAll,
  type EndingSpec,
  expireRequest,
  type HoldSpec,
  keys,
  newHold,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";

// What confirm, cancel and expire have in common; what each has for itself is in its own file.
let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.mset("stock:phone", "5", "stock:case@north", "5");
});

const LINES = [
  { sku: "phone", quantity: 2 },
  { sku: "case", store_id: "north", quantity: 1 },
];

describe.each([
  { script: "confirm_holds", request: confirmRequest, word: "CONFIRMED" },
  { script: "cancel_holds", request: cancelRequest, word: "CANCELLED" },
  { script: "expire_holds", request: expireRequest, word: "EXPIRED" },
] as const)("$script", ({ script, request, word }) => {
  const endable = (spec = {}) =>
    script === "expire_holds"
      ? side.dueHold({ lines: LINES, ...spec })
      : side.hold({ lines: LINES, ...spec });
  const end = (...specs: EndingSpec[]) => side.call(script, ...specs.map((spec) => request(spec)));
  const score = (hold: HoldSpec) => side.redis.zscore(keys.deadlines, hold.hold_id);

  async function expectRefused(spec: EndingSpec, tuple: unknown[]) {
    const before = await dumpAll(side.redis);
    const { tuples } = await end(spec);
    expect(tuples).toEqual([tuple]);
    expect(await dumpAll(side.redis)).toEqual(before);
  }

  test("refuses bad arguments and writes nothing", async () => {
    const { hold_id } = await endable();
    for (const quantity of ["0", "1001", "-2", "2.0", "0x2", "", "02"]) {
      await expectRefused({ hold_id, lines: [{ sku: "phone", quantity }] }, ["BAD_ARGUMENT"]);
    }
    for (const deadline of ["", "never", "-1", "1e15"]) {
      await expectRefused({ hold_id, lines: LINES, deadline }, ["BAD_ARGUMENT"]);
    }
    const hundred = Array.from({ length: 101 }, (_, i) => ({ sku: `${i}`, quantity: 1 }));
    await expectRefused({ hold_id, lines: hundred }, ["BAD_ARGUMENT"]);
  });

  test("does nothing when any of its last arguments or keys are missing", async () => {
    const hold = await endable();
    const whole = request(hold);
    const before = await dumpAll(side.redis);
    for (const part of ["args", "keys"] as const) {
      for (let count = 0; count < whole[part].length; count += 1) {
        const { tuples } = await side
          .call(script, { ...whole, [part]: whole[part].slice(0, count) })
          .catch(() => ({ tuples: [] }));
        expect([part, count, tuples.flat().includes(word)]).toEqual([part, count, false]);
        expect(await dumpAll(side.redis)).toEqual(before);
      }
    }
  });

  test("is decided up to its request's deadline and not a millisecond longer", async () => {
    const { now, answers } = await askAroundDeadlines(side, (deadlines) =>
      end(...deadlines.map((deadline) => ({ hold_id: "H-none", lines: [], deadline }))),
    );
    expect(answers).toEqual(
      answers.map(({ deadline }) => ({
        deadline,
        word: now > deadline ? "LATE" : "HOLD_NOT_FOUND",
      })),
    );
  });

  test("too late leaves the hold as it is", async () => {
    const hold = await endable();
    await expectRefused({ ...hold, deadline: (await side.now()) - 1 }, ["LATE"]);
  });

  test("refuses lines that are not the hold's, and writes nothing", async () => {
    const { hold_id } = await endable();
    const other = [
      LINES.slice(0, 1),
      [...LINES].reverse(),
      [...LINES, { sku: "cable", quantity: 1 }],
      LINES.map((line) => ({ ...line, quantity: 1 })),
      LINES.map((line) => ({ ...line, store_id: "south" })),
    ];
    for (const lines of other) await expectRefused({ hold_id, lines }, ["STALE_LINES"]);
  });

  test.each(CORRUPT_STOCKS)(
    "names a stock that holds %s, and gives nothing",
    async (_, corrupt) => {
      const hold = await endable();
      await corrupt(side.redis, "stock:phone");
      const before = await dumpAll(side.redis);
      expect((await end(hold)).tuples).toEqual([["CORRUPT", "stock:phone"]]);
      expect({ ...(await dumpAll(side.redis)), [keys.deadlines]: "" }).toEqual({
        ...before,
        [keys.deadlines]: "",
      });
    },
  );

  test.each(["stock:phone", "item:phone", "hold"])("names a %s of another type", async (name) => {
    const hold = await endable();
    const key = name === "hold" ? keys.hold(hold.hold_id) : name;
    await side.redis.del(key);
    await side.redis.rpush(key, "a list");
    const before = await dumpAll(side.redis);
    expect((await end(hold)).tuples).toEqual([["CORRUPT", key]]);
    expect({ ...(await dumpAll(side.redis)), [keys.deadlines]: "" }).toEqual({
      ...before,
      [keys.deadlines]: "",
    });
  });

  test.each([keys.stream, keys.deadlines, keys.seq])("names %s of another type", async (key) => {
    const hold = await endable();
    await side.redis.del(key);
    await side.redis.rpush(key, "a list");
    await expectRefused(hold, ["CORRUPT", key]);
  });

  test.each([
    ["created_at", "yesterday"],
    ["expires_at", "-1"],
    ["version", "1.0"],
    ["status", "ASLEEP"],
  ])("names a hold whose %s is %s", async (field, text) => {
    const hold = await endable();
    await side.redis.hset(keys.hold(hold.hold_id), field, text);
    expect((await end(hold)).tuples).toEqual([["CORRUPT", keys.hold(hold.hold_id)]]);
    expect(await side.stockOf("phone")).toEqual(["3", "2", "1"]);
  });

  test.each(["user_id", "created_at", "expires_at", "version"])(
    "names a hold without %s",
    async (field) => {
      const hold = await endable();
      await side.redis.hdel(keys.hold(hold.hold_id), field);
      expect((await end(hold)).tuples).toEqual([["CORRUPT", keys.hold(hold.hold_id)]]);
      expect(await side.stockOf("phone")).toEqual(["3", "2", "1"]);
    },
  );

  test("names an active hold of which the caller could read no lines", async () => {
    const hold = await endable();
    await side.redis.hdel(keys.hold(hold.hold_id), "lines");
    const { tuples } = await end({ ...hold, lines: [] });
    expect(tuples).toEqual([["CORRUPT", keys.hold(hold.hold_id)]]);
  });

  test.each([
    ["1", "CORRUPT"],
    ["2", word],
    ["3", word],
  ])("ends a hold of 2 when %s are held: %s", async (held, answer) => {
    const hold = await endable();
    await side.redis.hset("item:phone", "held", held);
    const { tuples } = await end(hold);
    expect(tuples[0]?.[0]).toBe(answer);
    expect(await side.redis.hget("item:phone", "held")).toBe(
      answer === word ? String(Number(held) - 2) : held,
    );
  });

  test("ends a hold whose stock key was deleted", async () => {
    const hold = await endable();
    await side.redis.del("stock:phone");
    expect((await end(hold)).tuples[0]?.[0]).toBe(word);
    expect(await side.redis.get("stock:phone")).toBe(script === "confirm_holds" ? "0" : "2");
  });

  test("ends the same hold once in a batch, and leaves bad neighbours aside", async () => {
    const [one, two] = [await endable(), await endable()];
    await side.redis.set("stock:broken", "abc");
    const { tuples } = await end(
      { ...one, lines: [{ sku: "phone", quantity: "x" }] },
      { hold_id: newHold(), lines: [] },
      one,
      { ...one, deadline: 1 },
      { ...two, lines: [{ sku: "broken", quantity: 2 }] },
      one,
      two,
    );
    expect(tuples.map(([text]) => text)).toEqual([
      "BAD_ARGUMENT",
      "HOLD_NOT_FOUND",
      word,
      "LATE",
      "CORRUPT",
      script === "expire_holds" ? "ENDED" : "REPLAYED",
      word,
    ]);
    const back = script === "confirm_holds" ? "1" : "5";
    expect(await side.stockOf("phone")).toEqual([back, "0", "4"]);
    const types = (await side.entries()).map(({ type }) => type);
    expect(types.filter((type) => type === `HOLD_${word}`)).toHaveLength(2);
    if (script !== "expire_holds") expect(await score(two)).toBeNull();
  });
});
