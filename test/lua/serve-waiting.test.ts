import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { rulesRequest } from "./rules-requests.ts";
import {
  cancelRequest,
  createRequest,
  expireRequest,
  keys,
  openScripts,
  type ScriptSide,
} from "./script-side.ts";
import { changeRequest, purchaseRequest, transferRequest } from "./stock-requests.ts";
import { type JoinSpec, joinRequest, newWaiter, offerRequest } from "./waiting-requests.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "0");
});

/** Lets so many customers wait, and returns their ids in the order in which they came. */
async function wait(specs: JoinSpec[]): Promise<string[]> {
  const named = specs.map((spec) => ({ waiter_id: newWaiter(), ...spec }));
  const { tuples } = await side.call("join_waiting", ...named.map(joinRequest));
  expect(tuples.map(([word]) => word)).toEqual(specs.map(() => "JOINED"));
  return named.map(({ waiter_id }) => waiter_id);
}
const ones = (count: number) => Array.from({ length: count }, () => ({}));
const restock = (units: number, sku = "phone") =>
  side.call("change_stocks", changeRequest({ sku, units }));
const statusOf = (waiter_id = "") => side.redis.hget(keys.waiter(waiter_id), "status");
const statuses = (ids: string[]) => Promise.all(ids.map(statusOf));
const holdOf = (waiter_id = "") => `H-${waiter_id.slice(2)}`;
const reserve = async (spec: Parameters<typeof createRequest>[0] = {}) =>
  (await side.call("create_holds", createRequest(spec))).tuples[0];
const one = [{ sku: "phone", quantity: 1 }];

describe("units that come back", () => {
  test("by a restock are held for the first one, by an event that has all of it", async () => {
    const [first = "", second] = await wait([{ user_id: "ada", quantity: 2, offer_ms: 5_000 }, {}]);
    const { now, tuples } = await restock(2);
    expect(tuples[0]?.slice(3, 6)).toEqual([2, 0, 1]); // as the restock itself left it
    const event = parseEvent((await side.entries()).at(-1) ?? {});
    expect(event).toMatchObject({
      ...{ type: "HOLD_CREATED", event_id: first.slice(2), seq: 4 },
      payload: {
        ...{ hold_id: holdOf(first), status: "ACTIVE", user_id: "ada", version: 1 },
        ...{ created_at: now, expires_at: now + 5_000 },
        waiter: { waiter_id: first, joined_seq: 1, offer_ms: 5_000 },
        lines: [{ sku: "phone", quantity: 2, available: 0, held: 2, version: 2 }],
      },
    });
    expect(await side.redis.hgetall(keys.hold(holdOf(first)))).toEqual({
      ...{ status: "ACTIVE", lines: "phone@main=2", user_id: "ada", version: "1" },
      ...{ created_at: String(now), expires_at: String(now + 5_000) },
    });
    expect(await side.redis.zscore(keys.deadlines, holdOf(first))).toBe(String(now + 5_000));
    expect(await side.redis.hgetall(keys.own_holds)).toEqual({ "phone ada": holdOf(first) });
    expect(await statusOf(second)).toBe("WAITING");
    expect(await side.redis.hgetall(keys.waiting)).toEqual({ phone: "1" });
  });

  test("by a cancel, an expiry and a transfer go to the next one each", async () => {
    await side.redis.mset("stock:phone", "2", "stock:phone@north", "1");
    const [kept, due] = [await side.hold(), await side.dueHold()];
    const ids = await wait(ones(4));
    await side.call("cancel_holds", cancelRequest(kept));
    expect(await statuses(ids)).toEqual(["OFFERED", "WAITING", "WAITING", "WAITING"]);
    await side.call("expire_holds", expireRequest(due));
    expect(await statuses(ids)).toEqual(["OFFERED", "OFFERED", "WAITING", "WAITING"]);
    await side.call(
      "transfer_stock",
      transferRequest({ from_store: "north", to_store: "main", lines: one }),
    );
    expect(await statuses(ids)).toEqual(["OFFERED", "OFFERED", "OFFERED", "WAITING"]);
    expect(await side.stockOf("phone")).toEqual(["0", "3", expect.any(String)]);
  });

  test("by an offer that was not taken go to the next one", async () => {
    const [first, second] = await wait([{ offer_ms: 1 }, {}]);
    await restock(1);
    await side.untilDue(holdOf(first));
    await side.call("expire_holds", expireRequest({ hold_id: holdOf(first), lines: one }));
    expect(await side.redis.hget(keys.hold(holdOf(first)), "status")).toBe("EXPIRED");
    expect(await statusOf(second)).toBe("OFFERED");
    expect(await side.redis.exists(keys.waiting)).toBe(0);
  });

  test("by a reserve that takes the place of a larger hold go to the next one", async () => {
    await side.redis.set("stock:phone", "3");
    const lines = [{ sku: "phone", quantity: 3 }];
    const old = await side.hold({ lines, options: "REPLACE" });
    const ids = await wait(ones(3));
    const made = await reserve({ lines: one, options: "REPLACE", replaced: old });
    expect(made?.[0]).toBe("CREATED");
    expect(await statuses(ids)).toEqual(["OFFERED", "OFFERED", "WAITING"]);
    expect((await side.stockOf("phone")).slice(0, 2)).toEqual(["0", "3"]);
  });

  test("by redis-cli are none of which somebody else is granted a part", async () => {
    const ids = await wait(ones(2));
    await side.redis.set("stock:phone", "3");
    const many = [{ sku: "phone", quantity: 9 }];
    expect((await reserve({ lines: many, options: "PARTIAL" }))?.slice(4)).toEqual([1]);
    expect(await statuses(ids)).toEqual(["OFFERED", "OFFERED"]);
  });

  test("by redis-cli go to who waits, whoever else asks first", async () => {
    const ids = await wait(ones(2));
    await side.redis.set("stock:phone", "2");
    expect(await reserve()).toEqual(["ALL_HELD", "phone", "main", 1, 0, expect.any(Number)]);
    expect(await statuses(ids)).toEqual(["OFFERED", "OFFERED"]);
    const others = await wait(ones(1));
    await side.redis.set("stock:phone", "1");
    const { tuples } = await side.call("create_purchases", purchaseRequest({}));
    expect(tuples[0]?.[0]).toBe("ALL_HELD");
    expect(await statuses(others)).toEqual(["OFFERED"]);
  });

  test("and are left over are anybody's", async () => {
    await wait(ones(2));
    await restock(3);
    expect((await reserve())?.[0]).toBe("CREATED");
    expect((await reserve())?.[0]).toBe("ALL_HELD");
  });

  test("in another store, or of another sku, are none of theirs", async () => {
    await side.redis.mset("stock:phone@north", "0", "stock:tea", "0");
    const [waiter] = await wait(ones(1));
    await side.call("change_stocks", changeRequest({ store_id: "north", units: 1 }));
    await restock(1, "tea");
    expect(await statusOf(waiter)).toBe("WAITING");
    expect((await reserve({ lines: [{ sku: "tea", quantity: 1 }] }))?.[0]).toBe("CREATED");
  });
});

describe("fewer units than the first one wants", () => {
  test("go to the first of the ten in front for whom they suffice, and else to anybody", async () => {
    const tenth = await wait([...Array.from({ length: 9 }, () => ({ quantity: 2 })), {}, {}]);
    await restock(1);
    expect(await statusOf(tenth[9])).toBe("OFFERED");
    expect(await statusOf(tenth[10])).toBe("WAITING");
    await restock(1); // now the eleventh is among the ten
    expect(await statusOf(tenth[10])).toBe("OFFERED");
    await restock(1);
    expect((await reserve())?.[0]).toBe("CREATED");
    await restock(2);
    expect(await statusOf(tenth[0])).toBe("OFFERED");
  });

  test("do not reach the eleventh", async () => {
    const ids = await wait([...Array.from({ length: 10 }, () => ({ quantity: 2 })), {}]);
    await restock(1);
    expect(await statusOf(ids[10])).toBe("WAITING");
    expect((await reserve())?.[0]).toBe("CREATED");
  });
});

describe("one call", () => {
  test.each([49, 50, 51])("serves 50 of %i, and keeps the rest for the others", async (count) => {
    const ids = await wait(ones(count));
    await restock(count + 1);
    const served = Math.min(count, 50);
    expect(await side.redis.zcard(keys.deadlines)).toBe(served);
    expect(await side.redis.zcard(keys.queue("phone"))).toBe(count - served);
    // Whoever asks next serves the others first.
    expect((await reserve())?.[0]).toBe("CREATED");
    expect(await statuses(ids)).toEqual(ids.map(() => "OFFERED"));
    expect((await reserve())?.[0]).toBe("ALL_HELD");
  });

  test("lets nobody in between while there are more to serve", async () => {
    await wait(ones(120));
    await restock(200);
    expect(await reserve()).toEqual(["ALL_HELD", "phone", "main", 1, 0, expect.any(Number)]);
    const { tuples } = await side.call("offer_stock", offerRequest());
    expect(tuples).toEqual([["SERVED", 20, 0]]);
    expect((await reserve())?.[0]).toBe("CREATED");
  });

  test("of the agent tells that there is more", async () => {
    await wait(ones(101));
    await side.redis.set("stock:phone", "101");
    const outcomes = [];
    for (let i = 0; i < 4; i += 1)
      outcomes.push((await side.call("offer_stock", offerRequest())).tuples[0]);
    expect(outcomes).toEqual([
      ["SERVED", 50, 1],
      ["SERVED", 50, 1],
      ["SERVED", 1, 0],
      ["SERVED", 0, 0],
    ]);
  });
});

describe("the rules of the sale", () => {
  const setRules = (rules: string) => side.call("change_rules", rulesRequest({ rules }));

  test.each(["paused=1", "opens_at=4000000000000", "closes_at=1"])(
    "let nobody have any while %s",
    async (rules) => {
      const [waiter] = await wait(ones(1));
      await setRules(rules);
      await restock(1);
      expect(await statusOf(waiter)).toBe("WAITING");
      expect((await reserve())?.[0]).toMatch(/^SALE_/);
      await setRules("max_per_order=9");
      expect((await reserve())?.[0]).toBe("ALL_HELD");
      expect(await statusOf(waiter)).toBe("OFFERED");
    },
  );

  test("let nobody have any while somebody has to look at the sku", async () => {
    const [waiter] = await wait(ones(1));
    await side.redis.hset(keys.stopped, "phone", "{}");
    await restock(1);
    expect(await statusOf(waiter)).toBe("WAITING");
  });

  test("bound how long an offer lasts", async () => {
    await setRules("max_hold_seconds=30");
    const [long, short] = await wait([{ offer_ms: 60_000 }, { offer_ms: 20_000 }]);
    const { now } = await restock(2);
    const deadlineOf = (id: string | undefined) => side.redis.zscore(keys.deadlines, holdOf(id));
    expect(await deadlineOf(long)).toBe(String(now + 30_000));
    expect(await deadlineOf(short)).toBe(String(now + 20_000));
  });

  test.each(["max_active_holds=1", "max_per_customer=2"])(
    "take out whom %s lets have no more, and count the offer",
    async (rules) => {
      await setRules(rules);
      await side.redis.mset("stock:phone", "1", "stock:phone@north", "0");
      await reserve({ user_id: "ada" });
      const [ada, bob] = await wait([
        { user_id: "ada", quantity: 2 },
        { user_id: "bob", quantity: 2 },
      ]);
      await restock(2);
      expect(await statuses([ada ?? "", bob ?? ""])).toEqual(["REFUSED", "OFFERED"]);
      const refused = (await side.entries()).map((entry) => parseEvent(entry)).at(-2);
      expect(refused).toMatchObject({
        type: "WAITER_LEFT",
        payload: { waiter_id: ada, status: "REFUSED", reason: rules.split("=")[0] },
      });
      expect(await side.redis.hget(keys.customers, "phone bob")).toBe("2 1");
    },
  );
});

describe("a key that holds something else", () => {
  test.each([
    ["the queue", () => keys.queue("phone")],
    ["the places", () => keys.places("phone")],
  ])("as %s hinders nobody to give back, and lets nobody take", async (_, key) => {
    await wait(ones(2));
    await side.redis.set(key(), "text");
    expect((await restock(1)).tuples[0]?.[0]).toBe("CHANGED");
    expect(await reserve()).toEqual(["CORRUPT", key()]);
    expect((await side.call("offer_stock", offerRequest())).tuples).toEqual([["CORRUPT", key()]]);
  });

  test("as the first waiter, likewise", async () => {
    const [first = ""] = await wait(ones(2));
    await side.redis.del(keys.waiter(first));
    expect((await restock(1)).tuples[0]?.[0]).toBe("CHANGED");
    expect(await reserve()).toEqual(["CORRUPT", keys.waiter(first)]);
  });
});
