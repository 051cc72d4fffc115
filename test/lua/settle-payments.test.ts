import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { changesOf } from "../../src/domain/line-changes.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { DEFAULT_PAYMENT, paymentKey, type SettleSpec, settleRequest } from "./payment-requests.ts";
import {
  cancelRequest,
  confirmRequest,
  DAY_MS,
  dumpAll,
  expireRequest,
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

const settle = (...specs: SettleSpec[]) =>
  side.call("settle_payments", ...specs.map(settleRequest));
const lines = [{ sku: "phone", quantity: 2 }];

/** A hold of two phones that was swept, so that five are available. */
async function expiredHold() {
  const hold = await side.dueHold({ lines });
  await side.call("expire_holds", expireRequest(hold));
  return hold;
}

/** An expired hold that Redis remembers, made so long ago. */
async function oldHold(age_ms: number) {
  const hold = await expiredHold();
  const created_at = (await side.now()) - age_ms;
  await side.redis.hset(keys.hold(hold.hold_id), "created_at", created_at);
  return hold;
}

async function expectNothingDone(spec: SettleSpec, tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await settle(spec)).tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

const lastEvent = async () => parseEvent((await side.entries()).at(-1) ?? {});

describe("a payment in time", () => {
  test("sells the hold as a confirm does, and to whom has paid under that name", async () => {
    const hold = await side.hold({ lines });
    const { now, tuples } = await settle(hold);
    expect(tuples).toEqual([["CONFIRMED", "O-1", String(now)]]);
    expect(await side.stockOf("phone")).toEqual(["3", "0", "2"]);
    await expectNothingDone({ ...hold, order_id: "O-2" }, ["REPLAYED", "O-1", String(now)]);
    const plain = await side.call("confirm_holds", confirmRequest({ ...hold, order_id: "O-3" }));
    expect(plain.tuples).toEqual([["REPLAYED", "O-1", String(now)]]);
  });

  test("sells a part, too", async () => {
    const hold = await side.hold({ lines });
    const { now, tuples } = await settle({ ...hold, parts: [{ sku: "phone", quantity: 1 }] });
    expect(tuples).toEqual([["CONFIRMED", "O-1", String(now), "IN_TIME", "phone@main=1"]]);
    expect(await side.stockOf("phone")).toEqual(["4", "0", "2"]);
  });
});

describe("a late payment", () => {
  test("gets the units that nobody has swept yet", async () => {
    const hold = await side.dueHold({ lines: [{ sku: "phone", quantity: 5 }] });
    const { now, tuples } = await settle(hold);
    expect(tuples).toEqual([["CONFIRMED", "O-1", String(now), "LATE"]]);
    expect(await side.stockOf("phone")).toEqual(["0", "0", "2"]);
    expect(await side.redis.zcard(keys.deadlines)).toBe(0);
    expect((await lastEvent()).payload).toMatchObject({ late: true, expires_at: hold.expires_at });
    const swept = await side.call("expire_holds", expireRequest(hold));
    expect(swept.tuples).toEqual([["ENDED"]]);
  });

  test("takes the units of an expired hold again", async () => {
    const hold = await expiredHold();
    expect(await side.stockOf("phone")).toEqual(["5", "0", "2"]);
    const { now, tuples } = await settle({ ...hold, idem: "k", event_id: "event-9" });
    expect(tuples).toEqual([["CONFIRMED", "O-1", String(now), "LATE"]]);
    expect(await side.stockOf("phone")).toEqual(["3", "0", "3"]);
    expect(await side.redis.hgetall(keys.hold(hold.hold_id))).toEqual({
      ...{ status: "CONFIRMED", lines: "phone@main=2", user_id: "user-1", version: "3" },
      ...{ created_at: expect.any(String), expires_at: String(hold.expires_at) },
      ...{ ended_at: String(now), ended_by: "event-9", order_id: "O-1" },
      ...{ payment_ref: "payment-1", late: "1" },
    });
    expect(await side.redis.pexpiretime(keys.hold(hold.hold_id))).toBe(now + DAY_MS);
    for (const again of [hold, { ...hold, idem: "k" }, { ...hold, lines: [] }]) {
      await expectNothingDone({ ...again, order_id: "O-2" }, [
        "REPLAYED",
        "O-1",
        String(now),
        "LATE",
      ]);
    }
  });

  test("is told by an event that takes units out of what is available", async () => {
    const hold = await expiredHold();
    await settle({ ...hold, event_id: "0192b3a4-0000-7000-8000-000000000002" });
    const event = await lastEvent();
    expect(event).toMatchObject({
      type: "HOLD_CONFIRMED",
      payload: { status: "CONFIRMED", late: true, version: 3, order_id: "O-1" },
    });
    expect(changesOf(event)).toEqual([
      {
        ...{ sku: "phone", store_id: "main", available: 3, held: 0, version: 3 },
        ...{ available_delta: -2, held_delta: 0 },
      },
    ]);
  });

  test.each([
    [3, "CONFIRMED"],
    [2, "CONFIRMED"],
    [1, "UNFULFILLED"],
    [0, "UNFULFILLED"],
  ])("of two units when %i are available: %s", async (available, word) => {
    const hold = await expiredHold();
    await side.redis.set("stock:phone", available);
    const { now, tuples } = await settle(hold);
    if (word === "CONFIRMED") expect(tuples[0]?.[0]).toBe(word);
    else expect(tuples).toEqual([[word, DEFAULT_PAYMENT, "SOLD_OUT", String(now)]]);
    const left = word === "CONFIRMED" ? available - 2 : available;
    expect(await side.redis.get("stock:phone")).toBe(String(left));
  });

  test("of two lines takes none when one of them is short", async () => {
    await side.redis.set("stock:case", "1");
    const both = [...lines, { sku: "case", quantity: 1 }];
    const hold = await side.dueHold({ lines: both });
    await side.call("expire_holds", expireRequest(hold));
    await side.redis.set("stock:case", "0");
    const { tuples } = await settle(hold);
    expect(tuples[0]?.slice(0, 3)).toEqual(["UNFULFILLED", DEFAULT_PAYMENT, "SOLD_OUT"]);
    expect(await side.redis.get("stock:phone")).toBe("5");
    const part = { ...hold, payment_ref: "p2", parts: [{ sku: "phone", quantity: 1 }] };
    expect((await settle(part)).tuples[0]?.slice(3)).toEqual(["LATE", "phone@main=1"]);
    expect(await side.stockOf("phone")).toEqual(["4", "0", "3"]);
  });

  test.each([
    ["max_per_order=2", "CONFIRMED"],
    ["max_per_order=1", "UNFULFILLED"],
    ["max_per_customer=5 counts=1", "CONFIRMED"],
    ["max_per_customer=4 counts=1", "UNFULFILLED"],
    ["paused=1", "CONFIRMED"],
    ["closes_at=1", "CONFIRMED"],
    ["max_active_holds=0", "CONFIRMED"],
  ])("under the rule %s, with three units bought before: %s", async (rule, word) => {
    const hold = await expiredHold();
    await side.redis.hset(keys.rules, "phone", `version=1 ${rule}`);
    await side.redis.hset(keys.customers, "phone user-1", "3 0");
    const { tuples } = await settle(hold);
    expect(tuples[0]?.[0]).toBe(word);
    if (word === "UNFULFILLED") expect(tuples[0]?.[2]).toBe("LIMIT_EXCEEDED");
    const counted = rule.includes("counts") && word === "CONFIRMED";
    expect(await side.redis.hget(keys.customers, "phone user-1")).toBe(counted ? "5 0" : "3 0");
  });

  test("gets nothing of a sku that somebody has to look at first", async () => {
    const hold = await expiredHold();
    await side.redis.hset(keys.stopped, "phone", "{}");
    expect((await settle(hold)).tuples[0]?.[2]).toBe("SOLD_OUT");
  });

  test("of other lines than the hold has is asked again with those", async () => {
    const hold = await expiredHold();
    const other = { ...hold, lines: [{ sku: "phone", quantity: 1 }] };
    await expectNothingDone(other, ["STALE_LINES"]);
  });

  test("for more than was held is refused, and not written down", async () => {
    const hold = await expiredHold();
    const parts = [{ sku: "phone", quantity: 3 }];
    await expectNothingDone({ ...hold, parts }, ["NOT_HELD", "phone", 2]);
  });
});

describe("a payment that can't be fulfilled", () => {
  test("is written down once, with an event that moves nothing, and answered so for good", async () => {
    const hold = await side.hold({ lines });
    await side.call("cancel_holds", cancelRequest(hold));
    const payment_ref = 'pay "1" €';
    const before = await side.stockOf("phone");
    const paid = { ...hold, payment_ref, event_id: "0192b3a4-0000-7000-8000-000000000002" };
    const { now, tuples } = await settle(paid);
    const said = [DEFAULT_PAYMENT, "HOLD_CANCELLED", String(now)];
    expect(tuples).toEqual([["UNFULFILLED", ...said]]);
    expect(await side.stockOf("phone")).toEqual(before);
    const event = await lastEvent();
    expect(changesOf(event)).toEqual([]);
    expect(event).toMatchObject({
      type: "PAYMENT_UNFULFILLED",
      payload: {
        ...{ hold_id: hold.hold_id, payment_id: DEFAULT_PAYMENT, payment_ref },
        ...{ why: "HOLD_CANCELLED", occurred_at: now },
        hold: {
          status: "CANCELLED",
          user_id: "user-1",
          lines: [{ ...lines[0], store_id: "main" }],
        },
        record: [paymentKey(hold.hold_id, payment_ref), `payment ${said.join(" ")}`],
      },
    });
    expect(await side.redis.pexpiretime(paymentKey(hold.hold_id, payment_ref))).toBe(now + DAY_MS);
    const again = { ...paid, payment_id: "P-other" };
    await expectNothingDone(again, ["UNFULFILLED_BEFORE", ...said]);
    await expectNothingDone({ ...again, lines: [], idem: "k" }, ["UNFULFILLED_BEFORE", ...said]);
  });

  test("is not taken again when units are back", async () => {
    const hold = await expiredHold();
    await side.redis.set("stock:phone", 0);
    await settle(hold);
    await side.redis.set("stock:phone", 5);
    expect((await settle(hold)).tuples[0]?.[0]).toBe("UNFULFILLED_BEFORE");
    expect((await settle({ ...hold, payment_ref: "p2" })).tuples[0]?.[0]).toBe("CONFIRMED");
    expect((await settle(hold)).tuples[0]?.[0]).toBe("UNFULFILLED_BEFORE");
  });

  test("is the second one for a hold that was sold", async () => {
    const hold = await side.hold({ lines });
    const { tuples } = await settle(
      { ...hold, payment_ref: "p1" },
      { ...hold, payment_ref: "p2" },
      { ...hold, payment_ref: "p2", payment_id: "P-3" },
      { ...hold, payment_ref: "p1" },
    );
    expect(tuples.map(([word]) => word)).toEqual([
      ...["CONFIRMED", "UNFULFILLED", "UNFULFILLED_BEFORE", "REPLAYED"],
    ]);
    expect(tuples[1]?.[2]).toBe("HOLD_ALREADY_CONFIRMED");
    expect(tuples[2]?.[1]).toBe(DEFAULT_PAYMENT);
    expect(await side.redis.xlen(keys.stream)).toBe(3);
  });

  test("leaves nothing under its idempotency key", async () => {
    const hold = await side.hold({ lines });
    await side.call("cancel_holds", cancelRequest(hold));
    await settle({ ...hold, idem: "k" });
    expect(await side.redis.exists(keys.idem("confirm", "k"))).toBe(0);
  });
});

describe("the ledger is asked", () => {
  test("for a hold that Redis has not", async () => {
    await expectNothingDone({ hold_id: newHold(), lines: [] }, ["LEDGER_NEEDED"]);
  });

  test.each([
    ["just before a day is over", DAY_MS - 60_000, "CONFIRMED"],
    ["after a day", DAY_MS + 1, "LEDGER_NEEDED"],
  ])("for one that has ended and was made long ago: %s", async (_, age_ms, word) => {
    const hold = await oldHold(age_ms);
    expect((await settle(hold)).tuples[0]?.[0]).toBe(word);
    const knows = { ...hold, recorded: { status: "EXPIRED" } };
    const decided = word === "CONFIRMED" ? "REPLAYED" : "CONFIRMED";
    expect((await settle(knows)).tuples[0]?.[0]).toBe(decided);
  });

  test("and a hold that it knows is taken again, and written anew", async () => {
    const hold_id = newHold();
    const recorded = { status: "EXPIRED", user_id: "ann", created_at: 1_000, expires_at: 2_000 };
    const { now, tuples } = await settle({ hold_id, lines, recorded: { ...recorded, version: 2 } });
    expect(tuples).toEqual([["CONFIRMED", "O-1", String(now), "LATE"]]);
    expect(await side.stockOf("phone")).toEqual(["3", "0", "1"]);
    expect(await side.redis.hgetall(keys.hold(hold_id))).toMatchObject({
      ...{ status: "CONFIRMED", lines: "phone@main=2", user_id: "ann", version: "3", late: "1" },
      ...{ created_at: "1000", expires_at: "2000", payment_ref: "payment-1" },
    });
    const answer = ["REPLAYED", "O-1", String(now), "LATE"];
    await expectNothingDone({ hold_id, lines, recorded: { ...recorded, version: 2 } }, answer);
  });

  test("and what Redis has by then counts more", async () => {
    const hold = await side.hold({ lines });
    await side.call("cancel_holds", cancelRequest(hold));
    const { tuples } = await settle({ ...hold, recorded: { status: "EXPIRED" } });
    expect(tuples[0]?.[2]).toBe("HOLD_CANCELLED");
  });

  test.each([
    ["CANCELLED", "HOLD_CANCELLED"],
    ["CONFIRMED", "HOLD_ALREADY_CONFIRMED"],
    ["ACTIVE", "HOLD_NOT_FOUND"],
    ["NONE", "HOLD_NOT_FOUND"],
  ])("and knows it as %s: the payment is unfulfilled, %s", async (status, why) => {
    const hold_id = newHold();
    const asked: SettleSpec =
      status === "NONE"
        ? { hold_id, lines: [], recorded: "NONE" }
        : { hold_id, lines, recorded: { status } };
    const { now, tuples } = await settle(asked, { ...asked, payment_id: "P-2" });
    expect(tuples).toEqual([
      ["UNFULFILLED", DEFAULT_PAYMENT, why, String(now)],
      ["UNFULFILLED_BEFORE", DEFAULT_PAYMENT, why, String(now)],
    ]);
    expect(await side.redis.exists(keys.hold(hold_id))).toBe(0);
  });

  test.each([
    ["a status that is none", { status: "GONE" }],
    ["no number as version", { status: "EXPIRED", version: "x" }],
    ["no time", { status: "EXPIRED", created_at: "1.5" }],
  ])("and %s of it is refused", async (_, recorded) => {
    await expectNothingDone({ hold_id: newHold(), lines, recorded }, ["BAD_ARGUMENT"]);
  });
});

test("a record that is no text is named, and nothing is done", async () => {
  const hold = await expiredHold();
  const key = paymentKey(hold.hold_id, "payment-1");
  await side.redis.rpush(key, "a list");
  await expectNothingDone(hold, ["CORRUPT", key]);
});

test("a payment without a name is none", async () => {
  const hold = await side.hold({ lines });
  await expectNothingDone({ ...hold, payment_ref: "" }, ["BAD_ARGUMENT"]);
});
