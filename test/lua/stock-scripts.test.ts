import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { askAroundDeadlines } from "./deadline-edge.ts";
import { DAY_MS, dumpAll, keys, openScripts, type ScriptSide } from "./script-side.ts";
import { changeRequest, purchaseRequest, transferRequest } from "./stock-requests.ts";

// What the scripts that change stock without a hold have in common; what each has for itself is in its file.
let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await side.redis.config("SET", "maxmemory", "0");
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

type Spec = {
  idem?: string;
  event_id?: string;
  fingerprint?: string;
  deadline?: number;
  sku?: string;
};
const changes = (spec: Spec) => changeRequest({ ...spec, units: -2 });
const counts = (spec: Spec) => changeRequest({ ...spec, operation: "COUNT", units: 3 });
const transfers = ({ sku = "phone", ...spec }: Spec) =>
  transferRequest({ ...spec, lines: [{ sku, quantity: 2 }] });
const purchases = (spec: Spec) =>
  purchaseRequest({ ...spec, policy: "round-robin", quantity: 2, hold_id: "H-7" });

describe.each([
  {
    name: "change_stocks",
    script: "change_stocks",
    route: "adjust",
    request: changes,
    word: "CHANGED",
  },
  { name: "a count", script: "change_stocks", route: "adjust", request: counts, word: "CHANGED" },
  {
    name: "transfer_stock",
    script: "transfer_stock",
    route: "transfer",
    request: transfers,
    word: "TRANSFERRED",
  },
  {
    name: "create_purchases",
    script: "create_purchases",
    route: "purchase",
    request: purchases,
    word: "PURCHASED",
  },
] as const)("$name", ({ script, route, request, word }) => {
  const ask = (...specs: Spec[]) => side.call(script, ...specs.map((spec) => request(spec)));
  const textsOf = (tuple: unknown[] = []) => tuple.map(String);

  async function expectRefused(spec: Spec, tuple: unknown[]) {
    const before = await dumpAll(side.redis);
    expect((await ask(spec)).tuples).toEqual([tuple]);
    expect(await dumpAll(side.redis)).toEqual(before);
  }

  test("remembers for a day what a key did, and says it again and again", async () => {
    const { now, tuples } = await ask({ idem: "k", fingerprint: "f", event_id: "e" });
    const [done, ...result] = textsOf(tuples[0]);
    expect(done).toBe(word);
    const record = keys.idem(route, "k");
    expect(await side.redis.get(record)).toBe(["f", ...result].join(" "));
    expect(await side.records()).toEqual([[record, ["f", ...result].join(" ")]]);
    const ends_at = await side.redis.pexpiretime(record);
    expect(ends_at).toBeGreaterThanOrEqual(now + DAY_MS);
    expect(ends_at).toBeLessThan(now + DAY_MS + 60_000);
    for (let again = 0; again < 3; again += 1) {
      await expectRefused({ idem: "k", fingerprint: "f" }, ["REPLAYED", ...result]);
    }
  });

  test("says it again when the stock is gone", async () => {
    const { tuples } = await ask({ idem: "k" });
    await side.redis.del("stock:phone", "item:phone", "stock:phone@north", "item:phone@north");
    await expectRefused({ idem: "k" }, ["REPLAYED", ...textsOf(tuples[0]?.slice(1))]);
  });

  test("asked twice in one batch under one key, does it once", async () => {
    const { tuples } = await ask({ idem: "k" }, { idem: "k" }, { idem: "k", fingerprint: "other" });
    expect(tuples[1]).toEqual(["REPLAYED", ...textsOf(tuples[0]?.slice(1))]);
    expect(tuples[2]).toEqual(["IDEMPOTENCY_KEY_REUSED"]);
    expect(await side.redis.get("stock:phone")).toBe("3");
    expect(await side.entries()).toHaveLength(1);
  });

  test("refuses a key that belongs to another request, or holds no text", async () => {
    await ask({ idem: "k", fingerprint: "first" });
    await expectRefused({ idem: "k", fingerprint: "other" }, ["IDEMPOTENCY_KEY_REUSED"]);
    await side.redis.rpush(keys.idem(route, "list"), "text");
    await expectRefused({ idem: "list" }, ["CORRUPT", keys.idem(route, "list")]);
  });

  test("leaves a key free that was refused", async () => {
    await side.redis.set("stock:phone", "abc");
    await expectRefused({ idem: "k", fingerprint: "first" }, ["CORRUPT", "stock:phone"]);
    await side.redis.set("stock:phone", "5");
    const { tuples } = await ask({ idem: "k", fingerprint: "other" });
    expect(tuples[0]?.[0]).toBe(word);
  });

  test("names a shared key of another type", async () => {
    for (const key of [keys.stream, keys.deadlines, keys.seq]) {
      await side.redis.rpush(key, "a list");
      await expectRefused({}, ["CORRUPT", key]);
      await side.redis.del(key);
    }
    await side.redis.set(keys.seq, "1.5");
    await expectRefused({}, ["CORRUPT", keys.seq]);
  });

  test("counts on from the last event's seq", async () => {
    await side.redis.set(keys.seq, "41");
    await ask({});
    expect((await side.entries()).map(({ seq }) => seq)).toEqual(["42"]);
    expect(await side.redis.get(keys.seq)).toBe("42");
  });

  test("does nothing when any of its last arguments or keys are missing", async () => {
    const whole = request({});
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
    await ask({ idem: "k" });
    const { now, answers } = await askAroundDeadlines(side, (deadlines) =>
      ask(...deadlines.map((deadline) => ({ deadline, idem: "k" }))),
    );
    expect(answers).toEqual(
      answers.map(({ deadline }) => ({ deadline, word: now > deadline ? "LATE" : "REPLAYED" })),
    );
  });

  test("is refused by a full Redis before the script's first line", async () => {
    await side.redis.config("SET", "maxmemory", "1");
    const before = await dumpAll(side.redis);
    await expect(ask({})).rejects.toThrow(/^OOM /);
    expect(await dumpAll(side.redis)).toEqual(before);
  });

  test("of no requests answers none", async () => {
    expect((await ask()).tuples).toEqual([]);
  });
});
