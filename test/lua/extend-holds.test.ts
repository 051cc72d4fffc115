import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { type ExtendSpec, extendRequest } from "./changing-requests.ts";
import { endAroundDeadline } from "./deadline-edge.ts";
import { rulesRequest } from "./rules-requests.ts";
import {
  cancelRequest,
  confirmRequest,
  DAY_MS,
  dumpAll,
  expireRequest,
  type HoldSpec,
  keys,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";

const EXTENSIONS_DEFAULT = 10;

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.mset("stock:phone", "5", "stock:case", "5");
});

const extend = (...specs: ExtendSpec[]) => side.call("extend_holds", ...specs.map(extendRequest));
const deadlineOf = async ({ hold_id }: HoldSpec) =>
  Number(await side.redis.zscore(keys.deadlines, hold_id));
const hashOf = ({ hold_id }: HoldSpec) => side.redis.hgetall(keys.hold(hold_id));
const setRules = (rules: string, sku = "phone") =>
  side.call("change_rules", rulesRequest({ sku, rules }));

async function expectNothingDone(spec: ExtendSpec, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await extend(spec)).tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("an extension", () => {
  test("moves the deadline to ttl from now, and is told by one event of the whole hold", async () => {
    const hold = await side.hold({ ttl_ms: 60_000 });
    const before = await hashOf(hold);
    const { now, tuples } = await extend({ ...hold, ttl_ms: 120_000, event_id: EVENT_ID });
    const created_at = Number(before.created_at);
    const left = EXTENSIONS_DEFAULT - 1;
    expect(tuples).toEqual([["EXTENDED", EVENT_ID, now + 120_000, created_at + DAY_MS, left]]);
    const expires_at = String(now + 120_000);
    const after = { ...before, expires_at, version: "2", extensions: "1" };
    expect(await hashOf(hold)).toEqual(after);
    expect(await deadlineOf(hold)).toBe(now + 120_000);
    expect(await side.stockOf("phone")).toEqual(["4", "1", "1"]);
    const entries = await side.entries();
    expect(entries).toHaveLength(2);
    expect(parseEvent(entries[1] ?? {})).toMatchObject({
      ...{ event_id: EVENT_ID, type: "HOLD_EXTENDED", seq: 2 },
      payload: {
        ...{ hold_id: hold.hold_id, status: "ACTIVE", version: 2, extensions: 1, created_at },
        ...{ expires_at: now + 120_000, occurred_at: now, user_id: "user-1" },
        lines: [{ sku: "phone", store_id: "main", quantity: 1, available: 4, held: 1, version: 1 }],
      },
    });
  });

  test("is counted by every later event of the hold", async () => {
    const hold = await side.hold();
    await extend(hold, { ...hold, ttl_ms: 130_000 });
    await side.call("confirm_holds", confirmRequest(hold));
    const told = (await side.entries()).map(({ payload }) => JSON.parse(payload ?? "").extensions);
    expect(told).toEqual([undefined, 1, 2, 2]);
  });

  test("asked again with its key gives its answer again, and one event, also once it has ended", async () => {
    const hold = await side.hold();
    const first = await extend({ ...hold, idem: "k", event_id: EVENT_ID });
    const [, ...answer] = first.tuples[0] ?? [];
    const texts = answer.map(String);
    expect((await extend({ ...hold, idem: "k" })).tuples).toEqual([["REPLAYED", ...texts]]);
    await side.call("cancel_holds", cancelRequest(hold));
    await expectNothingDone({ ...hold, idem: "k" }, ["REPLAYED", ...texts]);
    await expectNothingDone({ ...hold, idem: "k", fingerprint: "other" }, [
      "IDEMPOTENCY_KEY_REUSED",
    ]);
    expect(await side.records()).toEqual([
      expect.anything(),
      [keys.idem("extend", "k"), `changing-1 ${texts.join(" ")}`],
      undefined,
    ]);
  });

  test("by less than what is left is none", async () => {
    const hold = await side.hold({ ttl_ms: 60_000 });
    const created_at = Number((await hashOf(hold)).created_at);
    await expectNothingDone({ ...hold, ttl_ms: 30_000 }, [
      ...["UNCHANGED", hold.expires_at, created_at + DAY_MS, EXTENSIONS_DEFAULT],
    ]);
  });

  test("by as much as is left, to the ms, is none, and by a ms more it is one", async () => {
    const hold = await side.hold();
    // All requests of a batch are decided at one moment, so the first one says how much is left.
    const { now, tuples } = await extend(
      ...[120_000, 120_000, 119_999, 120_001].map((ttl_ms) => ({ ...hold, ttl_ms })),
    );
    expect(tuples.map(([word]) => word)).toEqual([
      ...["EXTENDED", "UNCHANGED", "UNCHANGED", "EXTENDED"],
    ]);
    expect(await deadlineOf(hold)).toBe(now + 120_001);
    expect(await hashOf(hold)).toMatchObject({ version: "3", extensions: "2" });
    expect(await side.entries()).toHaveLength(3);
  });

  test("is not stopped by a sale that is paused or over", async () => {
    const hold = await side.hold();
    await setRules("paused=1 closes_at=1");
    expect((await extend(hold)).tuples[0]?.[0]).toBe("EXTENDED");
  });
});

const EVENT_ID = "01890000-0000-7000-8000-000000000001";

describe("a hold may be extended", () => {
  test.each([
    ["0 times", "max_extensions=0", 0],
    ["once", "max_extensions=1", 1],
    ["3 times", "max_extensions=3", 3],
    ["10 times without a rule", "max_per_order=5", EXTENSIONS_DEFAULT],
  ])("%s, and not once more", async (_, rules, limit) => {
    const hold = await side.hold();
    await setRules(rules);
    for (let i = 1; i <= limit; i += 1) {
      const { tuples } = await extend({ ...hold, ttl_ms: 60_000 + i * 10_000 });
      expect([tuples[0]?.[0], tuples[0]?.[4]]).toEqual(["EXTENDED", limit - i]);
    }
    const refusal = ["LIMIT_EXCEEDED", "phone", "max_extensions", limit, 0];
    await expectNothingDone({ ...hold, ttl_ms: 3_600_000 }, refusal);
    // Nothing that would make it longer: then there is nothing to refuse.
    expect((await extend({ ...hold, ttl_ms: 1 })).tuples[0]?.[0]).toBe("UNCHANGED");
  });

  test("as the strictest of its lines says", async () => {
    const lines = [
      { sku: "phone", quantity: 1 },
      { sku: "case", quantity: 1 },
    ];
    const hold = await side.hold({ lines });
    await setRules("max_extensions=5 max_hold_seconds=100");
    await setRules("max_extensions=1 max_hold_seconds=200", "case");
    const created_at = Number((await hashOf(hold)).created_at);
    const { tuples } = await extend({ ...hold, ttl_ms: 900_000 });
    const expires_at = created_at + 100_000;
    expect(tuples[0]?.slice(2)).toEqual([expires_at, expires_at, 0]);
    await setRules("max_extensions=5", "phone");
    await expectNothingDone({ ...hold, ttl_ms: 900_000 }, [
      "LIMIT_EXCEEDED",
      "case",
      "max_extensions",
      1,
      0,
    ]);
  });

  test.each([
    ["as its sku's rules say", "max_hold_seconds=90", 90_000],
    ["a day without a rule", "max_per_order=5", DAY_MS],
  ])("up to the end of what a hold may last: %s", async (_, rules, ms_max) => {
    const hold = await side.hold({ ttl_ms: 60_000 });
    await setRules(rules);
    const created_at = Number((await hashOf(hold)).created_at);
    const { tuples } = await extend({ ...hold, ttl_ms: DAY_MS });
    const end = created_at + ms_max;
    const [word, , expires_at, max_expires_at] = tuples[0] ?? [];
    expect([word, expires_at, max_expires_at]).toEqual(["EXTENDED", end, end]);
    await expectNothingDone({ ...hold, ttl_ms: DAY_MS }, ["UNCHANGED", end, end, 9]);
  });

  test("never down to what stricter rules say now", async () => {
    const hold = await side.hold({ ttl_ms: 60_000 });
    await setRules("max_hold_seconds=30");
    const at = hold.expires_at;
    await expectNothingDone({ ...hold, ttl_ms: 90_000 }, ["UNCHANGED", at, at, 10]);
  });
});

describe("an extension is refused", () => {
  test("from the deadline on, to the millisecond, and before it granted", async () => {
    const { now, answers } = await endAroundDeadline(side, "extend_holds", extendRequest);
    for (const { expires_at, word } of answers) {
      expect(word).toBe(now >= expires_at ? "HOLD_EXPIRED" : "EXTENDED");
    }
  });

  test("for a hold that is not, or has ended: the refusal says how", async () => {
    const [sold, cancelled, due] = [await side.hold(), await side.hold(), await side.dueHold()];
    await side.call("confirm_holds", confirmRequest(sold));
    await side.call("cancel_holds", cancelRequest(cancelled));
    await expectNothingDone(sold, ["HOLD_ALREADY_CONFIRMED"]);
    await expectNothingDone(cancelled, ["HOLD_CANCELLED"]);
    await expectNothingDone(due, ["HOLD_EXPIRED", due.expires_at]);
    await side.call("expire_holds", expireRequest(due));
    await expectNothingDone(due, ["HOLD_EXPIRED", due.expires_at]);
    await expectNothingDone({ hold_id: "H-none", lines: [] }, ["HOLD_NOT_FOUND"]);
  });

  test.each([0, -1, DAY_MS + 1, "", "1.5", "nan"])("for a ttl of %j ms", async (ttl_ms) => {
    const hold = await side.hold();
    await expectNothingDone({ ...hold, ttl_ms }, ["BAD_ARGUMENT"]);
  });

  test("with other lines, too late, on a corrupt count, or on a full Redis", async () => {
    const hold = await side.hold();
    const other = [{ sku: "phone", quantity: 2 }];
    await expectNothingDone({ ...hold, lines: other }, ["STALE_LINES"]);
    await expectNothingDone({ ...hold, deadline: 1 }, ["LATE"]);
    await side.redis.hset(keys.hold(hold.hold_id), "extensions", "many");
    await expectNothingDone(hold, ["CORRUPT", keys.hold(hold.hold_id)]);
    await side.redis.config("SET", "maxmemory", "1");
    try {
      await expect(extend(hold)).rejects.toThrow(/^OOM /);
    } finally {
      await side.redis.config("SET", "maxmemory", "0");
    }
  });
});

describe("the sweeper", () => {
  test("does not end a hold that was given more time since it was found due", async () => {
    const hold = await side.hold({ ttl_ms: 60_000 });
    const { tuples } = await extend({ ...hold, ttl_ms: 120_000 });
    await side.redis.zadd(keys.deadlines, 1, hold.hold_id); // as it was found
    expect((await side.call("expire_holds", expireRequest(hold))).tuples).toEqual([["NOT_DUE"]]);
    expect(await deadlineOf(hold)).toBe(tuples[0]?.[2]);
  });
});

test("many extensions of one hold in a batch use up one each, until none is left", async () => {
  const hold = await side.hold();
  await setRules("max_extensions=2");
  const { tuples } = await extend(
    ...[200_000, 300_000, 400_000].map((ttl_ms) => ({ ...hold, ttl_ms })),
  );
  expect(tuples.map(([word]) => word)).toEqual(["EXTENDED", "EXTENDED", "LIMIT_EXCEEDED"]);
  expect(await hashOf(hold)).toMatchObject({ version: "3", extensions: "2" });
});
