import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import {
  CORRUPT_STOCKS,
  createRequest,
  dumpAll,
  keys,
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
const wordsOf = (tuples: unknown[][]) => tuples.map(([word]) => word);

describe("an idempotency key", () => {
  test("gives the first hold again and writes nothing, however often it comes", async () => {
    const first = newHold();
    const { now } = await create({ hold_id: first, idem: "k" });
    const before = await dumpAll(side.redis);
    for (let again = 0; again < 3; again += 1) {
      const { tuples } = await create({ hold_id: newHold(), idem: "k" });
      expect(tuples).toEqual([["REPLAYED", first, String(now + 60_000), String(now)]]);
    }
    expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("gives the first hold again when nothing is left, and when its sku is gone", async () => {
    await create({ idem: "k", lines: [{ sku: "phone", quantity: 5 }] });
    expect(wordsOf((await create({ idem: "k" })).tuples)).toEqual(["REPLAYED"]);
    await side.redis.del("stock:phone");
    expect(wordsOf((await create({ idem: "k" })).tuples)).toEqual(["REPLAYED"]);
  });

  test("that was refused is free for another try, and another request", async () => {
    const many = [{ sku: "phone", quantity: 6 }];
    expect(wordsOf((await create({ idem: "k", lines: many })).tuples)).toEqual(["SOLD_OUT"]);
    await side.redis.set("stock:phone", "6");
    expect(wordsOf((await create({ idem: "k", lines: many })).tuples)).toEqual(["CREATED"]);
  });

  test("twice in one batch makes one hold", async () => {
    const first = newHold();
    const { now, tuples } = await create({ hold_id: first, idem: "k" }, { idem: "k" });
    expect(tuples).toEqual([
      ["CREATED", first, now + 60_000, now],
      ["REPLAYED", first, String(now + 60_000), String(now)],
    ]);
    expect(await side.redis.get("stock:phone")).toBe("4");
    expect(await side.redis.zcard(keys.deadlines)).toBe(1);
  });

  test("is not given to a second request of the same batch", async () => {
    const { tuples } = await create(
      { idem: "k", fingerprint: "first" },
      { idem: "k", fingerprint: "other" },
    );
    expect(wordsOf(tuples)).toEqual(["CREATED", "IDEMPOTENCY_KEY_REUSED"]);
    expect(await side.redis.get("stock:phone")).toBe("4");
  });

  test("refused first is free for the next request of the same batch", async () => {
    const { tuples } = await create(
      { idem: "k", fingerprint: "first", lines: [{ sku: "phone", quantity: 6 }] },
      { idem: "k", fingerprint: "other" },
    );
    expect(wordsOf(tuples)).toEqual(["SOLD_OUT", "CREATED"]);
  });
});

describe("a batch", () => {
  test("answers each request by itself: a bad one never fails its neighbours", async () => {
    await side.redis.mset("stock:broken", "abc", "stock:empty", "0");
    const { hold_id } = await side.hold({ idem: "used", fingerprint: "first" });
    const { now, tuples } = await create(
      {},
      { lines: [{ sku: "phone", quantity: 0 }] },
      { deadline: 1 },
      {},
      { lines: [{ sku: "broken", quantity: 1 }] },
      { idem: "used", fingerprint: "other" },
      { idem: "used", fingerprint: "first" },
      { lines: [{ sku: "ghost", quantity: 1 }] },
      { lines: [{ sku: "empty", quantity: 1 }] },
      { hold_id },
      {},
    );
    expect(wordsOf(tuples)).toEqual([
      "CREATED",
      "BAD_ARGUMENT",
      "LATE",
      "CREATED",
      "CORRUPT",
      "IDEMPOTENCY_KEY_REUSED",
      "REPLAYED",
      "UNKNOWN_SKU",
      "SOLD_OUT",
      "CORRUPT",
      "CREATED",
    ]);
    expect(await side.stockOf("phone")).toEqual(["1", "4", "4"]);
    const events = await side.entries();
    expect(events.map(({ seq }) => seq)).toEqual(["1", "2", "3", "4"]);
    const newest = JSON.parse(events.at(-1)?.payload ?? "");
    expect(newest).toMatchObject({ occurred_at: now, lines: [{ available: 1, version: 4 }] });
  });

  test("grants the last unit to the first who asks for it", async () => {
    await side.redis.set("stock:phone", "1");
    const [first, second] = [newHold(), newHold()];
    const { tuples } = await create({ hold_id: first }, { hold_id: second });
    expect(tuples).toEqual([
      ["CREATED", first, expect.any(Number), expect.any(Number)],
      ["ALL_HELD", "phone", "main", 1, 0, 1],
    ]);
    expect(await side.redis.exists(keys.hold(second))).toBe(0);
    expect(await side.stockOf("phone")).toEqual(["0", "1", "1"]);
  });

  test("of 128 requests writes 128 holds and events in the order they were asked", async () => {
    await side.redis.set("stock:phone", "1000");
    const holds = Array.from({ length: 128 }, newHold);
    const { tuples } = await create(...holds.map((hold_id) => ({ hold_id })));
    expect(tuples.map(([, hold_id]) => hold_id)).toEqual(holds);
    const events = await side.entries();
    expect(events.map(({ seq }) => seq)).toEqual(holds.map((_, i) => String(i + 1)));
    expect(events.map(({ payload }) => JSON.parse(payload ?? "").hold_id)).toEqual(holds);
    expect(await side.stockOf("phone")).toEqual(["872", "128", "128"]);
  });

  test("takes all lines of a request or none", async () => {
    await side.redis.set("stock:case", "1");
    const both = [
      { sku: "phone", quantity: 1 },
      { sku: "case", quantity: 1 },
    ];
    const { tuples } = await create({ lines: both }, { lines: both }, {});
    expect(wordsOf(tuples)).toEqual(["CREATED", "ALL_HELD", "CREATED"]);
    expect(await side.stockOf("phone")).toEqual(["3", "2", "2"]);
    expect(await side.stockOf("case")).toEqual(["0", "1", "1"]);
  });

  test("takes each request by its own options and its own time, whoever comes first", async () => {
    const lines = [{ sku: "phone", quantity: 3 }];
    const { now, tuples } = await create(
      { lines, options: "PARTIAL", ttl_ms: 50_000 },
      { lines, ttl_ms: 40_000 },
      { ttl_ms: 30_000 },
      { lines, options: "PARTIAL", ttl_ms: 20_000 },
    );
    expect(tuples.map(([word, , ...rest]) => [word, ...rest])).toEqual([
      ["CREATED", now + 50_000, now, 3],
      ["ALL_HELD", "main", 3, 2, 3],
      ["CREATED", now + 30_000, now],
      ["CREATED", now + 20_000, now, 1],
    ]);
  });

  test("never makes two holds of one hold_id", async () => {
    const hold_id = newHold();
    const { tuples } = await create({ hold_id, idem: "a" }, { hold_id, idem: "b" });
    expect(wordsOf(tuples)).toEqual(["CREATED", "CORRUPT"]);
    expect(await side.stockOf("phone")).toEqual(["4", "1", "1"]);
  });

  test("is bad from a request on that does not say how many lines it has", async () => {
    const requests = [createRequest(), createRequest(), createRequest()];
    for (const count of ["", "x", "101", "-1"]) {
      const broken = requests.map(({ keys: names, args }, i) => ({
        keys: names,
        args: i === 1 ? args.with(7, count) : args,
      }));
      await emptyRedis(side.redis);
      await side.redis.set("stock:phone", "5");
      const { tuples } = await side.call("create_holds", ...broken);
      expect([count, wordsOf(tuples)]).toEqual([
        count,
        ["CREATED", "BAD_ARGUMENT", "BAD_ARGUMENT"],
      ]);
      expect(await side.stockOf("phone")).toEqual(["4", "1", "1"]);
    }
  });

  test("of no requests answers none", async () => {
    expect((await create()).tuples).toEqual([]);
  });
});

describe("a key that holds something else is named and nothing is written:", () => {
  async function expectCorrupt(key: string) {
    const before = await dumpAll(side.redis);
    const { tuples } = await create({
      idem: "k",
      lines: [
        { sku: "case", quantity: 1 },
        { sku: "phone", quantity: 1 },
      ],
    });
    expect(tuples).toEqual([["CORRUPT", key]]);
    expect(await dumpAll(side.redis)).toEqual(before);
  }
  beforeEach(() => side.redis.set("stock:case", "5"));

  test.each(CORRUPT_STOCKS)("stock with %s", async (_, corrupt) => {
    await corrupt(side.redis, "stock:phone");
    await expectCorrupt("stock:phone");
  });

  test.each(["held", "version"])("an item whose %s is no whole number", async (field) => {
    for (const text of ["x", "-1", "1.5", "", "01"]) {
      await side.redis.hset("item:phone", field, text);
      await expectCorrupt("item:phone");
    }
  });

  test.each(["item:phone", keys.idem("reserve", "k"), keys.stream, keys.deadlines, keys.seq])(
    "%s of another type",
    async (key) => {
      await side.redis.rpush(key, "a list");
      await expectCorrupt(key);
    },
  );

  test.each(["abc", "-1", "1.5", "007", "1".repeat(20)])("seq of %s", async (text) => {
    await side.redis.set(keys.seq, text);
    await expectCorrupt(keys.seq);
  });
});
