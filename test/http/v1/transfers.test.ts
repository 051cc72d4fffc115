import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { callsTo } from "./back-office.ts";

let shop: Shop;
let calls: ReturnType<typeof callsTo>;
beforeAll(async () => {
  shop = await openShop({ request_budget_ms: 20_000 }); // hundreds at once must all be answered
  calls = callsTo(shop.api.url);
});
afterAll(() => shop.close());

const transfer = (body: Record<string, unknown>) =>
  calls.post("/v1/transfers", { fromStore: "main", toStore: "berlin", ...body });

/** What a store has of a sku. */
async function unitsIn(sku: string, store_id: string) {
  const suffix = store_id === "main" ? sku : `${sku}@${store_id}`;
  const [available, held] = await Promise.all([
    shop.api.redis.get(`stock:${suffix}`),
    shop.api.redis.hget(`item:${suffix}`, "held"),
  ]);
  return { available: Number(available), held: Number(held ?? 0) };
}

describe("a transfer", () => {
  test("moves units, and says in one order and summed what was moved", async () => {
    const [a, b] = [await shop.stock(10), await shop.stock(10)].sort().map(String);
    const lines = [
      { sku: b, qty: 1 },
      { sku: a, qty: 2 },
      { sku: b, qty: 3 },
    ];
    const { status, body } = await transfer({ lines });
    expect(status).toBe(202);
    expect(body).toEqual({
      transferId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      fromStore: "main",
      toStore: "berlin",
      lines: [
        { sku: a, qty: 2 },
        { sku: b, qty: 4 },
      ],
      occurredAt: expect.stringMatching(/Z$/),
    });
    expect(await unitsIn(String(a), "main")).toEqual({ available: 8, held: 0 });
    expect(await unitsIn(String(b), "main")).toEqual({ available: 6, held: 0 });
    expect(await unitsIn(String(b), "berlin")).toEqual({ available: 4, held: 0 });
  });

  test("is one event, with the trace id and what each side has now", async () => {
    const sku = await shop.stock(10);
    const { body } = await transfer({ lines: [{ sku, qty: 4 }], traceId: "t" });
    const [newest] = await shop.api.redis.xrevrange("inventory.events", "+", "-", "COUNT", 1);
    const fields = newest?.[1] ?? [];
    expect(fields).toContain(body.transferId);
    expect(JSON.parse(fields[fields.indexOf("payload") + 1] ?? "")).toMatchObject({
      from_store: "main",
      to_store: "berlin",
      trace_id: "t",
      lines: [
        { sku, store_id: "main", available_delta: -4, available: 6 },
        { sku, store_id: "berlin", available_delta: 4, available: 4 },
      ],
    });
  });

  test("makes the store it moves to known", async () => {
    const [sku, toStore] = [await shop.stock(1), fresh("store")];
    expect((await transfer({ toStore, lines: [{ sku, qty: 1 }] })).status).toBe(202);
    const { body } = await calls.get(`/v1/availability?sku=${sku}`);
    expect(body).toMatchObject({
      totalAvailable: 1,
      perStore: [
        { storeId: "main", onHand: 0 },
        { storeId: toStore, onHand: 1 },
      ],
    });
  });

  test("leaves what is reserved on either side", async () => {
    const sku = await shop.stock(10);
    await transfer({ lines: [{ sku, qty: 4 }] });
    for (const storeId of ["main", "berlin"]) {
      const reserved = await calls.post("/v1/reservations", { storeId, lines: [{ sku, qty: 2 }] });
      expect(reserved.status).toBe(202);
    }
    expect((await transfer({ lines: [{ sku, qty: 5 }] })).body.code).toBe("WOULD_GO_NEGATIVE");
    expect((await transfer({ lines: [{ sku, qty: 4 }] })).status).toBe(202);
    expect(await unitsIn(sku, "main")).toEqual({ available: 0, held: 2 });
    expect(await unitsIn(sku, "berlin")).toEqual({ available: 6, held: 2 });
  });

  test("of lines of which some are short moves none, and names each that is", async () => {
    const [good, short, empty] = [await shop.stock(10), await shop.stock(2), await shop.stock(0)];
    const lines = [
      { sku: good, qty: 1 },
      { sku: short, qty: 2 },
      { sku: short, qty: 1 },
      { sku: empty, qty: 7 },
    ];
    const before = await dump(shop.api.redis);
    const refused = await transfer({ lines });
    const short_lines = [
      { sku: short, storeId: "main", requested: 3, available: 2 },
      { sku: empty, storeId: "main", requested: 7, available: 0 },
    ].sort((a, b) => (a.sku < b.sku ? -1 : 1));
    expectProblem(refused, {
      status: 409,
      code: "WOULD_GO_NEGATIVE",
      members: { ...short_lines[0], lines: short_lines },
    });
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("of what nobody has stocked is refused: the sku, or the store it comes from", async () => {
    const sku = fresh("unknown");
    const lines = [{ sku: await shop.stock(1), qty: 1 }];
    expectProblem(await transfer({ lines: [...lines, { sku, qty: 1 }] }), {
      status: 404,
      code: "UNKNOWN_SKU",
      members: { sku },
    });
    const fromStore = fresh("nowhere");
    expectProblem(await transfer({ fromStore, lines }), {
      status: 404,
      code: "STORE_NOT_FOUND",
      members: { storeId: fromStore },
    });
  });

  test("may have 100 lines and a thousand million units of a sku, summed too", async () => {
    const sku = await shop.stock("5000000000");
    const most = Array.from({ length: 100 }, () => ({ sku, qty: 10_000_000 }));
    expect((await transfer({ lines: most })).body.lines).toEqual([{ sku, qty: 1_000_000_000 }]);
    const more = [
      { sku, qty: 1_000_000_000 },
      { sku, qty: 1 },
    ];
    const refused = await transfer({ lines: more });
    expect([refused.status, refused.body.code]).toEqual([400, "INVALID_REQUEST"]);
    expect(refused.body.errors).toMatchObject([{ pointer: "#/lines" }]);
  });

  test("to a store that can't have so many is refused", async () => {
    const sku = await shop.stock(2);
    await shop.api.redis.set(`stock:${sku}@berlin`, "999999999998");
    const refused = await transfer({ lines: [{ sku, qty: 2 }] });
    expectProblem(refused, { status: 400, code: "INVALID_REQUEST" });
    expect((await transfer({ lines: [{ sku, qty: 1 }] })).status).toBe(202);
  });
});

test("transfers in a circle at once keep the sum, whatever is reserved meanwhile", async () => {
  const stores = ["north", "east", "south", "west", "main"];
  const skus = [fresh("sku"), fresh("sku"), fresh("sku")];
  for (const sku of skus) {
    for (const storeId of stores) {
      await calls.post("/v1/items:set-absolute", { sku, storeId, onHand: 20 });
    }
  }
  // Each store gives to the next one, the lines in any order: whoever locked them would be blocked.
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, i) => {
      const [from, to] = [stores[i % 5], stores[(i + 1) % 5]];
      const lines = skus.map((sku, n) => ({ sku, qty: 1 + ((i * 7 + n) % 9) }));
      if (i % 3 === 1) lines.reverse();
      return i % 10 === 9
        ? calls.post("/v1/reservations", { storeId: from, lines })
        : transfer({ fromStore: from, toStore: to, lines });
    }),
  );
  const statuses = Object.groupBy(answers, ({ status }) => String(status));
  expect(Object.keys(statuses).sort()).toEqual(["202", "409"]);
  for (const sku of skus) {
    const units = await Promise.all(stores.map((store_id) => unitsIn(sku, store_id)));
    expect(Math.min(...units.map(({ available }) => available))).toBeGreaterThanOrEqual(0);
    const sum = units.reduce((all, { available, held }) => all + available + held, 0);
    expect(sum).toBe(100);
  }
});
