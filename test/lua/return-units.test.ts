import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { emptyRedis } from "../setup/empty-redis.ts";
import { type ReturnSpec, returnRequest } from "./return-requests.ts";
import { rulesRequest } from "./rules-requests.ts";
import {
  CORRUPT_STOCKS,
  dumpAll,
  keys,
  openScripts,
  type Request,
  type ScriptSide,
} from "./script-side.ts";
import { purchaseRequest } from "./stock-requests.ts";
import { joinRequest } from "./waiting-requests.ts";

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());
beforeEach(async () => {
  await emptyRedis(side.redis);
  await side.redis.set("stock:phone", "5");
});

const give = async (...specs: ReturnSpec[]) =>
  (await side.call("return_units", ...specs.map(returnRequest))).tuples;
const newest = async () => JSON.parse((await side.entries()).at(-1)?.payload ?? "");
const phones = (quantity: number) => [{ sku: "phone", quantity }];

async function expectNothingDone(request: Request, answer: unknown[]) {
  const before = await dumpAll(side.redis);
  expect((await side.call("return_units", request)).tuples).toEqual([answer]);
  expect(await dumpAll(side.redis)).toEqual(before);
}

describe("units that come back", () => {
  test("may be sold again, and the event says whose they were", async () => {
    const event_id = "01a1fbe0-b90a-7068-a328-4e73558f5087";
    const said = { event_id, order_id: "O-7", user_id: 'a "b"', reason: "too\nsmall" };
    const lines = [...phones(2), { sku: "ghost", store_id: "north", quantity: 1 }];
    const [tuple] = await give({ ...said, lines });
    expect(tuple).toEqual(["RETURNED", event_id, expect.any(Number)]);
    expect(await side.stockOf("phone")).toEqual(["7", "0", "1"]);
    expect(await side.stockOf("ghost", "north")).toEqual(["1", "0", "1"]);
    const [entry] = await side.entries();
    expect(entry).toMatchObject({ event_id, type: "ORDER_RETURNED", seq: "1" });
    const line = { freed: false, held: 0, held_delta: 0, version: 1 };
    expect(await newest()).toEqual({
      ...{ event_version: 1, occurred_at: tuple?.[2], request_id: "request-6", actor: "api" },
      ...{ order_id: "O-7", reference: "O-7", hold_id: "H-1", user_id: 'a "b"' },
      ...{ reason: "too\nsmall", restock: true },
      record: [keys.idem("return", event_id), `return-1 ${event_id} ${tuple?.[2]}`],
      lines: [
        { sku: "phone", store_id: "main", quantity: 2, available_delta: 2, available: 7, ...line },
        { sku: "ghost", store_id: "north", quantity: 1, available_delta: 1, available: 1, ...line },
      ],
    });
  });

  test("go to whoever waits for them first", async () => {
    await side.call("create_purchases", purchaseRequest({ quantity: 5 }));
    await side.call("join_waiting", joinRequest({ user_id: "eve", quantity: 2 }));
    await give({ restock: false, lines: phones(2) });
    expect(await side.stockOf("phone")).toEqual(["0", "0", "1"]);
    await give({ lines: phones(3) });
    expect(await side.stockOf("phone")).toEqual(["1", "2", "3"]);
    const [returned, offer] = (await side.entries()).slice(-2);
    expect([returned?.type, offer?.type]).toEqual(["ORDER_RETURNED", "HOLD_CREATED"]);
    expect(JSON.parse(offer?.payload ?? "")).toMatchObject({ user_id: "eve" });
  });

  test("and can't be sold again leave their stock as it was", async () => {
    const before = [await side.stockOf("phone"), await side.stockOf("ghost")];
    await give({ restock: false, lines: [...phones(2), { sku: "ghost", quantity: 1 }] });
    expect([await side.stockOf("phone"), await side.stockOf("ghost")]).toEqual(before);
    const { restock, lines } = await newest();
    expect(restock).toBe(false);
    const unmoved = { available_delta: 0, held_delta: 0, held: 0, version: 0 };
    expect(lines).toMatchObject([
      { ...unmoved, quantity: 2, available: 5 },
      { ...unmoved, quantity: 1, available: 0 },
    ]);
  });

  test("in a batch add up, and one key counts once in it", async () => {
    const event_id = "01a1fbe0-b90a-7068-a328-4e73558f5087";
    const [first, again, other] = await give(
      { event_id, lines: phones(2) },
      { event_id, lines: phones(2) },
      { lines: phones(1) },
    );
    expect(again).toEqual(["REPLAYED", event_id, String(first?.[2])]);
    expect(other?.[0]).toBe("RETURNED");
    expect(await side.stockOf("phone")).toEqual(["8", "0", "2"]);
    expect(await side.entries()).toHaveLength(2);
    expect(await give({ event_id })).toEqual([again]);
    const reused = returnRequest({ event_id, fingerprint: "other" });
    await expectNothingDone(reused, ["IDEMPOTENCY_KEY_REUSED"]);
  });
});

describe("what a customer has", () => {
  const has = (user_id: string) => side.redis.hget(keys.customers, `phone ${user_id}`);
  async function bought(rules: string, user_id = "ada") {
    await side.call("change_rules", rulesRequest({ rules }));
    await side.call("create_purchases", purchaseRequest({ user_id, quantity: 3 }));
    expect(await has(user_id)).toBe("3 0");
  }

  test.each([true, false])("goes down when the rules say so; restock %s", async (restock) => {
    await bought("max_per_customer=3 returns_free=1");
    await give({ user_id: "ada", restock, lines: phones(2) });
    expect(await has("ada")).toBe("1 0");
    expect((await newest()).lines).toMatchObject([{ freed: true }]);
    const buy = (quantity: number) =>
      side.call("create_purchases", purchaseRequest({ user_id: "ada", quantity }));
    expect((await buy(3)).tuples[0]?.[0]).toBe("LIMIT_EXCEEDED");
    expect((await buy(2)).tuples[0]?.[0]).toBe("PURCHASED");
    await give({ user_id: "ada", restock, lines: phones(3) });
    expect(await has("ada")).toBeNull(); // nothing is kept of whom has nothing
  });

  test("stays when they don't, or are taken away", async () => {
    await bought("max_per_customer=3");
    await give({ user_id: "ada", lines: phones(1) });
    expect((await newest()).lines).toMatchObject([{ freed: false }]);
    await side.call("change_rules", rulesRequest({ rules: "returns_free=1" }));
    await side.call("change_rules", rulesRequest({ rules: "" }));
    await give({ user_id: "ada", lines: phones(1) });
    expect(await has("ada")).toBe("3 0");
  });

  test("is counted for nobody who was not named", async () => {
    await bought("max_per_customer=3 returns_free=1");
    await give({ user_id: "", lines: phones(1) });
    expect(await side.redis.hgetall(keys.customers)).toEqual({ "phone ada": "3 0" });
    expect((await newest()).lines).toMatchObject([{ freed: false }]);
  });
});

describe("nothing is done", () => {
  test.each<[string, ReturnSpec]>([
    ["a quantity of 0", { lines: phones(0) }],
    ["more than a line may have", { lines: phones(1_001) }],
    ["half a unit", { lines: [{ sku: "phone", quantity: "1.5" }] }],
    ["no lines", { lines: [] }],
    ["another word for restock", { restock: "yes" }],
    ["no deadline", { deadline: "" }],
  ])("for %s", (_, spec) => expectNothingDone(returnRequest(spec), ["BAD_ARGUMENT"]));

  test("too late", () => expectNothingDone(returnRequest({ deadline: 1 }), ["LATE"]));

  test.each(CORRUPT_STOCKS)("on a stock that holds %s", async (_, corrupt) => {
    await corrupt(side.redis, "stock:phone");
    await expectNothingDone(returnRequest(), ["CORRUPT", "stock:phone"]);
  });
});
