import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { Rejection } from "../../src/domain/rejection.ts";
import { POLICIES } from "../../src/domain/stock.ts";
import { explainStocks } from "../lua/explain-stocks.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";

const LONG_MS = 25_000;
const SEED = 20_261_121;

type Side = Awaited<ReturnType<typeof openDecidingSide>>;
let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let sides: Side[];
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  // Each as a process of its own would have it.
  sides = await Promise.all([openDecidingSide(server.url), openDecidingSide(server.url)]);
});
beforeEach(() => emptyRedis(admin));
afterAll(async () => {
  await Promise.all(sides.map((side) => side.close()));
  admin.disconnect();
  await server.close();
});

const context = () => callContext(LONG_MS);
const sideOf = (i: number) => sides[i % sides.length] as Side; // there are two
const codeOf = (error: unknown) => {
  if (error instanceof Rejection) return error.code;
  throw error;
};
/** Numbers that are random and the same in each run (mulberry32). */
function randomFrom(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function setStocks(stocks: Map<string, number>) {
  for (const [name, units] of stocks) {
    const [sku = "", store_id = ""] = name.split("@");
    await admin.set(sideOf(0).keys.stock(sku, store_id), String(units));
    if (store_id !== "main") await admin.hsetnx(sideOf(0).keys.stores, store_id, "0");
  }
}

/** Every stock as Redis has it, which the events must explain from what was set. */
async function explained(before: Map<string, number>) {
  const { keys } = sideOf(0);
  const entries = (await admin.xrange(keys.stream, "-", "+")).map(([, flat]) =>
    Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1] ?? ""]]))),
  );
  const stocks = explainStocks(entries, before);
  for (const [name, said] of stocks) {
    const [sku = "", store_id = ""] = name.split("@");
    const available = await admin.get(keys.stock(sku, store_id));
    const [held, version] = await admin.hmget(keys.item(sku, store_id), "held", "version");
    const found = { available, held: held ?? "0", version: version ?? "0" };
    expect([name, found]).toEqual([
      name,
      Object.fromEntries(Object.entries(said).map(([field, n]) => [field, String(n)])),
    ]);
  }
  return { entries, stocks };
}

test("200 holds of many lines in random order over 20 skus never oversell", async () => {
  const random = randomFrom(SEED);
  const before = new Map(Array.from({ length: 20 }, (_, i) => [`sku-${i}@main`, 40]));
  await setStocks(before);
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => {
      const lines = Array.from({ length: 2 + Math.floor(random() * 9) }, () => ({
        sku: `sku-${Math.floor(random() * 20)}`,
        store_id: "main",
        quantity: 1 + Math.floor(random() * 3),
      }));
      const hold = { lines, user_id: "u", ttl_seconds: 600, idempotency_key: `k-${i}` };
      return sideOf(i)
        .inventory.createHold({ ...hold, route: "v1_reserve" }, context())
        .then(
          () => "CREATED",
          (error: unknown) => {
            const short = (error as Rejection).members.lines as { requested: number }[]; // of either
            expect(short.length).toBeGreaterThan(0);
            return codeOf(error);
          },
        );
    }),
  );
  const granted = answers.filter((answer) => answer === "CREATED").length;
  expect(answers.filter((answer) => answer === "SOLD_OUT" || answer === "ALL_HELD").length).toBe(
    200 - granted,
  );
  expect(granted).toBeGreaterThan(20);
  expect(granted).toBeLessThan(200);
  const { stocks, entries } = await explained(before);
  expect(entries).toHaveLength(granted);
  for (const { available, held } of stocks.values()) expect(available + held).toBe(40);
});

test("300 transfers at once in a circle keep the sum of each sku", async () => {
  const random = randomFrom(SEED);
  const circle = ["main", "east", "north", "west"];
  const skus = ["a", "b"];
  const before = new Map(circle.flatMap((id) => skus.map((sku) => [`${sku}@${id}`, 10] as const)));
  await setStocks(before);
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, i) => {
      const at = Math.floor(random() * circle.length);
      const lines = skus.map((sku) => ({ sku, quantity: 1 + Math.floor(random() * 6) }));
      const from_store = circle[at] ?? "";
      const to_store = circle[(at + 1) % circle.length] ?? "";
      return sideOf(i)
        .stock.transferStock({ from_store, to_store, lines }, `k-${i}`, context())
        .then(() => "TRANSFERRED", codeOf);
    }),
  );
  const moved = answers.filter((answer) => answer === "TRANSFERRED").length;
  expect(moved).toBeGreaterThan(20);
  expect(answers.filter((answer) => answer === "WOULD_GO_NEGATIVE").length).toBe(300 - moved);
  const { stocks } = await explained(before);
  for (const sku of skus) {
    const left = circle.map((store_id) => stocks.get(`${sku}@${store_id}`)?.available ?? 0);
    expect(left.reduce((a, b) => a + b)).toBe(40);
  }
});

test("recounts during a sale keep available at what is on hand without what is held", async () => {
  const before = new Map([["phone@main", 300]]);
  await setStocks(before);
  const lines = [{ sku: "phone", store_id: "main", quantity: 1 }];
  async function buy(i: number) {
    const { inventory } = sideOf(i);
    const hold = { lines, user_id: "u", ttl_seconds: 600, idempotency_key: `k-${i}` };
    const created = await inventory.createHold(hold, context()).catch(codeOf);
    if (typeof created === "string") return;
    const { hold_id } = created;
    if (i % 3 === 0) await inventory.confirmHold({ hold_id, payment_ref: "" }, context());
    if (i % 3 === 1) await inventory.cancelHold({ hold_id, reason: "" }, context());
  }
  const sale = Array.from({ length: 20 }, async (_, buyer) => {
    for (let i = 0; i < 20; i += 1) await buy(20 * i + buyer);
  });
  const change = { sku: "phone", store_id: "main", operation: "COUNT", reason: "count" } as const;
  const counts = (async () => {
    for (let i = 0; i < 40; i += 1) {
      const units = (i * 37) % 400;
      const after = await sideOf(i).stock.changeStock(
        { ...change, units },
        { route: "count", key: `c-${i}`, request: [units] },
        context(),
      );
      expect(after.available).toBe(Math.max(0, units - after.held));
    }
  })();
  await Promise.all([...sale, counts]);
  const { entries, stocks } = await explained(before);
  const types = entries.map(({ type }) => type);
  const counted = types.filter((type) => type === "STOCK_COUNTED");
  expect(counted).toHaveLength(40);
  // The two went on at the same time, or nothing was tried.
  expect(types.indexOf("STOCK_COUNTED")).toBeLessThan(types.lastIndexOf("HOLD_CREATED"));
  expect(types.indexOf("HOLD_CREATED")).toBeLessThan(types.lastIndexOf("STOCK_COUNTED"));
  const holding = await admin.zcard(sideOf(0).keys.deadlines);
  expect(stocks.get("phone@main")?.held).toBe(holding);
});

test.each(POLICIES)("100 buyers at once over 3 stores buy what is there, by %s", async (policy) => {
  const units = [["main", 30] as const, ["east", 17] as const, ["north", 23] as const];
  const before = new Map(units.map(([store_id, n]) => [`phone@${store_id}`, n]));
  await setStocks(before);
  const wish = { sku: "phone", quantity: 1, user_id: "u", policy };
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      sideOf(i)
        .stock.purchase(wish, `k-${i}`, context())
        .then(({ store_id }) => store_id, codeOf),
    ),
  );
  const count = (answer: string) => answers.filter((other) => other === answer).length;
  for (const [store_id, n] of units) expect([store_id, count(store_id)]).toEqual([store_id, n]);
  expect(count("SOLD_OUT")).toBe(30);
  const { stocks } = await explained(before);
  for (const { available, held } of stocks.values()) expect([available, held]).toEqual([0, 0]);
});

test("100 buyers at once in turn take as much from each store, while each has enough", async () => {
  const stores = ["main", "east", "north", "west"];
  await setStocks(new Map(stores.map((store_id) => [`phone@${store_id}`, 1_000])));
  const wish = { sku: "phone", quantity: 3, user_id: "u", policy: "round-robin" } as const;
  const orders = await Promise.all(
    Array.from({ length: 100 }, (_, i) => sideOf(i).stock.purchase(wish, `k-${i}`, context())),
  );
  for (const store_id of stores) {
    expect(orders.filter((order) => order.store_id === store_id)).toHaveLength(25);
  }
  const stocks = await sideOf(0).stock.readStocks(["phone"], context());
  expect(stocks.get("phone")?.map(({ available }) => available)).toEqual([925, 925, 925, 925]);
});

test("50 changes at once that name one version: one is made", async () => {
  await admin.set("stock:phone", "5");
  const change = { sku: "phone", store_id: "main", operation: "ADJUST", units: 1 } as const;
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      sideOf(i)
        .stock.changeStock(
          { ...change, reason: "manual", if_version: 0 },
          { route: "adjust", key: `k-${i}`, request: [] },
          context(),
        )
        .then(({ available }) => available, codeOf),
    ),
  );
  expect(answers.filter((answer) => answer === 6)).toHaveLength(1);
  expect(answers.filter((answer) => answer === "VERSION_CONFLICT")).toHaveLength(49);
});
