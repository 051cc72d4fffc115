import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { describeRoutes } from "../../../scripts/describe-routes.ts";
import { newHoldId, newOrderId, newWaiterId } from "../../../src/domain/ids.ts";
import type { OwnedKind } from "../../../src/http/access/owned.ts";
import type { RouteSpec } from "../../../src/http/route.ts";
import { expectProblem } from "../expect-problem.ts";
import { recordAll } from "../record-all.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { newCaller, type TestCaller } from "./callers.ts";

let shop: Shop;
let ada: TestCaller;
let bob: TestCaller;
let till: TestCaller;
beforeAll(async () => {
  shop = await openShop({ auth: { mode: "keys" } });
  ada = await newCaller(shop.api, ["checkout"], { customer: "ada" });
  bob = await newCaller(shop.api, ["checkout"], { customer: "bob" });
  till = await newCaller(shop.api, ["checkout"]);
});
afterAll(() => shop.close());

const specs = describeRoutes().map(({ spec }) => spec);
const BODIES: Record<string, (id: string) => object> = {
  "POST /holds/confirm": (hold_id) => ({ hold_id, payment_ref: "pay" }),
  "POST /holds/cancel": (hold_id) => ({ hold_id }),
  "POST /holds/extend": (hold_id) => ({ hold_id, ttl_seconds: 600 }),
  "PATCH /v1/reservations/{id}": () => ({ lines: [{ sku: "tea", qty: 1 }] }),
  "POST /v1/reservations/{id}:extend": () => ({ ttlSeconds: 600 }),
  "POST /v1/reservations/{id}:confirm": () => ({ paymentRef: "pay" }),
  "POST /v1/reservations/{id}:cancel": () => ({}),
};

/** A hold, an order and a place in a queue, all of Ada's. */
async function thingsOfAda({ recorded = true } = {}): Promise<Record<OwnedKind, string>> {
  const sku = await shop.stock(2);
  const hold = await ada.send("POST", "/v1/reservations", { lines: [{ sku, qty: 1 }] });
  const order = await ada.send("POST", "/v1/purchase", { sku, qty: 1 });
  const place = await ada.send("POST", "/v1/waitlist", { sku, qty: 1, offerSeconds: 60 });
  if (recorded) await recordAll(shop.api.redis, shop.database.url);
  return {
    HOLD: String(hold.body.reservationId),
    ORDER: String(order.body.orderId),
    WAITER: String(place.body.waiterId),
  };
}

const NOT_THERE = ["HOLD_NOT_FOUND", "NOT_FOUND", "WAITER_NOT_FOUND"];
const UNKNOWN = { HOLD: newHoldId, ORDER: newOrderId, WAITER: newWaiterId };

type Found = { spec: RouteSpec; kind: OwnedKind };
const by_id = specs.flatMap((spec): Found[] =>
  typeof spec.owned !== "object" || spec.owned.kind === "CUSTOMER"
    ? []
    : [{ spec, kind: spec.owned.kind }],
);
const rows = by_id.map((found) => [`${found.spec.method} ${found.spec.path}`, found] as const);

const told = ({ status, body }: { status: number; body: Record<string, unknown> }) => {
  const { instance: _, ...problem } = body;
  return { status, problem };
};

describe.each(rows)("%s", (name, { spec, kind }) => {
  const asking = (caller: TestCaller, id: string) => {
    const path = spec.path.replace(/\{\w+\}/, id);
    return caller.send(spec.method, path, BODIES[name]?.(id));
  };

  test("another's answers as an unknown one does, and nothing happens to it", async () => {
    const things = await thingsOfAda({ recorded: kind === "ORDER" });
    const others = await asking(bob, things[kind]);
    const unknown = await asking(bob, UNKNOWN[kind]());
    expect(others.status).toBe(404);
    expect(told(others)).toEqual(told(unknown));
    expect(told(await asking(bob, "no-id"))).toEqual(told(unknown));
    const hold = await ada.get(`/holds/${things.HOLD}`);
    expect(hold.body).toMatchObject({ status: "ACTIVE", user_id: "ada" });
    expect((await ada.get(`/v1/waitlist/${things.WAITER}`)).body.status).toBe("WAITING");
  });

  test("one's own is found, also by whoever may act for all", async () => {
    for (const caller of [ada, till]) {
      const answer = await asking(
        caller,
        (await thingsOfAda({ recorded: kind === "ORDER" }))[kind],
      );
      expect(answer.status).not.toBe(403);
      expect(NOT_THERE).not.toContain(answer.body.code);
    }
  });
});

test("each route that takes an id, and is open to the checkout, says whose it is", () => {
  const open = specs.filter(({ roles }) => roles !== "PUBLIC" && roles.includes("checkout"));
  const silent = open.filter(({ owned }) => owned === undefined || owned === "NOBODYS");
  expect(silent.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
    "GET /v1/availability",
    "GET /v1/idempotency/{key}",
    "GET /v1/items/{sku}/availability",
    "GET /v1/items/{sku}/level",
    "GET /v1/products",
    "GET /v1/products/{sku}",
    "GET /v1/rules/{sku}",
    "GET /v1/stores",
  ]);
  expect(Object.keys(BODIES).every((name) => rows.some(([row]) => row === name))).toBe(true);
});

describe("in whose name", () => {
  const wishes: [string, string, (sku: string) => Record<string, unknown>][] = [
    ["/holds/reserve", "user_id", (sku) => ({ sku, qty: 1 })],
    ["/v1/reservations", "customerId", (sku) => ({ lines: [{ sku, qty: 1 }] })],
    ["/v1/purchase", "customerId", (sku) => ({ sku, qty: 1 })],
    ["/v1/waitlist", "customerId", (sku) => ({ sku, qty: 1, offerSeconds: 60 })],
  ];

  test.each(wishes)(
    "POST %s: one's own, named or not, and nobody else's",
    async (path, by, wish) => {
      const sku = await shop.stock(path === "/v1/waitlist" ? 0 : 5);
      const asked = wish(sku);
      const others = await ada.send("POST", path, { ...asked, [by]: "bob" });
      expectProblem(others, { status: 403, code: "FORBIDDEN" });
      expect(await shop.unitsOf(sku)).toMatchObject({ held: 0 });
      const unnamed = await ada.send("POST", path, asked);
      expect([201, 202]).toContain(unnamed.status);
      const [named, ...rest] = [unnamed.body.user_id, unnamed.body.customerId].filter(Boolean);
      expect([named ?? "ada", ...rest]).toEqual(["ada"]);
      if (path !== "/v1/waitlist") {
        expect([201, 202]).toContain(
          (await ada.send("POST", path, { ...asked, [by]: "ada" })).status,
        );
      }
      expect((await ada.send("POST", path, [asked])).status).toBe(400);
    },
  );

  test("a list has one's own alone", async () => {
    const of_ada = await thingsOfAda();
    const of_bob = await bob.send("POST", "/v1/purchase", { sku: await shop.stock(1), qty: 1 });
    await recordAll(shop.api.redis, shop.database.url);
    for (const path of ["/v1/reservations", "/v1/orders"]) {
      const lists = [await ada.get(path), await ada.get(`${path}?customerId=ada&limit=5`)];
      for (const { body } of lists) {
        expect(JSON.stringify(body)).toContain(path === "/v1/orders" ? of_ada.ORDER : of_ada.HOLD);
        expect(JSON.stringify(body)).not.toContain(String(of_bob.body.reservationId));
      }
      const others = await ada.get(`${path}?customerId=bob`);
      expectProblem(others, { status: 403, code: "FORBIDDEN" });
      expect(JSON.stringify((await till.get(path)).body)).toContain("bob");
    }
  });
});

describe("two callers with one idempotency key", () => {
  test("each get what they asked for, and see only their own", async () => {
    const sku = await shop.stock(5);
    const key = fresh("key");
    const wish = { sku, qty: 1, user_id: "eve", idempotency_key: key };
    const other = await newCaller(shop.api, ["checkout"]);
    const first = await till.send("POST", "/holds/reserve", wish, key);
    const second = await other.send("POST", "/holds/reserve", wish, key);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.headers.get("idempotent-replayed")).toBe(null);
    expect(second.body.hold_id).not.toBe(first.body.hold_id);
    const again = await till.send("POST", "/holds/reserve", wish, key);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.body).toEqual(first.body);
    const seen = await till.get(`/v1/idempotency/${key}`);
    expect(JSON.stringify(seen.body)).toContain(String(first.body.hold_id));
    expect(JSON.stringify(seen.body)).not.toContain(String(second.body.hold_id));
    expect((await ada.get(`/v1/idempotency/${key}`)).status).toBe(404);
  });

  test("likewise where the ledger remembers, and line by line", async () => {
    const [one, two] = [
      await newCaller(shop.api, ["inventory"]),
      await newCaller(shop.api, ["inventory"]),
    ];
    const key = fresh("key");
    const sku = fresh("sku");
    for (const caller of [one, two]) {
      const product = { sku: `${sku}-${caller.name}`, name: "Tea" };
      expect((await caller.send("POST", "/v1/products", product, key)).status).toBe(202);
      const line = [{ sku: await shop.stock(1), delta: 2 }];
      const bulk = await caller.send("POST", "/v1/stock:bulk", line, key);
      expect(bulk.text).toContain("APPLIED");
      const { items } = (await caller.get(`/v1/idempotency/${key}`)).body;
      expect(items).toHaveLength(2);
    }
  });
});
