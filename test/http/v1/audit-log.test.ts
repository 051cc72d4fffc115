import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { describeRoutes } from "../../../scripts/describe-routes.ts";
import { newEventId, newHoldId } from "../../../src/domain/ids.ts";
import { recording, stockEvent } from "../../postgres/recorded.ts";
import { query } from "../../worker/query.ts";
import { newCaller, type TestCaller } from "../access/callers.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

let office: BackOffice;
let ann: TestCaller;
let bob: TestCaller;
beforeAll(async () => {
  office = await openBackOffice({ auth: { mode: "keys" }, request_budget_ms: 10_000 });
  ann = await newCaller(office.shop.api, ["operator", "inventory", "checkout"], { name: "ann" });
  bob = await newCaller(office.shop.api, ["inventory"], { name: "bob" });
}, 60_000);
afterAll(() => office.close());

const dbUrl = () => office.shop.database.url;
type Row = { who: string; what: string; subject: string; before: unknown; after: unknown };

/** What is told of the writes since the last look, oldest first. */
let seen = 0;
async function told(): Promise<Row[]> {
  await office.record();
  const { status, body } = await ann.get("/v1/audit-log?limit=200");
  expect(status).toBe(200);
  const all = (body.items as Row[]).toReversed(); // what a list answers
  const since = all.slice(seen);
  seen = all.length;
  return since;
}

const counts = (sku: string, store_id: string, available: number) =>
  expect.objectContaining({ sku, store_id, available, held: 0 });

type Write = [
  path: string,
  send: () => ReturnType<TestCaller["send"]>,
  deeds: [string, string, unknown, unknown][],
];

/** Every write there is of people who run the shop, in an order in which each is possible. */
function writes({
  sku,
  product,
  orderId,
  paymentId,
}: Record<"sku" | "product" | "orderId" | "paymentId", string>): Write[] {
  const post = (path: string, body: unknown) => () => ann.send("POST", path, body);
  const lines = (...of: unknown[]) => ({ lines: of });
  const there = `${sku}@main`;
  return [
    [
      "POST /v1/adjustments",
      post("/v1/adjustments", { sku, delta: -5, reason: "damage" }),
      [["STOCK_ADJUSTED", there, lines(counts(sku, "main", 8)), lines(counts(sku, "main", 3))]],
    ],
    [
      "POST /v1/items:set-absolute",
      post("/v1/items:set-absolute", { sku, onHand: 40 }),
      [["STOCK_COUNTED", there, lines(counts(sku, "main", 3)), lines(counts(sku, "main", 40))]],
    ],
    [
      "POST /v1/transfers",
      post("/v1/transfers", { fromStore: "main", toStore: "north", lines: [{ sku, qty: 4 }] }),
      [
        [
          ...(["STOCK_TRANSFERRED", there] as const),
          lines(counts(sku, "main", 40), counts(sku, "north", 0)),
          lines(counts(sku, "main", 36), counts(sku, "north", 4)),
        ],
      ],
    ],
    [
      "POST /v1/reconciliations",
      post("/v1/reconciliations", { snapshotOnHand: { [sku]: 30 } }),
      [["STOCK_COUNTED", there, lines(counts(sku, "main", 36)), lines(counts(sku, "main", 30))]],
    ],
    [
      "POST /v1/stock:bulk",
      post("/v1/stock:bulk", [
        { sku, delta: 1 },
        { sku, onHand: 9 },
      ]),
      [
        ["STOCK_ADJUSTED", there, lines(counts(sku, "main", 30)), lines(counts(sku, "main", 31))],
        ["STOCK_COUNTED", there, lines(counts(sku, "main", 31)), lines(counts(sku, "main", 9))],
      ],
    ],
    [
      "POST /v1/orders/{orderId}:return",
      post(`/v1/orders/${orderId}:return`, { lines: [{ sku, qty: 1 }] }),
      [["ORDER_RETURNED", orderId, lines(counts(sku, "main", 9)), lines(counts(sku, "main", 10))]],
    ],
    [
      "PUT /v1/rules/{sku}",
      () => ann.send("PUT", `/v1/rules/${sku}`, { maxPerOrder: 2 }),
      [["RULES_CHANGED", sku, null, { max_per_order: 2 }]],
    ],
    [
      "DELETE /v1/rules/{sku}",
      () => ann.send("DELETE", `/v1/rules/${sku}`),
      [["RULES_CHANGED", sku, { max_per_order: 2 }, null]],
    ],
    [
      "POST /v1/products",
      post("/v1/products", { sku: product, name: "Old", price: 4.95 }),
      [["PRODUCT_CREATED", product, null, expect.objectContaining({ name: "Old", price: 4.95 })]],
    ],
    [
      "PUT /v1/products/{sku}",
      () => ann.send("PUT", `/v1/products/${product}`, { name: "New" }),
      [
        [
          ...(["PRODUCT_CHANGED", product] as const),
          expect.objectContaining({ name: "Old", version: 1 }),
          expect.objectContaining({ name: "New", version: 2 }),
        ],
      ],
    ],
    [
      "DELETE /v1/products/{sku}",
      () => ann.send("DELETE", `/v1/products/${product}`),
      [["PRODUCT_DELETED", product, expect.objectContaining({ name: "New" }), null]],
    ],
    [
      "POST /v1/stores",
      post("/v1/stores", { storeId: "north", name: "Far", latencyRank: 7 }),
      [
        [
          ...(["STORE_SET", "north"] as const),
          expect.objectContaining({ name: "north", latency_rank: 0 }),
          expect.objectContaining({ name: "Far", latency_rank: 7 }),
        ],
      ],
    ],
    [
      "POST /v1/unfulfilled-payments/{id}:resolve",
      post(`/v1/unfulfilled-payments/${paymentId}:resolve`, {
        ...{ resolution: "refunded", reference: "re_17" },
      }),
      [["PAYMENT_RESOLVED", paymentId, null, { resolution: "refunded", reference: "re_17" }]],
    ],
    [
      "POST /v1/projections/rebuild",
      post("/v1/projections/rebuild", {}),
      [["REBUILD_REQUESTED", expect.stringMatching(/^\d+$/) as unknown as string, null, null]],
    ],
    [
      "POST /v1/dlt/replay",
      post("/v1/dlt/replay", {}),
      [["REPLAY_REQUESTED", "1-1", null, { message_ids: ["1-1"], count: 1 }]],
    ],
    [
      "POST /v1/audit:recount",
      post("/v1/audit:recount", { sku, customerId: "ann" }),
      [["RECOUNT_REQUESTED", sku, null, { customer: "ann", customers: 1 }]],
    ],
    [
      "POST /v1/recovery:approve",
      post("/v1/recovery:approve", {}),
      [
        [
          ...(["RECOVERY_APPROVED", expect.stringMatching(/^\d+$/) as unknown as string] as const),
          ...[null, expect.objectContaining({ finding: "EMPTY" })],
        ] as [string, string, unknown, unknown],
      ],
    ],
  ];
}

/** What each of these writes needs to be there. */
async function prepared() {
  const sku = await office.shop.stock(10);
  const bought = await ann.send("POST", "/v1/purchase", { sku, qty: 2, policy: "round-robin" });
  const late = { hold_id: newHoldId(), payment_ref: "p", on_expired: "reacquire" };
  const unfulfilled = await ann.send("POST", "/holds/confirm", late);
  await office.record();
  await query(
    dbUrl(),
    `insert into dead_events (partition, entry_id, fields, error, attempts)
     values (0, '1-1', '{}', 'why', 1)`,
  );
  await query(
    dbUrl(),
    "insert into recoveries (partition, finding, redis_seq, report) values (0, 'EMPTY', 0, '{}')",
  );
  await query(
    dbUrl(),
    "insert into audit_findings (kind, sku, store_id, user_id) values ('CUSTOMER_COUNT', $1, '', 'ann')",
    [sku],
  );
  const { orderId } = bought.body;
  const { payment_id } = unfulfilled.body;
  return { sku, product: fresh("book"), orderId: String(orderId), paymentId: String(payment_id) };
}

const KEYS = ["POST /v1/keys", "POST /v1/keys/{id}:rotate", "DELETE /v1/keys/{id}"];

test("each write of who runs the shop is told once: who, what, before and after", async () => {
  const all = writes(await prepared());
  await told();
  for (const [path, send, deeds] of all) {
    const { headers } = await send();
    const expected = deeds.map(([what, subject, before, after]) => ({
      ...{ who: "ann", what, subject, before, after },
      requestId: headers.get("x-request-id"),
    }));
    expect([path, await told()]).toMatchObject([path, expected]);
  }
  expect(await query(dbUrl(), "select actor from order_returns")).toEqual([{ actor: "ann" }]);
  // keys.test.ts has those of keys. One that is nowhere would be told by nobody.
  const there = describeRoutes()
    .filter(({ spec: { method, roles } }) => method !== "GET" && !roles.includes("checkout"))
    .map(({ spec: { method, path } }) => `${method} ${path}`);
  expect([...all.map(([path]) => path), ...KEYS].sort()).toEqual(there.sort());
}, 60_000);

test("a movement has the caller's name, too, and a product's first stock who made it", async () => {
  const sku = fresh("mug");
  await bob.send("POST", "/v1/products", { sku, name: "Mug", initialOnHand: 3 });
  // For the worker, should nobody keep the promise now.
  const promised = "select actor from initial_stocks where sku = $1";
  expect(await query(dbUrl(), promised, [sku])).toEqual([{ actor: "bob" }]);
  expect((await told()).map(({ who, what }) => [who, what]).sort()).toEqual([
    ["bob", "PRODUCT_CREATED"],
    ["bob", "STOCK_ADJUSTED"],
  ]);
  const { body } = await bob.get(`/v1/products/${sku}/movements`);
  expect(body.items).toMatchObject([{ actor: "bob" }]);
});

test("what is refused, answered again or the checkout's is not told", async () => {
  const sku = await office.shop.stock(5);
  const key = fresh("once");
  const adjust = (delta: number) =>
    bob.send("POST", "/v1/adjustments", { sku, delta, reason: "sale" }, key);
  const store = () => bob.send("POST", "/v1/stores", { storeId: "once", name: "Once" }, `${key}-s`);
  expect((await adjust(-9)).status).toBe(409);
  expect(await told()).toEqual([]);
  for (let i = 0; i < 2; i += 1) {
    expect([(await adjust(-1)).status, (await store()).status]).toEqual([202, 202]);
  }
  await ann.send("POST", "/v1/purchase", { sku, qty: 1, policy: "round-robin" });
  await bob.send("PUT", "/v1/products/none", { name: "None" });
  expect((await told()).map(({ what }) => what).sort()).toEqual(["STOCK_ADJUSTED", "STORE_SET"]);
});

test("what is as it was, or is ordered again before it has come, is not told again", async () => {
  const dead = (entry_id: string) =>
    query(
      dbUrl(),
      `insert into dead_events (partition, entry_id, fields, error, attempts)
       values (0, $1, '{}', 'why', 1)`,
      [entry_id],
    );
  await dead("7-1");
  await query(
    dbUrl(),
    "insert into audit_findings (kind, sku, store_id, user_id) values ('CUSTOMER_COUNT', 'pen', '', 'ann')",
  );
  const writes: [string, object][] = [
    ["/v1/recovery:approve", {}],
    ["/v1/projections/rebuild", {}],
    ["/v1/dlt/replay", {}],
    ["/v1/audit:recount", { sku: "pen" }],
    ["/v1/stores", { storeId: "same", name: "Same" }],
  ];
  for (const [path, body] of writes) {
    await ann.send("POST", path, body);
    await told();
    const again = await ann.send("POST", path, body);
    expect([path, again.status, await told()]).toEqual([path, expect.any(Number), []]);
  }
  await dead("7-2");
  await ann.send("POST", "/v1/dlt/replay", {});
  await ann.send("POST", "/v1/stores", { storeId: "same", name: "Same", latencyRank: 1 });
  expect(await told()).toMatchObject([
    { what: "REPLAY_REQUESTED", subject: "7-2", after: { message_ids: ["7-2"], count: 1 } },
    { what: "STORE_SET", before: { latency_rank: 0 }, after: { latency_rank: 1 } },
  ]);
});

test("it is listed by who, what and since, a page after the other", async () => {
  await query(dbUrl(), "truncate audit_log");
  seen = 0;
  for (const storeId of ["a", "b", "c", "d", "e"]) {
    const caller = storeId === "b" ? bob : ann;
    await caller.send("POST", "/v1/stores", { storeId, name: "Store" });
    await query(
      dbUrl(),
      `update audit_log set done_at = '2026-05-01 00:00Z'::timestamptz + (ascii($1) + 1) / 2 * '1 s'::interval
       where subject = $1`,
      [storeId],
    );
  }
  const subjects = async (filter: string) => {
    const pages = [];
    let cursor = "";
    do {
      const { status, body } = await ann.get(`/v1/audit-log?limit=2${filter}${cursor}`);
      expect(status).toBe(200);
      pages.push((body.items as Row[]).map(({ subject }) => subject).join(""));
      cursor = body.nextCursor === null ? "" : `&cursor=${body.nextCursor}`;
    } while (cursor !== "");
    return pages;
  };
  // a and b were done in one moment, and so were c and d: pages end between them.
  expect(await subjects("")).toEqual(["ed", "cb", "a"]);
  expect(await subjects("&who=ann")).toEqual(["ed", "ca"]);
  expect(await subjects("&who=bob&what=STORE_SET")).toEqual(["b"]);
  expect(await subjects("&what=KEY_CREATED")).toEqual([""]);
  expect(await subjects("&since=2026-05-01T00:00:50Z")).toEqual(["ed", "c"]);
  for (const bad of ["what=TEA_SPILT", "since=yesterday", "cursor=MQ", "who="]) {
    expect((await ann.get(`/v1/audit-log?${bad}`)).status).toBe(400);
  }
  expect((await bob.get("/v1/audit-log")).status).toBe(403);
});

test("an event that is recorded again, even one that is forgotten, has one row", async () => {
  await query(dbUrl(), "truncate audit_log");
  const [{ seq = 0 } = {}] = await query<{ seq: number }>(
    dbUrl(),
    "select applied_seq::int as seq from recorder_progress",
  );
  const event = { ...stockEvent(seq + 1, "STOCK_ADJUSTED"), event_id: newEventId() };
  await office.recorder.closeRecording();
  await recording(dbUrl(), async (to) => {
    await to.apply([event, event], "9-1");
    await to.apply([event], "9-1");
    await query(dbUrl(), "delete from processed_events where event_id = $1", [event.event_id]);
    await to.apply([event], "9-1");
  });
  const rows = await query(dbUrl(), "select who, event_id, done_at from audit_log");
  const done_at = new Date(event.payload.occurred_at); // and not when it was recorded
  expect(rows).toEqual([{ who: "api", event_id: event.event_id, done_at }]);
});
