import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { endAroundDeadline } from "./deadline-edge.ts";
import {
  cancelRequest,
  confirmRequest,
  createRequest,
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

const cancel = (...specs: Parameters<typeof cancelRequest>[0][]) =>
  side.call("cancel_holds", ...specs.map(cancelRequest));

async function expectRefused(spec: Parameters<typeof cancelRequest>[0], tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await cancel(spec)).tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("a cancel", () => {
  test("gives the hold's units back, and leaves a TTL on the stock as it is", async () => {
    await side.redis.set("stock:phone", "5", "PXAT", 4_000_000_000_000);
    const hold = await side.hold({ lines: [{ sku: "phone", quantity: 2 }] });
    const created = await side.redis.hgetall(keys.hold(hold.hold_id));
    const { now, tuples } = await cancel(hold);
    expect(tuples).toEqual([["CANCELLED"]]);
    expect(await side.redis.hgetall(keys.hold(hold.hold_id))).toEqual({
      ...created,
      status: "CANCELLED",
      version: "2",
      ended_at: String(now),
      ended_by: (await side.entries()).at(-1)?.event_id,
    });
    expect(await side.redis.pexpiretime(keys.hold(hold.hold_id))).toBe(now + DAY_MS);
    expect(await side.redis.zcard(keys.deadlines)).toBe(0);
    expect(await side.stockOf("phone")).toEqual(["5", "0", "2"]);
    expect(await side.redis.pexpiretime("stock:phone")).toBe(4_000_000_000_000);
  });

  test.each([
    ["", {}],
    ['changed "my" mind\u2028', { reason: 'changed "my" mind\u2028' }],
  ])("is told by one event with the reason, if there is one: %j", async (reason, more) => {
    const hold = await side.hold();
    const event_id = "0192b3a4-0000-7000-8000-000000000003";
    const { now } = await cancel({ ...hold, event_id, reason });
    const events = await side.entries();
    expect(events).toHaveLength(2);
    expect(JSON.parse(events[1]?.payload ?? "")).toEqual({
      event_version: 1,
      occurred_at: now,
      request_id: "request-2",
      hold_id: hold.hold_id,
      status: "CANCELLED",
      user_id: "user-1",
      created_at: hold.expires_at - 60_000,
      expires_at: hold.expires_at,
      version: 2,
      ended_at: now,
      ...more,
      lines: [{ sku: "phone", store_id: "main", quantity: 1, available: 5, held: 0, version: 2 }],
    });
    expect(parseEvent(events[1] ?? {})).toMatchObject({ type: "HOLD_CANCELLED", seq: 2 });
    expect(await side.redis.get(keys.seq)).toBe("2");
  });

  test("makes a unit of an empty stock reservable again", async () => {
    const hold = await side.hold({ lines: [{ sku: "phone", quantity: 5 }] });
    const refused = await side.call("create_holds", createRequest());
    expect(refused.tuples[0]?.[0]).toBe("ALL_HELD");
    await cancel(hold);
    expect((await side.call("create_holds", createRequest())).tuples[0]?.[0]).toBe("CREATED");
  });

  test("with a key is remembered for a day; without one nothing is remembered", async () => {
    const [one, two] = [await side.hold(), await side.hold()];
    const { now } = await cancel({ ...one, idem: "k", fingerprint: "f" });
    const record = keys.idem("cancel", "k");
    expect(await side.redis.get(record)).toBe("f CANCELLED");
    expect(await side.redis.pexpiretime(record)).toBeGreaterThanOrEqual(now + DAY_MS);
    expect(await side.redis.pexpiretime(record)).toBeLessThan(now + DAY_MS + 60_000);
    await cancel(two);
    expect(await side.redis.keys("idem:cancel:*")).toEqual([record]);
    expect((await side.records()).slice(2)).toEqual([[record, "f CANCELLED"], undefined]);
  });

  test("again is answered the same, with its key, with another and without", async () => {
    const hold = await side.hold();
    await cancel({ ...hold, idem: "k" });
    await expectRefused({ ...hold, idem: "k" }, ["REPLAYED", "CANCELLED"]);
    await expectRefused({ ...hold, idem: "another" }, ["REPLAYED", "CANCELLED"]);
    await expectRefused(hold, ["REPLAYED", "CANCELLED"]);
    await side.redis.del(keys.hold(hold.hold_id));
    await expectRefused({ ...hold, lines: [], idem: "k" }, ["REPLAYED", "CANCELLED"]);
  });

  test.each([undefined, "k"])(
    "with the event_id of the call that did it is that call, its reply lost (key: %s)",
    async (idem) => {
      const [hold, due] = [await side.hold(), await side.dueHold()];
      const more = idem === undefined ? {} : { idem };
      await cancel({ ...hold, ...more, event_id: "event-7" });
      await expectRefused({ ...hold, ...more, event_id: "event-8" }, ["REPLAYED", "CANCELLED"]);
      await cancel({ ...due, event_id: "event-9" });
      await expectRefused({ ...due, event_id: "event-9" }, ["EXPIRED"]);
      await expectRefused({ ...hold, ...more, event_id: "event-7" }, ["CANCELLED"]);
    },
  );

  test("of a hold past its deadline ends it as expired, at once", async () => {
    const hold = await side.dueHold();
    expect((await cancel({ ...hold, idem: "k" })).tuples).toEqual([["EXPIRED"]]);
    expect(await side.redis.hget(keys.hold(hold.hold_id), "status")).toBe("EXPIRED");
    expect((await side.entries()).map(({ type }) => type)).toEqual([
      "HOLD_CREATED",
      "HOLD_EXPIRED",
    ]);
    expect(await side.stockOf("phone")).toEqual(["5", "0", "2"]);
    await expectRefused({ ...hold, idem: "k" }, ["REPLAYED", "EXPIRED"]);
    await expectRefused(hold, ["REPLAYED", "EXPIRED"]);
  });

  test("of a swept hold says that it has expired", async () => {
    const hold = await side.dueHold();
    await side.call("expire_holds", expireRequest(hold));
    await expectRefused(hold, ["REPLAYED", "EXPIRED"]);
  });

  test("ends a hold as expired from its deadline on, and not a millisecond earlier", async () => {
    const { now, answers } = await endAroundDeadline(side, "cancel_holds", cancelRequest);
    expect(answers).toEqual(
      answers.map(({ expires_at }) => ({
        expires_at,
        word: now >= expires_at ? "EXPIRED" : "CANCELLED",
      })),
    );
    expect(answers.map(({ expires_at }) => expires_at - now)).toEqual(
      expect.arrayContaining([-1, 0, 1]),
    );
  });
});

describe("a cancel is refused, and nothing is written,", () => {
  test("when there is no such hold", () =>
    expectRefused({ hold_id: newHold(), lines: [] }, ["HOLD_NOT_FOUND"]));

  test("when the hold is sold", async () => {
    const hold = await side.hold();
    await side.call("confirm_holds", confirmRequest(hold));
    await expectRefused(hold, ["HOLD_ALREADY_CONFIRMED"]);
  });

  test("when its key belongs to another request", async () => {
    const [one, two] = [await side.hold(), await side.hold()];
    await cancel({ ...one, idem: "k", fingerprint: "first" });
    await expectRefused({ ...two, idem: "k", fingerprint: "other" }, ["IDEMPOTENCY_KEY_REUSED"]);
  });

  test("when its key's record is no text", async () => {
    const hold = await side.hold();
    await side.redis.rpush(keys.idem("cancel", "k"), "a list");
    await expectRefused({ ...hold, idem: "k" }, ["CORRUPT", keys.idem("cancel", "k")]);
  });
});

describe("a batch of cancels", () => {
  test("gives one hold back once and replays the rest, with one key or two", async () => {
    const hold = await side.hold();
    const { tuples } = await cancel(
      { ...hold, idem: "k" },
      { ...hold, idem: "k" },
      { ...hold, idem: "other" },
      hold,
    );
    expect(tuples).toEqual([
      ["CANCELLED"],
      ["REPLAYED", "CANCELLED"],
      ["REPLAYED", "CANCELLED"],
      ["REPLAYED", "CANCELLED"],
    ]);
    expect(await side.stockOf("phone")).toEqual(["5", "0", "2"]);
    expect(await side.entries()).toHaveLength(2);
  });

  test("right behind a confirm of the same hold is refused, and before one the confirm is", async () => {
    const [one, two] = [await side.hold(), await side.hold()];
    const confirms = side.call("confirm_holds", confirmRequest(one));
    const cancels = side.call("cancel_holds", cancelRequest(one), cancelRequest(two));
    const late = side.call("confirm_holds", confirmRequest(two));
    const words = (await Promise.all([confirms, cancels, late])).map(({ tuples }) =>
      tuples.map(([word]) => word),
    );
    expect(words).toEqual([
      ["CONFIRMED"],
      ["HOLD_ALREADY_CONFIRMED", "CANCELLED"],
      ["HOLD_CANCELLED"],
    ]);
    expect(await side.stockOf("phone")).toEqual(["4", "0", "4"]);
  });
});
