import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { type RulesSpec, rulesRequest } from "./rules-requests.ts";
import {
  createRequest,
  DAY_MS,
  dumpAll,
  keys,
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

const change = async (...specs: RulesSpec[]) =>
  (await side.call("change_rules", ...specs.map(rulesRequest))).tuples;
const kept = (sku = "phone") => side.redis.hget(keys.rules, sku);

async function expectRefused(spec: RulesSpec, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect(await change(spec)).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("rules that are set", () => {
  test("are one text with the seq of their event, which the recorder can read", async () => {
    const rules = "max_per_order=2 opens_at=1795773600000 paused=1";
    const { now, tuples } = await side.call("change_rules", rulesRequest({ rules, idem: "k" }));
    const [entry = {}, ...others] = await side.entries();
    expect([tuples, others]).toEqual([[["CHANGED", entry.event_id, 1, now]], []]);
    expect(await kept()).toBe(`version=1 ${rules}`);
    const payload = {
      event_version: 1,
      occurred_at: now,
      request_id: "request-3",
      actor: "operator",
      sku: "phone",
      version: 1,
      rules: { max_per_order: 2, opens_at: 1_795_773_600_000, paused: true },
      counts: false,
      counting_begins: false,
      before: null,
    };
    expect(JSON.parse(entry.payload ?? "")).toEqual({ ...payload, record: expect.any(Array) });
    expect(parseEvent(entry)).toMatchObject({ type: "RULES_CHANGED", seq: 1 });
    const record = keys.idem("rules", "k");
    expect(await side.redis.get(record)).toBe(`rules-1 ${entry.event_id} 1 ${now}`);
    expect(await side.redis.pexpiretime(record)).toBe(now + DAY_MS);
  });

  test("are told with those before, if there were any", async () => {
    const texts = ["max_per_customer=2", "paused=1 max_per_order=3", "", "paused=1"];
    for (const rules of texts) await change({ rules });
    const told = (await side.entries()).map(({ payload = "" }) => JSON.parse(payload));
    expect(told.map(({ before }) => before)).toEqual([
      null,
      { max_per_customer: 2 },
      { paused: true, max_per_order: 3 },
      null,
    ]);
  });

  test("take the place of those before, all of them", async () => {
    await change({ rules: "max_per_order=2 paused=1" });
    await change({ rules: "max_extensions=0" });
    expect(await kept()).toBe("version=2 max_extensions=0");
  });

  test("are in force for the next request of another script", async () => {
    await change({ rules: "max_per_order=1" });
    const lines = [{ sku: "phone", quantity: 2 }];
    const { tuples } = await side.call("create_holds", createRequest({ lines }));
    expect(tuples[0]?.[0]).toBe("LIMIT_EXCEEDED");
  });

  test("in one batch follow each other, each with a version of its own", async () => {
    const tuples = await change(
      { rules: "max_per_customer=2" },
      { rules: "paused=1", sku: "case" },
      { rules: "max_per_order=2", if_version: 1 },
      { rules: "", sku: "case", if_version: 2 },
    );
    expect(tuples.map(([word, , version]) => [word, version])).toEqual([
      ["CHANGED", 1],
      ["CHANGED", 2],
      ["CHANGED", 3],
      ["CHANGED", 4],
    ]);
    expect(await side.redis.hgetall(keys.rules)).toEqual({
      phone: "version=3 counts=1 max_per_order=2",
    });
  });
});

describe("customers", () => {
  const begins = async () =>
    (await side.entries()).map(({ payload = "" }) => {
      const { counts, counting_begins } = JSON.parse(payload);
      return [counts, counting_begins];
    });

  test.each(["max_per_customer=2", "max_active_holds=2"])(
    "are counted from the first %s on, for good",
    async (rules) => {
      for (const text of ["max_per_order=1", rules, "paused=1", "", rules]) {
        await change({ rules: text });
      }
      expect(await begins()).toEqual([
        [false, false],
        [true, true],
        [true, false],
        [true, false],
        [true, false],
      ]);
      expect(await kept()).toBe(`version=5 counts=1 ${rules}`);
    },
  );

  test("stay counted while there are no rules, which is all that is left of them", async () => {
    await change({ rules: "max_per_customer=2" }, { rules: "" });
    expect(await kept()).toBe("version=2 counts=1 removed=1");
    const lines = [{ sku: "phone", quantity: 3 }];
    await side.hold({ lines });
    expect(await side.redis.hgetall(keys.customers)).toEqual({ "phone user-1": "3 1" });
    await side.hold({ user_id: "" });
  });
});

describe("rules that are taken away", () => {
  test("leave nothing when nobody was counted", async () => {
    await change({ rules: "max_per_order=2" }, { rules: "" });
    expect(await side.redis.exists(keys.rules)).toBe(0);
    expect(JSON.parse((await side.entries())[1]?.payload ?? "").rules).toBeNull();
  });

  test.each(["max_per_order=2", "max_per_customer=2"])(
    "are not there any more, and have version 0 (%s)",
    async (rules) => {
      await expectRefused({ rules: "" }, ["RULES_NOT_FOUND"]);
      await change({ rules });
      await change({ rules: "" });
      await expectRefused({ rules: "" }, ["RULES_NOT_FOUND"]);
      await expectRefused({ rules, if_version: 2 }, ["VERSION_CONFLICT", 0]);
      expect((await change({ rules, if_version: 0 }))[0]?.slice(2, 3)).toEqual([3]);
    },
  );
});

describe("if_version", () => {
  test.each([0, 1, 3])("%d is not 2", async (if_version) => {
    await change({ rules: "paused=1" }, { rules: "paused=1" });
    await expectRefused({ rules: "max_per_order=1", if_version }, ["VERSION_CONFLICT", 2]);
    await expectRefused({ rules: "", if_version }, ["VERSION_CONFLICT", 2]);
    expect((await change({ rules: "", if_version: 2 }))[0]?.[0]).toBe("CHANGED");
  });
});

describe("a key", () => {
  test("that is used again gives the first answer, and changes nothing", async () => {
    const [first = []] = await change({ rules: "paused=1", idem: "k" });
    await change({ rules: "max_per_order=1" });
    const answer = ["REPLAYED", ...first.slice(1).map(String)];
    await expectRefused({ rules: "paused=1", idem: "k" }, answer);
    await expectRefused({ rules: "paused=1", idem: "k", if_version: 9 }, answer);
    await expectRefused({ rules: "paused=1", idem: "k", fingerprint: "other" }, [
      "IDEMPOTENCY_KEY_REUSED",
    ]);
  });

  test("twice in a batch is one change", async () => {
    const tuples = await change({ rules: "paused=1", idem: "k" }, { rules: "paused=1", idem: "k" });
    expect(tuples.map(([word]) => word)).toEqual(["CHANGED", "REPLAYED"]);
    expect(await side.entries()).toHaveLength(1);
  });

  test("of a refusal may be used again", async () => {
    await change({ rules: "", idem: "k" });
    expect((await change({ rules: "paused=1", idem: "k" }))[0]?.[0]).toBe("CHANGED");
  });
});

describe("nothing is done", () => {
  test.each<[string, RulesSpec]>([
    ["rules that are none", { rules: "paused" }],
    ["a number that is none", { rules: "max_per_order=two" }],
    ["a number below zero", { rules: "opens_at=-1" }],
    ["a number of 16 digits", { rules: "opens_at=1000000000000000" }],
    ["no sku", { rules: "paused=1", sku: "" }],
    ["a version that is none", { rules: "paused=1", if_version: "x" }],
    ["a deadline that is none", { rules: "paused=1", deadline: "soon" }],
  ])("for %s", (_, spec) => expectRefused(spec, ["BAD_ARGUMENT"]));

  test("for a request that is late", () =>
    expectRefused({ rules: "paused=1", deadline: 1 }, ["LATE"]));
});
