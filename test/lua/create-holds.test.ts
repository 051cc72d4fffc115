import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { askAroundDeadlines } from "./deadline-edge.ts";
import {
  createRequest,
  DAY_MS,
  dumpAll,
  GENERATION,
  keys,
  type LineSpec,
  newHold,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

const create = (...specs: Parameters<typeof createRequest>[0][]) =>
  side.call("create_holds", ...specs.map((spec) => createRequest(spec)));

async function expectRefused(spec: Parameters<typeof createRequest>[0], tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  const { tuples } = await create(spec);
  expect(tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("a hold that is granted", () => {
  test("is a hash with its lines and its deadline, which Redis never drops by itself", async () => {
    const hold_id = newHold();
    const lines = [
      { sku: "phone", quantity: 2 },
      { sku: "case", store_id: "north", quantity: 1000 },
    ];
    await side.redis.set("stock:case@north", "1000");
    const { now, tuples } = await create({ hold_id, lines, ttl_ms: 60_000, user_id: "user 1" });
    const expires_at = now + 60_000;
    expect(tuples).toEqual([["CREATED", hold_id, expires_at, now]]);
    expect(await side.redis.hgetall(keys.hold(hold_id))).toEqual({
      status: "ACTIVE",
      lines: "phone@main=2 case@north=1000",
      user_id: "user 1",
      created_at: String(now),
      expires_at: String(expires_at),
      version: "1",
    });
    expect(await side.redis.pexpiretime(keys.hold(hold_id))).toBe(-1); // it has no TTL
    expect(await side.redis.zrange(keys.deadlines, "0", "-1", "WITHSCORES")).toEqual([
      hold_id,
      String(expires_at),
    ]);
    expect(await side.stockOf("phone")).toEqual(["3", "2", "1"]);
    expect(await side.stockOf("case", "north")).toEqual(["0", "1000", "1"]);
    expect(await side.redis.hget("item:phone", "changed_at")).toBe(String(now));
    expect(await side.redis.hget("item:case@north", "changed_at")).toBe(String(now));
  });

  test("is told by one event that is complete and that the recorder can read", async () => {
    const hold_id = newHold();
    const event_id = "0192b3a4-0000-7000-8000-000000000001";
    await side.redis.hset("item:phone", { held: "4", version: "8", colour: "red" });
    const odd = 'Zoë "\\/\u2028';
    const { now } = await create({ hold_id, event_id, request_id: odd, user_id: odd });
    const [entry = {}] = await side.entries();
    expect(Object.keys(entry)).toEqual(["event_id", "type", "payload", "seq", "generation"]);
    expect(entry.generation).toBe(String(GENERATION));
    const payload = {
      event_version: 1,
      occurred_at: now,
      request_id: odd,
      hold_id,
      status: "ACTIVE",
      user_id: odd,
      created_at: now,
      expires_at: now + 60_000,
      version: 1,
      lines: [{ sku: "phone", store_id: "main", quantity: 1, available: 4, held: 5, version: 9 }],
    };
    expect(JSON.parse(entry.payload ?? "")).toEqual({ ...payload, record: expect.any(Array) });
    const read = { event_id, type: "HOLD_CREATED", seq: 1, payload };
    expect(parseEvent(entry)).toMatchObject({ ...read, payload_json: entry.payload });
    expect(await side.redis.get(keys.seq)).toBe("1");
    expect(await side.redis.hget("item:phone", "colour")).toBe("red");
  });

  test("is remembered under its idempotency key for a day", async () => {
    const hold_id = newHold();
    const { now } = await create({ hold_id, idem: "k", fingerprint: "f" });
    const record = keys.idem("reserve", "k");
    expect(await side.redis.get(record)).toBe(`f ${hold_id} ${now + 60_000} ${now}`);
    expect(await side.records()).toEqual([[record, `f ${hold_id} ${now + 60_000} ${now}`]]);
    const ends_at = await side.redis.pexpiretime(record);
    expect(ends_at).toBeGreaterThanOrEqual(now + DAY_MS);
    expect(ends_at).toBeLessThan(now + DAY_MS + 60_000);
  });

  test("leaves a TTL that somebody put on the stock as it is", async () => {
    await side.redis.set("stock:phone", "5", "PXAT", 4_000_000_000_000);
    await create({});
    expect(await side.redis.pexpiretime("stock:phone")).toBe(4_000_000_000_000);
    expect(await side.redis.get("stock:phone")).toBe("4");
  });

  test("has one line for each stock, however often its request names it", async () => {
    const hold_id = newHold();
    await side.redis.set("stock:case", "1");
    const two = { sku: "phone", quantity: 2 };
    await create({ hold_id, lines: [two, { sku: "case", quantity: 1 }, two] });
    const [entry] = await side.entries();
    expect(await side.redis.hget(keys.hold(hold_id), "lines")).toBe("phone@main=4 case@main=1");
    expect(JSON.parse(entry?.payload ?? "").lines).toMatchObject([
      { sku: "phone", quantity: 4, available: 1, held: 4, version: 1 },
      { sku: "case", quantity: 1 },
    ]);
    expect(await side.stockOf("phone")).toEqual(["1", "4", "1"]);
  });

  test("counts on from the last event's seq", async () => {
    await side.redis.set(keys.seq, "41");
    await create({}, {});
    expect((await side.entries()).map((entry) => entry.seq)).toEqual(["42", "43"]);
    expect(await side.redis.get(keys.seq)).toBe("43");
  });
});

describe("a hold is refused, and nothing is written,", () => {
  const phones = (quantity: number | string): LineSpec[] => [{ sku: "phone", quantity }];
  const bad: [string, Parameters<typeof createRequest>[0]][] = [
    ...["0", "1001", "-1", "1.5", "1e1", "0x1", "nan", "inf", "", " 1", "1 ", "01", "1\n", "٣"].map(
      (text): [string, Parameters<typeof createRequest>[0]] => [
        `quantity ${JSON.stringify(text)}`,
        { lines: phones(text) },
      ],
    ),
    ["quantity of 16 digits", { lines: phones("1".repeat(16)) }],
    ["a bad second line", { lines: [...phones(1), { sku: "phone", quantity: "x" }] }],
    ["no lines", { lines: [] }],
    ["101 lines", { lines: Array.from({ length: 101 }, (_, i) => ({ sku: `${i}`, quantity: 1 })) }],
    ["ttl 0", { ttl_ms: 0 }],
    ["ttl of a day and 1 ms", { ttl_ms: DAY_MS + 1 }],
    ["ttl -1", { ttl_ms: -1 }],
    ["ttl 1.5", { ttl_ms: "1.5" }],
    ["a deadline that is no number", { deadline: "soon" }],
    ["a negative deadline", { deadline: "-1" }],
  ];
  test.each(bad)("for a bad argument: %s", (_, spec) => expectRefused(spec, ["BAD_ARGUMENT"]));

  test("when the number of lines is no number", async () => {
    const { keys: names, args } = createRequest();
    const before = await dumpAll(side.redis);
    const { tuples } = await side.call("create_holds", {
      keys: names,
      args: args.with(7, "one"),
    });
    expect(tuples).toEqual([["BAD_ARGUMENT"]]);
    expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("when any of its last arguments or keys are missing", async () => {
    const whole = createRequest();
    const before = await dumpAll(side.redis);
    for (const part of ["args", "keys"] as const) {
      for (let count = 0; count < whole[part].length; count += 1) {
        const { tuples } = await side
          .call("create_holds", { ...whole, [part]: whole[part].slice(0, count) })
          .catch(() => ({ tuples: [] }));
        expect([part, count, tuples.flat().includes("CREATED")]).toEqual([part, count, false]);
        expect(await dumpAll(side.redis)).toEqual(before);
      }
    }
  });

  test("when a line's sku was never stocked, and the first such is named", () =>
    expectRefused(
      {
        lines: [...phones(9), { sku: "ghost", quantity: 1 }, { sku: "phantom", quantity: 1 }],
      },
      ["UNKNOWN_SKU", "ghost"],
    ));

  test("when the sku is stocked in another store only", () =>
    expectRefused({ lines: [{ sku: "phone", store_id: "north", quantity: 1 }] }, [
      "UNKNOWN_SKU",
      "phone",
    ]));

  test("when lines are short, and every short one is named with what is left", async () => {
    await side.redis.mset("stock:case", "0", "stock:cable@north", "3");
    await expectRefused(
      {
        lines: [
          ...phones(6),
          { sku: "case", quantity: 1 },
          { sku: "cable", store_id: "north", quantity: 3 },
        ],
      },
      ["SOLD_OUT", "phone", "main", 6, 5, 0, "case", "main", 1, 0, 0],
    );
  });

  test("when its key belongs to another request", async () => {
    await create({ idem: "k", fingerprint: "first" });
    await expectRefused({ idem: "k", fingerprint: "other" }, ["IDEMPOTENCY_KEY_REUSED"]);
  });

  test("when there is something under its hold_id already", async () => {
    const { hold_id } = await side.hold();
    await expectRefused({ hold_id, idem: "another" }, ["CORRUPT", keys.hold(hold_id)]);
  });

  test("when lines of one stock are together more than there is", () =>
    expectRefused({ lines: [...phones(3), ...phones(3)] }, ["SOLD_OUT", "phone", "main", 6, 5, 0]));

  test("when lines of one stock are together more than a line may ask for", () =>
    expectRefused({ lines: [...phones(500), ...phones(501)] }, ["BAD_ARGUMENT"]));
});

describe("at its boundaries a hold", () => {
  test.each([
    [4, 5, "SOLD_OUT"],
    [5, 5, "CREATED"],
    [6, 5, "CREATED"],
    [0, 1, "SOLD_OUT"],
    [1, 1, "CREATED"],
    [999, 1000, "SOLD_OUT"],
    [1000, 1000, "CREATED"],
    [999_999_999_999_999, 1000, "CREATED"],
  ])("of a stock of %d, asking for %d, is %s", async (available, quantity, word) => {
    await side.redis.set("stock:phone", String(available));
    const { tuples } = await create({ lines: [{ sku: "phone", quantity }] });
    expect(tuples[0]?.[0]).toBe(word);
    const left = word === "CREATED" ? available - quantity : available;
    expect(await side.redis.get("stock:phone")).toBe(String(left));
  });

  test.each([1, 2, DAY_MS - 1, DAY_MS])("may last %d ms", async (ttl_ms) => {
    const { now, tuples } = await create({ ttl_ms });
    expect(tuples).toEqual([["CREATED", expect.any(String), now + ttl_ms, now]]);
  });

  test.each([1, 99, 100])("may have %d lines", async (count) => {
    const lines = Array.from({ length: count }, (_, i) => ({ sku: `sku-${i}`, quantity: 1 }));
    await side.redis.mset(lines.flatMap(({ sku }) => [`stock:${sku}`, "1"]));
    const { tuples } = await create({ lines });
    expect(tuples[0]?.[0]).toBe("CREATED");
    expect(await side.redis.mget(lines.map(({ sku }) => `stock:${sku}`))).toEqual(
      lines.map(() => "0"),
    );
  });

  test("is decided up to its request's deadline and not a millisecond longer", async () => {
    // All requests of a batch are decided at one moment, so their deadlines lie on both sides of it.
    const { now, answers } = await askAroundDeadlines(side, (deadlines) =>
      create(
        ...deadlines.map((deadline) => ({ deadline, lines: [{ sku: "ghost", quantity: 1 }] })),
      ),
    );
    expect(answers).toEqual(
      answers.map(({ deadline }) => ({
        deadline,
        word: now > deadline ? "LATE" : "UNKNOWN_SKU",
      })),
    );
  });
});
