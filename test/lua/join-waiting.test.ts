import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { rulesRequest } from "./rules-requests.ts";
import {
  cancelRequest,
  DAY_MS,
  dumpAll,
  keys,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";
import { type JoinSpec, joinRequest, leaveRequest, newWaiter } from "./waiting-requests.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "0");
});

const join = async (...specs: JoinSpec[]) =>
  (await side.call("join_waiting", ...specs.map(joinRequest))).tuples;
const leave = async (...specs: Parameters<typeof leaveRequest>[0][]) =>
  (await side.call("leave_waiting", ...specs.map(leaveRequest))).tuples;
const words = (tuples: unknown[][]) => tuples.map(([word]) => word);
const queue = () => side.redis.zrange(keys.queue("phone"), "0", "-1");

async function expectUnchanged(ask: () => Promise<unknown>, answer: unknown) {
  const before = await dumpAll(side.redis);
  expect(await ask()).toEqual(answer);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("joining", () => {
  test("puts each behind the one before, in one batch and in the next", async () => {
    const [a, b, c] = [newWaiter(), newWaiter(), newWaiter()];
    const first = await join({ waiter_id: a }, { waiter_id: b });
    expect(first.map(([word, id, , position]) => [word, id, position])).toEqual([
      ["JOINED", a, 1],
      ["JOINED", b, 2],
    ]);
    expect((await join({ waiter_id: c }))[0]?.[3]).toBe(3);
    expect(await queue()).toEqual([a, b, c]);
    expect(await side.redis.hgetall(keys.waiting)).toEqual({ phone: "3" });
  });

  test("is told by an event that has all of it", async () => {
    const waiter_id = newWaiter();
    await join({ waiter_id, user_id: 'a "b"', quantity: 3, idem: "k" });
    const [entry = {}] = await side.entries();
    const event = parseEvent(entry);
    expect(event).toMatchObject({
      type: "WAITER_JOINED",
      seq: 1,
      payload: {
        ...{ waiter_id, status: "WAITING", sku: "phone", store_id: "main", quantity: 3 },
        ...{ user_id: 'a "b"', offer_ms: 60_000, joined_seq: 1, request_id: "request-4" },
        record: [keys.idem("waitlist_join", "k"), expect.stringMatching(/^join-1 W-\S+ \d+ 1$/)],
      },
    });
    expect(await side.redis.hgetall(keys.waiter(waiter_id))).toMatchObject({
      ...{ status: "WAITING", stock: "phone", user_id: 'a "b"', joined_seq: "1" },
    });
  });

  test("is refused when there are enough and nobody waits, and not one unit sooner", async () => {
    await side.redis.set("stock:phone", "2");
    for (const quantity of [1, 2]) {
      await expectUnchanged(() => join({ quantity }), [["STOCK_AVAILABLE", 2]]);
    }
    expect(words(await join({ quantity: 3 }))).toEqual(["JOINED"]);
    // Somebody waits now, so that this one joins; and gets what suffices for him at once.
    const waiter_id = newWaiter();
    expect((await join({ quantity: 2, waiter_id }))[0]?.slice(3)).toEqual([2]);
    expect(await side.redis.hget(keys.waiter(waiter_id), "status")).toBe("OFFERED");
    expect(await side.stockOf("phone")).toEqual(["0", "2", "1"]);
  });

  test("of the same customer is refused until he has left, and in another stock is not", async () => {
    await side.redis.set("stock:phone@north", "0");
    const [first, second, third] = [newWaiter(), newWaiter(), newWaiter()];
    const ada = { user_id: "ada" };
    expect(await join({ ...ada, waiter_id: first }, ada)).toEqual([
      ["JOINED", first, expect.any(Number), 1],
      ["ALREADY_WAITING", first],
    ]);
    await expectUnchanged(() => join(ada), [["ALREADY_WAITING", first]]);
    expect(words(await join({ ...ada, store_id: "north", waiter_id: second }))).toEqual(["JOINED"]);
    await leave({ waiter_id: first });
    expect(words(await join({ ...ada, waiter_id: third }))).toEqual(["JOINED"]);
    expect(await queue()).toEqual([third]);
    expect(await side.redis.hgetall(keys.waiting)).toEqual({ phone: "1", "phone@north": "1" });
  });

  test("is repeated by its key, and refused for another request under it", async () => {
    const waiter_id = newWaiter();
    const [joined] = await join({ waiter_id, idem: "k" });
    await expectUnchanged(
      () => join({ idem: "k" }),
      [["REPLAYED", waiter_id, String(joined?.[2]), "1"]],
    );
    await expectUnchanged(
      () => join({ idem: "k", fingerprint: "join-2" }),
      [["IDEMPOTENCY_KEY_REUSED"]],
    );
  });

  test("has room for 100,000 and no more", async () => {
    const many = Array.from({ length: 99_999 }, (_, i) => [i + 1, `W-${i}`]).flat();
    for (let i = 0; i < many.length; i += 20_000) {
      await side.redis.zadd(keys.queue("phone"), ...many.slice(i, i + 20_000));
    }
    await side.redis.hset(keys.waiting, "phone", "99999");
    await side.redis.set(keys.seq, "99999");
    const [last, over] = await join({}, {});
    expect([last?.[0], last?.[3]]).toEqual(["JOINED", 100_000]);
    expect(over).toEqual(["WAITING_LIST_FULL", 100_000]);
    await expectUnchanged(() => join({}), [["WAITING_LIST_FULL", 100_000]]);
  });

  test.each<[string, JoinSpec]>([
    ["quantity 0", { quantity: 0 }],
    ["quantity 1001", { quantity: 1001 }],
    ["offer 0", { offer_ms: 0 }],
    ["offer over a day", { offer_ms: DAY_MS + 1 }],
    ["nobody", { user_id: "" }],
  ])("takes no nonsense: %s", async (_, spec) => {
    await expectUnchanged(() => join(spec), [["BAD_ARGUMENT"]]);
  });

  test("takes the most there is", async () => {
    expect(words(await join({ quantity: 1000, offer_ms: DAY_MS }))).toEqual(["JOINED"]);
  });

  test("asks for what the sale allows", async () => {
    await expectUnchanged(() => join({ sku: "ghost" }), [["UNKNOWN_SKU", "ghost"]]);
    await side.call("change_rules", rulesRequest({ rules: "max_per_order=2" }));
    await expectUnchanged(
      () => join({ quantity: 3 }),
      [["LIMIT_EXCEEDED", "phone", "max_per_order", 2, 2]],
    );
    expect(words(await join({ quantity: 2 }))).toEqual(["JOINED"]);
    await side.call("change_rules", rulesRequest({ rules: "paused=1" }));
    await expectUnchanged(() => join({}), [["SALE_PAUSED", "phone"]]);
  });
});

describe("leaving", () => {
  test("is told by an event, and forgets the waiter a day after the offer would have ended", async () => {
    const [a, b] = [newWaiter(), newWaiter()];
    await join({ waiter_id: a }, { waiter_id: b });
    const event_id = "0192b3a4-0000-7000-8000-000000000003";
    const { now, tuples } = await side.call(
      "leave_waiting",
      leaveRequest({ waiter_id: a, event_id }),
    );
    expect(tuples).toEqual([["LEFT", event_id]]);
    expect(await queue()).toEqual([b]);
    expect(await side.redis.pexpiretime(keys.waiter(a))).toBe(now + 60_000 + DAY_MS);
    expect(parseEvent((await side.entries()).at(-1) ?? {})).toMatchObject({
      ...{ event_id, type: "WAITER_LEFT" },
      payload: { waiter_id: a, status: "LEFT", quantity: 1, joined_seq: 1 },
    });
  });

  test("again is the same, under the same key and another one", async () => {
    const waiter_id = newWaiter();
    await join({ waiter_id });
    const [left] = await leave({ waiter_id, idem: "k" });
    await expectUnchanged(() => leave({ waiter_id, idem: "k" }), [["REPLAYED", "LEFT", left?.[1]]]);
    await expectUnchanged(() => leave({ waiter_id }), [["ENDED", "LEFT"]]);
    await expectUnchanged(
      () => leave({ waiter_id, idem: "k", fingerprint: "other" }),
      [["IDEMPOTENCY_KEY_REUSED"]],
    );
    expect(await side.redis.keys("inventory.waiting*")).toEqual([]);
    expect(await side.redis.exists(keys.waiting)).toBe(0);
  });

  test("in one batch twice leaves once", async () => {
    const waiter_id = newWaiter();
    await join({ waiter_id });
    expect(words(await leave({ waiter_id }, { waiter_id }))).toEqual(["LEFT", "ENDED"]);
  });

  test("is for the hold to say once there is an offer", async () => {
    const waiter_id = newWaiter();
    await join({ waiter_id });
    const lines = [{ sku: "phone", quantity: 1 }];
    await side.redis.set("stock:phone", "1");
    await side.call("offer_stock", { keys: ["stock:phone", "item:phone"], args: ["9".repeat(15)] });
    const hold_id = `H-${waiter_id.slice(2)}`;
    await expectUnchanged(() => leave({ waiter_id }), [["OFFERED", hold_id]]);
    const { tuples } = await side.call("cancel_holds", cancelRequest({ hold_id, lines }));
    expect(tuples).toEqual([["CANCELLED"]]);
  });

  test("of whom nobody knows, or who is not in the queue any more, is refused", async () => {
    const waiter_id = newWaiter();
    await expectUnchanged(() => leave({ waiter_id }), [["WAITER_NOT_FOUND"]]);
    await join({ waiter_id });
    await side.redis.zrem(keys.queue("phone"), waiter_id);
    await expectUnchanged(() => leave({ waiter_id }), [["WAITER_NOT_FOUND"]]);
  });

  test("of who wanted too much lets the next one have what is there", async () => {
    const [greedy, modest] = [newWaiter(), newWaiter()];
    await join({ waiter_id: greedy, quantity: 5 });
    const nine = Array.from({ length: 9 }, () => ({ quantity: 5 }));
    await join(...nine);
    await join({ waiter_id: modest, quantity: 2 });
    await side.redis.set("stock:phone", "2");
    expect(await side.redis.hget(keys.waiter(modest), "status")).toBe("WAITING");
    await leave({ waiter_id: greedy });
    expect(await side.redis.hget(keys.waiter(modest), "status")).toBe("OFFERED");
  });
});
