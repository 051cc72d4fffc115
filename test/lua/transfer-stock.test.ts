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
import { changeRequest, type TransferSpec, transferRequest } from "./stock-requests.ts";

const UNITS_MAX = 1_000_000_000;
const STOCK_MAX = 999_999_999_999;

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.mset("stock:phone", "5", "stock:case", "5", "stock:phone@north", "1");
});

const transfer = (...specs: TransferSpec[]) =>
  side.call("transfer_stock", ...specs.map((spec) => transferRequest(spec)));
const wordsOf = (tuples: unknown[][]) => tuples.map(([word]) => word);
const phones = (quantity: number | string) => [{ sku: "phone", quantity }];

async function expectRefused(spec: TransferSpec, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await transfer(spec)).tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("a transfer", () => {
  test("moves what is available and leaves what is held, on both sides", async () => {
    await side.hold({ lines: [{ sku: "phone", quantity: 2 }] });
    await side.hold({ lines: [{ sku: "phone", store_id: "north", quantity: 1 }] });
    const { now, tuples } = await transfer({ event_id: "e-1", lines: phones(3) });
    expect(tuples).toEqual([["TRANSFERRED", "e-1", now]]);
    expect(await side.stockOf("phone")).toEqual(["0", "2", "2"]);
    expect(await side.stockOf("phone", "north")).toEqual(["3", "1", "2"]);
    for (const item of ["item:phone", "item:phone@north"]) {
      expect(await side.redis.hget(item, "changed_at")).toBe(String(now));
    }
  });

  test("is told by one event that is complete and that the recorder can read", async () => {
    const event_id = "0192b3a4-0000-7000-8000-000000000013";
    const odd = 'Zoë "\\/\u2028';
    const said = { reference: odd, trace_id: odd, actor: odd };
    const lines = [...phones(2), { sku: "case", quantity: 5 }];
    const { now } = await transfer({ event_id, request_id: "r", lines, ...said });
    const [entry = {}, ...others] = await side.entries();
    expect(others).toEqual([]);
    const [main, north] = [{ store_id: "main" }, { store_id: "north" }];
    const payload = {
      event_version: 1,
      occurred_at: now,
      request_id: "r",
      ...said,
      from_store: "main",
      to_store: "north",
      lines: [
        { sku: "phone", ...main, available_delta: -2, available: 3, held: 0, version: 1 },
        { sku: "case", ...main, available_delta: -5, available: 0, held: 0, version: 1 },
        { sku: "phone", ...north, available_delta: 2, available: 3, held: 0, version: 1 },
        { sku: "case", ...north, available_delta: 5, available: 5, held: 0, version: 1 },
      ],
    };
    expect(JSON.parse(entry.payload ?? "")).toEqual({ ...payload, record: expect.any(Array) });
    expect(parseEvent(entry)).toMatchObject({ event_id, type: "STOCK_TRANSFERRED", payload });
  });

  test("leaves out of the event what was not said", async () => {
    await transfer({});
    const [entry] = await side.entries();
    expect(Object.keys(JSON.parse(entry?.payload ?? ""))).toEqual([
      "event_version",
      "occurred_at",
      "request_id",
      "actor",
      "from_store",
      "to_store",
      "record",
      "lines",
    ]);
  });

  test("registers the store it goes to, unless that is there or the default one", async () => {
    await side.redis.hset(keys.stores, "south", "7");
    await transfer(
      { to_store: "north" },
      { to_store: "south" },
      { from_store: "north", to_store: "main" },
    );
    expect(await side.redis.hgetall(keys.stores)).toEqual({ north: "0", south: "7" });
  });

  test("has one line for each stock, however often its request names it", async () => {
    await transfer({ lines: [...phones(1), { sku: "case", quantity: 1 }, ...phones(2)] });
    const [entry] = await side.entries();
    const deltas = JSON.parse(entry?.payload ?? "").lines.map(
      (line: { sku: string; available_delta: number }) => [line.sku, line.available_delta],
    );
    expect(deltas).toEqual([
      ["phone", -3],
      ["case", -1],
      ["phone", 3],
      ["case", 1],
    ]);
    expect(await side.stockOf("phone")).toEqual(["2", "0", "1"]);
  });

  test.each([
    [4, 5, "TRANSFERRED"],
    [5, 5, "TRANSFERRED"],
    [6, 5, "WOULD_GO_NEGATIVE"],
    [1, 0, "WOULD_GO_NEGATIVE"],
    [1, 1, "TRANSFERRED"],
    [UNITS_MAX, UNITS_MAX, "TRANSFERRED"],
  ])("of %d from a stock of %d is %s", async (quantity, available, word) => {
    await side.redis.set("stock:phone", String(available));
    expect(wordsOf((await transfer({ lines: phones(quantity) })).tuples)).toEqual([word]);
    const left = word === "TRANSFERRED" ? available - quantity : available;
    expect(await side.redis.get("stock:phone")).toBe(String(left));
    expect(await side.redis.get("stock:phone@north")).toBe(String(1 + available - left));
  });

  test.each([
    [STOCK_MAX - 5, 0, "TRANSFERRED"],
    [STOCK_MAX - 3, 0, "TRANSFERRED"],
    [STOCK_MAX - 2, 0, "TOO_MANY"],
    [STOCK_MAX - 5, 2, "TRANSFERRED"],
    [STOCK_MAX - 5, 3, "TOO_MANY"],
  ])("of 3 to where %d are available and %d held is %s", async (available, held, word) => {
    await side.redis.set("stock:phone@north", String(available));
    await side.redis.hset("item:phone@north", { held: String(held), version: "1" });
    if (word === "TOO_MANY") await expectRefused({ lines: phones(3) }, [word, "phone"]);
    else expect(wordsOf((await transfer({ lines: phones(3) })).tuples)).toEqual([word]);
  });

  test.each([1, 99, 100])("may have %d lines", async (count) => {
    const lines = Array.from({ length: count }, (_, i) => ({ sku: `sku-${i}`, quantity: 1 }));
    await side.redis.mset(lines.flatMap(({ sku }) => [`stock:${sku}`, "1"]));
    expect(wordsOf((await transfer({ lines })).tuples)).toEqual(["TRANSFERRED"]);
    expect(await side.redis.mget(lines.map(({ sku }) => `stock:${sku}@north`))).toEqual(
      lines.map(() => "1"),
    );
  });
});

test("a transfer does not make one store too many", async () => {
  await registerStores(side.redis, 999);
  await expectRefused({ lines: phones(1) }, ["TOO_MANY_STORES"]);
  await side.redis.hset(keys.stores, "north", "0");
  expect(wordsOf((await transfer({ lines: phones(1) })).tuples)).toEqual(["TRANSFERRED"]);
});

describe("a batch of transfers", () => {
  test("applies each to the stocks as the one before has left them", async () => {
    const { tuples } = await transfer(
      { from_store: "south", to_store: "west" },
      { to_store: "south", lines: phones(4) },
      { lines: phones(2) },
      { from_store: "south", to_store: "west", lines: phones(3) },
      { from_store: "west", to_store: "main", lines: phones(3) },
    );
    expect(tuples[0]).toEqual(["UNKNOWN_SKU", "phone"]);
    expect(tuples[2]).toEqual(["WOULD_GO_NEGATIVE", "phone", "main", 2, 1]);
    expect(wordsOf(tuples).filter((word) => word === "TRANSFERRED")).toHaveLength(3);
    expect(await side.stockOf("phone")).toEqual(["4", "0", "2"]);
    expect(await side.stockOf("phone", "south")).toEqual(["1", "0", "2"]);
    expect(await side.stockOf("phone", "west")).toEqual(["0", "0", "2"]);
  });

  test("takes all lines of a request or none", async () => {
    const both = [...phones(1), { sku: "case", quantity: 3 }];
    const { tuples } = await transfer({ lines: both }, { lines: both }, { lines: phones(1) });
    expect(wordsOf(tuples)).toEqual(["TRANSFERRED", "WOULD_GO_NEGATIVE", "TRANSFERRED"]);
    expect(await side.stockOf("phone")).toEqual(["3", "0", "2"]);
    expect(await side.stockOf("case")).toEqual(["2", "0", "1"]);
  });

  test("leaves bad neighbours aside", async () => {
    await side.redis.set("stock:broken", "abc");
    const { tuples } = await transfer(
      {},
      { lines: [...phones("x"), ...phones(1)] },
      { deadline: 1 },
      { lines: [{ sku: "broken", quantity: 1 }] },
      { to_store: "main" },
      {},
    );
    expect(wordsOf(tuples)).toEqual([
      "TRANSFERRED",
      "BAD_ARGUMENT",
      "LATE",
      "CORRUPT",
      "BAD_ARGUMENT",
      "TRANSFERRED",
    ]);
    expect(await side.stockOf("phone")).toEqual(["3", "0", "2"]);
  });

  test("is bad from a request on that does not say how many lines it has", async () => {
    for (const count of ["", "x", "101", "-1"]) {
      const requests = [transferRequest(), transferRequest(), transferRequest()].map(
        ({ keys: names, args }, i) => ({
          keys: names,
          args: i === 1 ? args.with(10, count) : args,
        }),
      );
      const { tuples } = await side.call("transfer_stock", ...requests);
      expect([count, wordsOf(tuples)]).toEqual([
        count,
        ["TRANSFERRED", "BAD_ARGUMENT", "BAD_ARGUMENT"],
      ]);
    }
    expect(await side.stockOf("phone")).toEqual(["1", "0", "4"]);
  });
});

describe("a transfer is refused, and nothing is written,", () => {
  const numbers = ["0", "-1", "1.5", "1e1", "", "01", "1000000001"];
  const bad: [string, TransferSpec][] = [
    ...numbers.map((text): [string, TransferSpec] => [`of ${text} units`, { lines: phones(text) }]),
    ["a bad second line", { lines: [...phones(1), ...phones("x")] }],
    ["lines together too many", { lines: [...phones(UNITS_MAX), ...phones(1)] }],
    ["no lines", { lines: [] }],
    ["101 lines", { lines: Array.from({ length: 101 }, (_, i) => ({ sku: `${i}`, quantity: 1 })) }],
    ["one store with itself", { to_store: "main" }],
    ["registers_to that is neither", { registers_to: "yes" }],
    ["a deadline that is no number", { deadline: "soon" }],
  ];
  test.each(bad)("for a bad argument: %s", (_, spec) => expectRefused(spec, ["BAD_ARGUMENT"]));

  test("when lines are short, and every short one is named with what is left", () =>
    expectRefused({ lines: [...phones(6), { sku: "case", quantity: 9 }] }, [
      ...["WOULD_GO_NEGATIVE", "phone", "main", 6, 5],
      ...["case", "main", 9, 5],
    ]));

  test("when lines of one stock are together more than there is", () =>
    expectRefused({ lines: [...phones(3), ...phones(3)] }, [
      ...["WOULD_GO_NEGATIVE", "phone", "main", 6, 5],
    ]));

  test("when a sku was never stocked where it should come from, before any short line", () =>
    expectRefused({ lines: [...phones(6), { sku: "ghost", quantity: 1 }] }, [
      ...["UNKNOWN_SKU", "ghost"],
    ]));

  test("when what is short is too many for the other store, too: for being short", async () => {
    await side.redis.set("stock:phone@north", String(STOCK_MAX));
    await expectRefused({ lines: phones(6) }, ["WOULD_GO_NEGATIVE", "phone", "main", 6, 5]);
  });

  describe.each(["phone", "phone@north"])("when %s", (stock) => {
    test.each(CORRUPT_STOCKS)("holds %s", async (_, corrupt) => {
      await corrupt(side.redis, `stock:${stock}`);
      await expectRefused({}, ["CORRUPT", `stock:${stock}`]);
    });

    test.each(["held", "version"])("has a %s that is no whole number", async (field) => {
      await side.redis.hset(`item:${stock}`, field, "1.5");
      await expectRefused({}, ["CORRUPT", `item:${stock}`]);
    });

    test("has an item of another type", async () => {
      await side.redis.set(`item:${stock}`, "text");
      await expectRefused({}, ["CORRUPT", `item:${stock}`]);
    });
  });

  test("when the registry is of another type", async () => {
    await side.redis.set(keys.stores, "text");
    await expectRefused({}, ["CORRUPT", keys.stores]);
  });
});

test("a transfer moves what a change just made known", async () => {
  await side.call("change_stocks", changeRequest({ sku: "new", store_id: "south", units: 2 }));
  const lines = [{ sku: "new", quantity: 2 }];
  await transfer({ from_store: "south", to_store: "main", lines });
  expect(await side.stockOf("new")).toEqual(["2", "0", "1"]);
});
