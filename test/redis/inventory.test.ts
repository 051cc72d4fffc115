import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { CorruptKey } from "../../src/redis/outcome.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";

const LONG_MS = 20_000;
let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let side: Awaited<ReturnType<typeof openDecidingSide>>;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  side = await openDecidingSide(server.url);
});
beforeEach(async () => {
  await emptyRedis(admin);
  await admin.set("stock:phone", "5");
});
afterAll(async () => {
  await side.close();
  admin.disconnect();
  await server.close();
});

const inputOf = (idempotency_key: string, more = {}) => ({
  lines: [{ sku: "phone", store_id: "main", quantity: 2 }],
  user_id: "user-1",
  ttl_seconds: 600,
  idempotency_key,
  ...more,
});
const create = (key: string, more = {}) =>
  side.inventory.createHold(inputOf(key, more), callContext(LONG_MS));
const confirm = (hold_id: string, payment_ref = "p1", idempotency_key?: string) =>
  side.inventory.confirmHold({ hold_id, payment_ref, idempotency_key }, callContext(LONG_MS));
const cancel = (hold_id: string, reason = "", idempotency_key?: string) =>
  side.inventory.cancelHold({ hold_id, reason, idempotency_key }, callContext(LONG_MS));
const expire = (hold_id: string) => side.inventory.expireHold(hold_id, callContext(LONG_MS));
const read = (hold_id: string) => side.inventory.readHold(hold_id, callContext(LONG_MS));
const refusal = async (promise: Promise<unknown>) => {
  const thrown = await promise.then(
    () => "no refusal",
    (error: unknown) => error,
  );
  return thrown instanceof Rejection ? [thrown.code, thrown.members] : thrown;
};
/** Moves a hold's deadline into the past, in the hold and among the deadlines. */
async function makeDue(hold_id: string, expires_at = 1_000_000_000_000) {
  await admin.hset(`hold:${hold_id}`, "expires_at", String(expires_at));
  await admin.zadd(side.keys.deadlines, expires_at, hold_id);
}

describe("createHold", () => {
  test("takes stock, and gives the same hold again for the same key and request", async () => {
    const hold = await create("k");
    expect(hold).toEqual({
      hold_id: expect.stringMatching(/^H-[0-9a-f-]{36}$/),
      expires_at: expect.any(Number),
      created_at: expect.any(Number),
      granted: [2],
      replayed: false,
    });
    expect(await create("k")).toEqual({ ...hold, replayed: true });
    expect(await admin.get("stock:phone")).toBe("3");
  });

  test.each([
    ["quantity", { lines: [{ sku: "phone", store_id: "main", quantity: 1 }] }],
    ["store", { lines: [{ sku: "phone", store_id: "north", quantity: 2 }] }],
    ["user", { user_id: "user-2" }],
    ["time to live", { ttl_seconds: 601 }],
  ])("refuses another %s under the same key", async (_, more) => {
    await admin.set("stock:phone@north", "5");
    await create("k");
    expect(await refusal(create("k", more))).toEqual(["IDEMPOTENCY_KEY_REUSED", {}]);
  });

  test("names what is sold out, and the sku nobody stocked", async () => {
    const six = [{ sku: "phone", store_id: "main", quantity: 6 }];
    expect(await refusal(create("k", { lines: six }))).toEqual([
      "SOLD_OUT",
      { sku: "phone", requested: 6, available: 5, held: 0 },
    ]);
    const ghost = [{ sku: "ghost", store_id: "main", quantity: 1 }];
    expect(await refusal(create("k", { lines: ghost }))).toEqual(["UNKNOWN_SKU", { sku: "ghost" }]);
  });

  test("50 times at once under one key makes one hold", async () => {
    const holds = await Promise.all(Array.from({ length: 50 }, () => create("k")));
    expect(new Set(holds.map(({ hold_id }) => hold_id)).size).toBe(1);
    expect(holds.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await admin.get("stock:phone")).toBe("3");
    expect(await admin.xlen(side.keys.stream)).toBe(1);
  });

  test("500 times at once over 100 units makes 100 holds and 400 refusals", async () => {
    await admin.set("stock:phone", "100");
    const one = { lines: [{ sku: "phone", store_id: "main", quantity: 1 }] };
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, i) => refusal(create(`k${i}`, one))),
    );
    const short = { sku: "phone", requested: 1, available: 0, held: 100 };
    const refused = answers.filter((answer) => Array.isArray(answer));
    expect(refused).toEqual(
      Array(400).fill(["ALL_HELD", { ...short, earliest_release_at: expect.any(String) }]),
    );
    expect(await admin.get("stock:phone")).toBe("0");
    expect(await admin.xlen(side.keys.stream)).toBe(100);
  });

  test("starts to sell the moment somebody sets the stock", async () => {
    const line = { lines: [{ sku: "new", store_id: "main", quantity: 1 }] };
    expect(await refusal(create("k", line))).toEqual(["UNKNOWN_SKU", { sku: "new" }]);
    await admin.set("stock:new", "1");
    expect((await create("k", line)).replayed).toBe(false);
  });
});

describe("confirmHold", () => {
  test("sells, and gives the same order again for the same payment", async () => {
    const { hold_id } = await create("k");
    const order = await confirm(hold_id);
    expect(order).toEqual({
      order_id: expect.stringMatching(/^O-[0-9a-f-]{36}$/),
      confirmed_at: expect.any(Number),
      replayed: false,
    });
    expect(await confirm(hold_id)).toEqual({ ...order, replayed: true });
    expect(await confirm(hold_id, "p1", "key")).toEqual({ ...order, replayed: true });
    expect(await refusal(confirm(hold_id, "p2"))).toEqual(["HOLD_ALREADY_CONFIRMED", { hold_id }]);
  });

  test("refuses a hold that is unknown, cancelled or expired, and a key of another", async () => {
    const [one, two, three] = [await create("1"), await create("2"), await create("3", ONE)];
    expect(await refusal(confirm("H-none"))).toEqual(["HOLD_NOT_FOUND", {}]);
    await cancel(one.hold_id);
    expect(await refusal(confirm(one.hold_id))).toEqual([
      "HOLD_CANCELLED",
      { hold_id: one.hold_id },
    ]);
    await makeDue(two.hold_id);
    expect(await refusal(confirm(two.hold_id))).toEqual([
      "HOLD_EXPIRED",
      { hold_id: two.hold_id, expires_at: "2001-09-09T01:46:40.000Z" },
    ]);
    await confirm(three.hold_id, "p", "key");
    const four = await create("4", ONE);
    expect(await refusal(confirm(four.hold_id, "p", "key"))).toEqual([
      "IDEMPOTENCY_KEY_REUSED",
      {},
    ]);
  });
});
const ONE = { lines: [{ sku: "phone", store_id: "main", quantity: 1 }] };

describe("cancelHold", () => {
  test("gives back, and says so again", async () => {
    const { hold_id } = await create("k");
    expect(await cancel(hold_id, "why")).toEqual({ status: "CANCELLED", replayed: false });
    expect(await cancel(hold_id)).toEqual({ status: "CANCELLED", replayed: true });
    expect(await admin.get("stock:phone")).toBe("5");
  });

  test("ends a due hold as expired, and refuses one that is sold or unknown", async () => {
    const [due, sold] = [await create("1"), await create("2")];
    await makeDue(due.hold_id);
    expect(await cancel(due.hold_id)).toEqual({ status: "EXPIRED", replayed: false });
    expect(await cancel(due.hold_id)).toEqual({ status: "EXPIRED", replayed: true });
    await confirm(sold.hold_id);
    const { hold_id } = sold;
    expect(await refusal(cancel(hold_id))).toEqual(["HOLD_ALREADY_CONFIRMED", { hold_id }]);
    expect(await refusal(cancel("H-none"))).toEqual(["HOLD_NOT_FOUND", {}]);
  });

  test("keeps keys apart by call, hold and reason", async () => {
    const [one, two] = [await create("key"), await create("other")];
    await cancel(one.hold_id, "why", "key");
    expect((await cancel(one.hold_id, "why", "key")).replayed).toBe(true);
    expect(await refusal(cancel(one.hold_id, "else", "key"))).toEqual([
      "IDEMPOTENCY_KEY_REUSED",
      {},
    ]);
    expect(await refusal(cancel(two.hold_id, "why", "key"))).toEqual([
      "IDEMPOTENCY_KEY_REUSED",
      {},
    ]);
  });
});

describe("expireHold and readHold", () => {
  test("answer with the script's word, and with the hold", async () => {
    const { hold_id, expires_at } = await create("k");
    expect(await expire(hold_id)).toBe("NOT_DUE");
    expect(await read(hold_id)).toEqual({
      hold_id,
      status: "ACTIVE",
      user_id: "user-1",
      lines: [{ sku: "phone", store_id: "main", quantity: 2 }],
      created_at: expires_at - 600_000,
      expires_at,
      version: 1,
    });
    await makeDue(hold_id);
    expect(await expire(hold_id)).toBe("EXPIRED");
    expect(await expire(hold_id)).toBe("ENDED");
    expect(await read(hold_id)).toMatchObject({ status: "EXPIRED", version: 2 });
    expect((await read(hold_id))?.ended_at).toBeGreaterThan(0);
    expect(await expire("H-none")).toBe("HOLD_NOT_FOUND");
    expect(await read("H-none")).toBeNull();
  });

  test("a confirmed hold is read with its order", async () => {
    const { hold_id } = await create("k");
    const { order_id, confirmed_at } = await confirm(hold_id, "pay me");
    expect(await read(hold_id)).toMatchObject({
      status: "CONFIRMED",
      order_id,
      payment_ref: "pay me",
      ended_at: confirmed_at,
    });
  });
});

describe("a key that holds something else is named by a CorruptKey:", () => {
  test("a stock, by each call that needs it", async () => {
    const { hold_id } = await create("k");
    await admin.set("stock:phone", "abc");
    for (const call of [create("other"), confirm(hold_id), cancel(hold_id)]) {
      expect(await refusal(call)).toEqual(new CorruptKey("stock:phone"));
    }
    await makeDue(hold_id);
    expect(await expire(hold_id)).toBe("CORRUPT");
  });

  test.each([
    ["text instead of a hash", (key: string) => admin.set(key, "text")],
    ["lines that are none", (key: string) => admin.hset(key, "lines", "phone")],
    ["no lines", (key: string) => admin.hdel(key, "lines")],
    ["no version", (key: string) => admin.hdel(key, "version")],
  ])("a hold with %s", async (_, corrupt) => {
    const { hold_id } = await create("k");
    await corrupt(`hold:${hold_id}`);
    expect(await refusal(confirm(hold_id))).toEqual(new CorruptKey(`hold:${hold_id}`));
    expect(await refusal(cancel(hold_id))).toEqual(new CorruptKey(`hold:${hold_id}`));
    await admin.zadd(side.keys.deadlines, 1, hold_id);
    expect(await expire(hold_id)).toBe("CORRUPT");
    expect(await admin.get("stock:phone")).toBe("3");
  });

  // What a script can't be asked about must not make its caller ask on and on, or the sweeper stands still.
  test.each([
    ["more of a sku than a hold may have", "phone@main=1001"],
    ["bytes that are no text", Buffer.from("ph\xffne@main=2", "latin1")],
    ["101 lines", Array.from({ length: 101 }, (_, i) => `sku-${i}@main=1`).join(" ")],
  ])("a hold with %s", async (_, lines) => {
    const { hold_id } = await create("k");
    await admin.hset(`hold:${hold_id}`, "lines", lines);
    await makeDue(hold_id);
    const soon = () => callContext(2_000);
    const cancelled = side.inventory.cancelHold({ hold_id, reason: "" }, soon());
    expect(await refusal(cancelled)).toEqual(new CorruptKey(`hold:${hold_id}`));
    expect(await side.inventory.expireHold(hold_id, soon())).toBe("CORRUPT");
  });
});

test("a hold whose lines change between reading and ending is read again", async () => {
  const { hold_id } = await create("k");
  let ended = false;
  const swap = (async () => {
    // The same two units, written in another order of lines again and again while it is being ended.
    await admin.set("stock:case", "0");
    await admin.hset("item:case", { held: "1", version: "1" });
    await admin.hset("item:phone", "held", "1");
    const orders = ["phone@main=1 case@main=1", "case@main=1 phone@main=1"];
    const change = `if redis.call('HGET', KEYS[1], 'status') == 'ACTIVE' then
      redis.call('HSET', KEYS[1], 'lines', ARGV[1]) end`;
    for (let i = 0; !ended; i += 1) {
      await admin.eval(change, 1, `hold:${hold_id}`, orders[i % 2] ?? "");
      // Out of step, or each reading could see one order and each ending the other, for ever.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    }
  })();
  await until("the lines are others", async () =>
    (await admin.hget(`hold:${hold_id}`, "lines"))?.includes("case") ? true : undefined,
  );
  expect(await cancel(hold_id)).toEqual({ status: "CANCELLED", replayed: false });
  ended = true;
  await swap;
  expect(await admin.mget("stock:phone", "stock:case")).toEqual(["4", "1"]);
});
