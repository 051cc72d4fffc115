import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { changesOf } from "../../src/domain/line-changes.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { endAroundDeadline } from "./deadline-edge.ts";
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

const confirm = (...specs: Parameters<typeof confirmRequest>[0][]) =>
  side.call("confirm_holds", ...specs.map(confirmRequest));

async function expectRefused(spec: Parameters<typeof confirmRequest>[0], tuple: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await confirm(spec)).tuples).toEqual([tuple]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("a confirm", () => {
  test("sells the hold's units: they leave held and don't come back", async () => {
    const hold = await side.hold({ lines: [{ sku: "phone", quantity: 2 }] });
    const created = await side.redis.hgetall(keys.hold(hold.hold_id));
    const { now, tuples } = await confirm({
      ...hold,
      event_id: "event-7",
      order_id: "O-7",
      payment_ref: "pay 7",
    });
    expect(tuples).toEqual([["CONFIRMED", "O-7", String(now)]]);
    expect(await side.redis.hgetall(keys.hold(hold.hold_id))).toEqual({
      ...created,
      status: "CONFIRMED",
      version: "2",
      ended_at: String(now),
      ended_by: "event-7",
      order_id: "O-7",
      payment_ref: "pay 7",
    });
    expect(await side.redis.pexpiretime(keys.hold(hold.hold_id))).toBe(now + DAY_MS);
    expect(await side.redis.zcard(keys.deadlines)).toBe(0);
    expect(await side.stockOf("phone")).toEqual(["3", "0", "2"]);
  });

  test("is told by one event that is complete and that the recorder can read", async () => {
    const hold = await side.hold({ user_id: "user 1" });
    const event_id = "0192b3a4-0000-7000-8000-000000000002";
    const payment_ref = 'pi_3/"€"';
    const { now } = await confirm({ ...hold, event_id, payment_ref, request_id: "r" });
    const events = await side.entries();
    expect(events).toHaveLength(2);
    expect(parseEvent(events[1] ?? {})).toMatchObject({
      event_id,
      type: "HOLD_CONFIRMED",
      seq: 2,
      payload: {
        event_version: 1,
        occurred_at: now,
        request_id: "r",
        hold_id: hold.hold_id,
        status: "CONFIRMED",
        user_id: "user 1",
        created_at: hold.expires_at - 60_000,
        expires_at: hold.expires_at,
        version: 2,
        ended_at: now,
        order_id: "O-1",
        payment_ref,
        lines: [{ sku: "phone", store_id: "main", quantity: 1, available: 4, held: 0, version: 2 }],
      },
    });
    expect(await side.redis.get(keys.seq)).toBe("2");
  });

  test("without a payment_ref leaves it out of the hold and of the event", async () => {
    const hold = await side.hold();
    const { now } = await confirm({ ...hold, payment_ref: "" });
    const sold = await side.redis.hgetall(keys.hold(hold.hold_id));
    expect(sold).toMatchObject({ status: "CONFIRMED", order_id: "O-1" });
    expect(Object.keys(sold)).not.toContain("payment_ref");
    const payload = JSON.parse((await side.entries())[1]?.payload ?? "");
    expect(payload).toMatchObject({ status: "CONFIRMED", order_id: "O-1", ended_at: now });
    expect(Object.keys(payload)).not.toContain("payment_ref");
    await expectRefused({ ...hold, order_id: "O-2", payment_ref: "" }, [
      "REPLAYED",
      "O-1",
      String(now),
    ]);
    await expectRefused({ ...hold, payment_ref: "payment-1" }, ["HOLD_ALREADY_CONFIRMED"]);
  });

  test("with a key is remembered for a day; without one nothing is remembered", async () => {
    const [one, two] = [await side.hold(), await side.hold()];
    const { now } = await confirm({ ...one, idem: "k", fingerprint: "f" });
    const record = keys.idem("confirm", "k");
    expect(await side.redis.get(record)).toBe(`f O-1 ${now}`);
    expect(await side.redis.pexpiretime(record)).toBeGreaterThanOrEqual(now + DAY_MS);
    expect(await side.redis.pexpiretime(record)).toBeLessThan(now + DAY_MS + 60_000);
    await confirm(two);
    expect(await side.redis.keys("idem:confirm:*")).toEqual([record]);
    expect((await side.records()).slice(2)).toEqual([[record, `f O-1 ${now}`], undefined]);
  });

  test("again gives the same order for the same payment_ref, with a key and without", async () => {
    const hold = await side.hold();
    const { now } = await confirm({ ...hold, order_id: "O-1", idem: "k" });
    for (const again of [
      { ...hold, order_id: "O-2" },
      { ...hold, order_id: "O-3", idem: "k" },
      { ...hold, order_id: "O-4", idem: "another" },
      { ...hold, order_id: "O-5", lines: [] },
    ]) {
      await expectRefused(again, ["REPLAYED", "O-1", String(now)]);
    }
  });

  test("with a remembered key is answered when its hold is long gone", async () => {
    const hold = await side.hold();
    const { now } = await confirm({ ...hold, idem: "k" });
    await side.redis.del(keys.hold(hold.hold_id));
    await expectRefused({ ...hold, lines: [], idem: "k" }, ["REPLAYED", "O-1", String(now)]);
  });
});

describe("a confirm is refused, and nothing is written,", () => {
  test("when there is no such hold", () =>
    expectRefused({ hold_id: newHold(), lines: [] }, ["HOLD_NOT_FOUND"]));

  test("when it was sold for another payment_ref", async () => {
    const hold = await side.hold();
    await confirm(hold);
    await expectRefused({ ...hold, payment_ref: "payment-2" }, ["HOLD_ALREADY_CONFIRMED"]);
    await expectRefused({ ...hold, payment_ref: "" }, ["HOLD_ALREADY_CONFIRMED"]);
  });

  test("when its key belongs to another request", async () => {
    const [one, two] = [await side.hold(), await side.hold()];
    await confirm({ ...one, idem: "k", fingerprint: "first" });
    await expectRefused({ ...two, idem: "k", fingerprint: "other" }, ["IDEMPOTENCY_KEY_REUSED"]);
  });

  test("when its key's record is no text", async () => {
    const hold = await side.hold();
    await side.redis.rpush(keys.idem("confirm", "k"), "a list");
    await expectRefused({ ...hold, idem: "k" }, ["CORRUPT", keys.idem("confirm", "k")]);
  });

  test("when it was cancelled", async () => {
    const hold = await side.hold();
    await side.call("cancel_holds", cancelRequest(hold));
    await expectRefused(hold, ["HOLD_CANCELLED"]);
  });

  test("when it has expired, swept or not", async () => {
    const hold = await side.dueHold();
    await expectRefused(hold, ["HOLD_EXPIRED", hold.expires_at]);
    await side.call("expire_holds", expireRequest(hold));
    await expectRefused(hold, ["HOLD_EXPIRED", hold.expires_at]);
  });

  test("from the hold's deadline on, and not a millisecond earlier", async () => {
    const { now, answers } = await endAroundDeadline(side, "confirm_holds", confirmRequest);
    expect(answers).toEqual(
      answers.map(({ expires_at }) => ({
        expires_at,
        word: now >= expires_at ? "HOLD_EXPIRED" : "CONFIRMED",
      })),
    );
    expect(answers.map(({ expires_at }) => expires_at - now)).toEqual(
      expect.arrayContaining([-1, 0, 1]),
    );
  });
});

describe("a batch of confirms", () => {
  test("sells one hold once, to the first payment_ref", async () => {
    const hold = await side.hold();
    const { now, tuples } = await confirm(
      { ...hold, order_id: "O-1", payment_ref: "p1" },
      { ...hold, order_id: "O-2", payment_ref: "p2" },
      { ...hold, order_id: "O-3", payment_ref: "p1" },
    );
    expect(tuples).toEqual([
      ["CONFIRMED", "O-1", String(now)],
      ["HOLD_ALREADY_CONFIRMED"],
      ["REPLAYED", "O-1", String(now)],
    ]);
    expect(await side.stockOf("phone")).toEqual(["4", "0", "2"]);
  });

  test("sells one hold once without a payment_ref, and to nobody with one", async () => {
    const hold = await side.hold();
    const { tuples } = await confirm(
      { ...hold, order_id: "O-1", payment_ref: "" },
      { ...hold, order_id: "O-2", payment_ref: "p2" },
      { ...hold, order_id: "O-3", payment_ref: "" },
    );
    expect(tuples.map(([word]) => word)).toEqual([
      "CONFIRMED",
      "HOLD_ALREADY_CONFIRMED",
      "REPLAYED",
    ]);
  });

  test("gives one key to one of two holds", async () => {
    const [one, two] = [await side.hold(), await side.hold()];
    const { tuples } = await confirm(
      { ...one, idem: "k", fingerprint: "one" },
      { ...two, idem: "k", fingerprint: "two" },
    );
    expect(tuples.map(([word]) => word)).toEqual(["CONFIRMED", "IDEMPOTENCY_KEY_REUSED"]);
    expect(await side.redis.hget(keys.hold(two.hold_id), "status")).toBe("ACTIVE");
  });

  test("sells holds of one stock one after the other, each event with the stock after it", async () => {
    const holds = [await side.hold(), await side.hold(), await side.hold()];
    await confirm(...holds);
    const lines = (await side.entries()).slice(3).flatMap((entry) => changesOf(parseEvent(entry)));
    expect(lines.map((line) => [line.available, line.held, line.version])).toEqual([
      [2, 2, 4],
      [2, 1, 5],
      [2, 0, 6],
    ]);
  });
});
