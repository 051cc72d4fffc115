import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { changesOf } from "../../src/domain/line-changes.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import {
  confirmRequest,
  dumpAll,
  keys,
  openScripts,
  type PartSpec,
  type ScriptSide,
} from "./script-side.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.mset("stock:phone", "9", "stock:case", "9");
});

const LINES = [
  { sku: "phone", quantity: 3 },
  { sku: "case", quantity: 2 },
];
const confirm = (...specs: Parameters<typeof confirmRequest>[0][]) =>
  side.call("confirm_holds", ...specs.map(confirmRequest));

describe("a confirm of a part", () => {
  test("sells that part, and the rest is available at once", async () => {
    const hold = await side.hold({ lines: LINES });
    const { now, tuples } = await confirm({ ...hold, parts: [{ sku: "phone", quantity: 2 }] });
    expect(tuples).toEqual([["CONFIRMED", "O-1", String(now), "IN_TIME", "phone@main=2"]]);
    expect(await side.stockOf("phone")).toEqual(["7", "0", "2"]);
    expect(await side.stockOf("case")).toEqual(["9", "0", "2"]);
    expect(await side.redis.hgetall(keys.hold(hold.hold_id))).toMatchObject({
      ...{ status: "CONFIRMED", version: "2", lines: "phone@main=2", partial: "1" },
    });
    const event = parseEvent((await side.entries())[1] ?? {});
    expect(changesOf(event)).toEqual([
      {
        ...{ sku: "phone", store_id: "main", available: 7, held: 0, version: 2 },
        ...{ available_delta: 1, held_delta: -3 },
      },
      {
        ...{ sku: "case", store_id: "main", available: 9, held: 0, version: 2 },
        ...{ available_delta: 2, held_delta: -2 },
      },
    ]);
    expect(event.payload).toMatchObject({
      partial: true,
      lines: [{ quantity: 2 }, { quantity: 0 }],
    });
  });

  test("of all there is, is a confirm like any other", async () => {
    const hold = await side.hold({ lines: LINES });
    const { now, tuples } = await confirm({ ...hold, parts: LINES });
    expect(tuples).toEqual([["CONFIRMED", "O-1", String(now)]]);
    expect(await side.redis.hget(keys.hold(hold.hold_id), "partial")).toBeNull();
  });

  test.each<[string, PartSpec[], unknown[]]>([
    ["one unit less", [{ sku: "phone", quantity: 2 }], ["CONFIRMED"]],
    ["as many as there are", [{ sku: "phone", quantity: 3 }], ["CONFIRMED"]],
    ["one unit more", [{ sku: "phone", quantity: 4 }], ["NOT_HELD", "phone", 3]],
    ["what is not held", [{ sku: "tea", quantity: 1 }], ["NOT_HELD", "tea", 0]],
    [
      "one sku twice, too much together",
      [
        { sku: "phone", quantity: 2 },
        { sku: "phone", quantity: 2 },
      ],
      ["NOT_HELD", "phone", 3],
    ],
    ["no unit", [{ sku: "phone", quantity: 0 }], ["BAD_ARGUMENT"]],
    ["half a unit", [{ sku: "phone", quantity: "0.5" }], ["BAD_ARGUMENT"]],
  ])("of %s", async (_, parts, answer) => {
    const hold = await side.hold({ lines: LINES });
    const before = await dumpAll(side.redis);
    const { tuples } = await confirm({ ...hold, parts });
    expect(tuples[0]?.slice(0, answer.length)).toEqual(answer);
    if (answer[0] !== "CONFIRMED") expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("takes a sku that is held in two stores from the first one first", async () => {
    await side.redis.set("stock:phone@north", "5");
    const lines = [
      { sku: "phone", quantity: 2 },
      { sku: "phone", store_id: "north", quantity: 2 },
    ];
    const hold = await side.hold({ lines });
    await confirm({ ...hold, parts: [{ sku: "phone", quantity: 3 }] });
    expect(await side.redis.hget(keys.hold(hold.hold_id), "lines")).toBe(
      "phone@main=2 phone@north=1",
    );
    expect(await side.stockOf("phone", "north")).toEqual(["4", "0", "2"]);
  });

  test("again gives the first answer, with a key and without, whatever it names then", async () => {
    const hold = await side.hold({ lines: LINES });
    const first = { ...hold, idem: "k", parts: [{ sku: "case", quantity: 1 }] };
    const { now } = await confirm(first);
    const answer = ["REPLAYED", "O-1", String(now), "IN_TIME", "case@main=1"];
    const before = await dumpAll(side.redis);
    const again = await confirm(first, { ...hold, parts: LINES, order_id: "O-2" }, hold);
    expect(again.tuples).toEqual([answer, answer, answer]);
    expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("counts the customer's units that stay, and no active hold", async () => {
    await side.redis.hset(keys.rules, "phone", "version=1 counts=1 max_per_customer=9");
    const hold = await side.hold({ lines: LINES });
    expect(await side.redis.hget(keys.customers, "phone user-1")).toBe("3 1");
    await confirm({ ...hold, parts: [{ sku: "phone", quantity: 1 }] });
    expect(await side.redis.hget(keys.customers, "phone user-1")).toBe("1 0");
  });

  test("that sells nothing of a sku leaves the customer nothing of it", async () => {
    await side.redis.hset(keys.rules, "phone", "version=1 counts=1 max_per_customer=9");
    const hold = await side.hold({ lines: LINES });
    await confirm({ ...hold, parts: [{ sku: "case", quantity: 1 }] });
    expect(await side.redis.hget(keys.customers, "phone user-1")).toBeNull();
  });
});
