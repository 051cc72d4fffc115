import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import type { Line } from "../../src/domain/hold.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";

// What /v1 asks of holds beyond the checkout's calls: lines, routes of its own, and members left out.

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
  await admin.mset("stock:phone", "5", "stock:case", "1", "stock:cable", "0");
});
afterAll(async () => {
  await side.close();
  admin.disconnect();
  await server.close();
});

const line = (sku: string, quantity: number): Line => ({ sku, store_id: "main", quantity });
const reserve = (
  idempotency_key: string,
  lines: Line[],
  route?: "reserve" | "v1_reserve",
  user_id = "",
) =>
  side.inventory.createHold(
    { lines, user_id, ttl_seconds: 900, idempotency_key, route },
    callContext(),
  );
const read = (hold_id: string) => side.inventory.readHold(hold_id, callContext());
const refusal = async (promise: Promise<unknown>) => {
  const thrown = await promise.then(
    () => "no refusal",
    (error: unknown) => error,
  );
  return thrown instanceof Rejection ? [thrown.code, thrown.members] : thrown;
};

describe("a hold of several lines", () => {
  test("has one for each stock, and is the same hold however its units are put", async () => {
    const { hold_id } = await reserve("k", [line("phone", 1), line("case", 1), line("phone", 2)]);
    expect((await read(hold_id))?.lines).toEqual([line("phone", 3), line("case", 1)]);
    const again = await reserve("k", [line("phone", 3), line("case", 1)]);
    expect(again).toMatchObject({ hold_id, replayed: true });
    const fewer = [line("phone", 2), line("case", 1)];
    expect(await refusal(reserve("k", fewer))).toEqual(["IDEMPOTENCY_KEY_REUSED", {}]);
  });

  test("is refused with every line that is short, and takes nothing", async () => {
    const wish = [line("phone", 2), line("case", 2), line("cable", 1), line("phone", 4)];
    const lines = [
      { sku: "phone", store_id: "main", requested: 6, available: 5, held: 0 },
      { sku: "case", store_id: "main", requested: 2, available: 1, held: 0 },
      { sku: "cable", store_id: "main", requested: 1, available: 0, held: 0 },
    ];
    expect(await refusal(reserve("k", wish))).toEqual([
      "SOLD_OUT",
      { sku: "phone", requested: 6, available: 5, held: 0, lines },
    ]);
    expect(await admin.mget("stock:phone", "stock:case")).toEqual(["5", "1"]);
  });

  test("of which one is short names that one; a single line names itself alone", async () => {
    const short = { sku: "cable", store_id: "main", requested: 1, available: 0, held: 0 };
    expect(await refusal(reserve("k", [line("phone", 2), line("cable", 1)]))).toEqual([
      "SOLD_OUT",
      { sku: "cable", requested: 1, available: 0, held: 0, lines: [short] },
    ]);
    expect(await refusal(reserve("k", [line("cable", 1)]))).toEqual([
      "SOLD_OUT",
      { sku: "cable", requested: 1, available: 0, held: 0 },
    ]);
  });

  test.each([
    [499, "no refusal"],
    [500, "no refusal"],
    [501, ["INVALID_REQUEST", {}]],
  ])("may ask for 1,000 of one stock in all: 500 and %d are %j", async (more, answer) => {
    await admin.set("stock:phone", "2000");
    expect(await refusal(reserve("k", [line("phone", 500), line("phone", more)]))).toEqual(answer);
  });
});

describe("a key", () => {
  test("is another one for each route, of the same word", async () => {
    const holds = [await reserve("k", [line("phone", 1)], "reserve")];
    holds.push(await reserve("k", [line("phone", 1)], "v1_reserve"));
    holds.push(await reserve("k", [line("phone", 1)]));
    expect(holds.map(({ replayed }) => replayed)).toEqual([false, false, true]);
    expect((await admin.keys("idem:*")).sort()).toEqual(["idem:reserve:k", "idem:v1_reserve:k"]);

    const { inventory } = side;
    const [one, two] = holds.map(({ hold_id }) => ({ hold_id, idempotency_key: "k" }));
    if (!one || !two) throw new Error("Two holds were made.");
    await inventory.confirmHold({ ...one, payment_ref: "", route: "confirm" }, callContext());
    await inventory.confirmHold({ ...two, payment_ref: "", route: "v1_confirm" }, callContext());
    const three = await reserve("l", [line("phone", 1)]);
    const four = await reserve("m", [line("phone", 1)]);
    const gone = { reason: "user_cancel", idempotency_key: "k" };
    await inventory.cancelHold({ ...gone, hold_id: three.hold_id }, callContext());
    await inventory.cancelHold(
      { ...gone, hold_id: four.hold_id, route: "v1_cancel" },
      callContext(),
    );
    expect((await side.records.find("k")).map(({ route }) => route)).toEqual([
      ...["reserve", "confirm", "cancel"],
      ...["v1_reserve", "v1_confirm", "v1_cancel"],
    ]);
  });
});

test("a hold is sold without naming a payment, and then to no payment", async () => {
  const { hold_id } = await reserve("k", [line("phone", 1)]);
  const confirm = (payment_ref: string) =>
    side.inventory.confirmHold({ hold_id, payment_ref }, callContext());
  const order = await confirm("");
  expect(order.replayed).toBe(false);
  expect(await confirm("")).toEqual({ ...order, replayed: true });
  expect(await refusal(confirm("p"))).toEqual(["HOLD_ALREADY_CONFIRMED", { hold_id }]);
  const hold = await read(hold_id);
  expect(hold).toMatchObject({ status: "CONFIRMED", user_id: "", order_id: order.order_id });
  expect(hold?.payment_ref).toBeUndefined();
});
