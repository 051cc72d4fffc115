import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { freePort } from "../../../scripts/free-port.ts";
import { createKeeper } from "../../../worker/keeper.ts";
import { startProxy } from "../../redis/tcp-proxy.ts";
import { freshDatabase, freshPostgres } from "../../setup/stack.ts";
import { query } from "../../worker/query.ts";
import { longestTurn } from "../answer-times.ts";
import { expectProblem } from "../expect-problem.ts";
import { type Answer, fresh, openShop, type Shop } from "../shop.ts";
import { type BackOffice, callsTo, openBackOffice, untilAccepted } from "./back-office.ts";

const BUDGET_MS = 1_000;
const UNKNOWN = { status: 504, code: "OUTCOME_UNKNOWN" };
const UNAVAILABLE = { status: 503, code: "STORE_UNAVAILABLE" };

function expectUnavailable(answer: Answer) {
  expectProblem(answer, UNAVAILABLE);
  expect(answer.headers.get("retry-after")).toMatch(/^[123]$/);
}

describe("while Redis is away", () => {
  let office: BackOffice;
  beforeAll(async () => {
    office = await openBackOffice({ request_budget_ms: 5_000 });
  });
  afterAll(() => office.close());

  const products = (sku: string) =>
    query(office.shop.database.url, "select * from products where sku = $1", [sku]);
  const promises = (sku: string) =>
    query<{ event_id: string }>(
      office.shop.database.url,
      "select event_id from initial_stocks where sku = $1",
      [sku],
    );

  async function whileAway(work: () => Promise<void>) {
    await office.shop.redis.stop();
    await office.shop.untilRedis("gone");
    try {
      await work();
    } finally {
      await office.shop.startRedis();
    }
  }

  test("a product with stock is half made, says so, and the same request makes it whole, once", async () => {
    const key = fresh("key");
    const wish = { sku: fresh("sku"), name: "Tea", initialOnHand: 9 };
    await whileAway(async () => {
      // Twice: the second one is the replay of a first answer that nobody has heard.
      for (let i = 0; i < 2; i += 1) {
        expectProblem(await office.post("/v1/products", wish, { key }), UNKNOWN);
        expect(await products(wish.sku)).toHaveLength(1);
        expect(await promises(wish.sku)).toHaveLength(1);
      }
    });
    expect(await office.shop.api.redis.exists(`stock:${wish.sku}`)).toBe(0);
    const [promise] = await promises(wish.sku);

    const answers = await Promise.all(
      Array.from({ length: 5 }, () => office.post("/v1/products", wish, { key })),
    );
    for (const { status, body } of answers) {
      expect(status).toBe(202);
      expect(body).toMatchObject({ initialStock: { storeId: "main", onHand: 9 } });
    }
    expect(await office.shop.unitsOf(wish.sku)).toEqual({ available: 9, held: 0 });
    await office.record();
    expect(await promises(wish.sku)).toEqual([]);
    const { body } = await office.get(`/v1/products/${wish.sku}/movements`);
    expect(body.items).toEqual([
      expect.objectContaining({ onHandDelta: 9, eventId: promise?.event_id, version: 1 }),
    ]);
  });

  test("one that is half made is made whole by the worker's keeper too, and then asked for in vain", async () => {
    const key = fresh("key");
    const wish = { sku: fresh("sku"), name: "Tea", initialOnHand: 9 };
    await whileAway(async () => {
      expectProblem(await office.post("/v1/products", wish, { key }), UNKNOWN);
    });
    // The keeper leaves young promises to the API.
    await query(
      office.shop.database.url,
      "update initial_stocks set created_at = now() - interval '1 minute'",
    );
    const { api } = office.shop;
    const keeper = createKeeper({ ...api, redisNow: api.stream.now, default_store: "main" });
    await keeper.runOnce();
    expect(await office.shop.unitsOf(wish.sku)).toEqual({ available: 9, held: 0 });
    expect((await office.post("/v1/products", wish, { key })).status).toBe(202);
    await keeper.runOnce();
    await office.record();
    expect((await office.post("/v1/products", wish, { key })).status).toBe(202);
    expect(await office.shop.unitsOf(wish.sku)).toEqual({ available: 9, held: 0 });
    const { body } = await office.get(`/v1/products/${wish.sku}/movements`);
    expect(body.items).toEqual([expect.objectContaining({ onHandDelta: 9, version: 1 })]);
  });

  test("one that was half made and then deleted brings no stock when it is asked for again", async () => {
    const key = fresh("key");
    const wish = { sku: fresh("sku"), name: "Tea", initialOnHand: 9 };
    await whileAway(async () => {
      expectProblem(await office.post("/v1/products", wish, { key }), UNKNOWN);
    });
    expect((await office.remove(`/v1/products/${wish.sku}`)).status).toBe(202);
    expect(await promises(wish.sku)).toEqual([]);
    expect((await office.post("/v1/products", wish, { key })).status).toBe(202);
    expect(await office.shop.api.redis.exists(`stock:${wish.sku}`)).toBe(0);
  });

  test("a product without stock is made and replaced, and none is deleted", async () => {
    const sku = fresh("sku");
    const key = fresh("key");
    await whileAway(async () => {
      expect((await office.post("/v1/products", { sku, name: "Tea" })).status).toBe(202);
      expect((await office.put(`/v1/products/${sku}`, { name: "Coffee" })).status).toBe(202);
      expectUnavailable(await office.remove(`/v1/products/${sku}`, { key }));
    });
    expect(await products(sku)).toHaveLength(1);
    expect((await office.remove(`/v1/products/${sku}`, { key })).status).toBe(202);
  });

  test("a product is shown with what is recorded of its stock, and how old that may be", async () => {
    const sku = fresh("sku");
    await office.post("/v1/products", { sku, name: "Tea", initialOnHand: 9 });
    await office.record();
    const [caught_up] = await query<{ at: Date }>(
      office.shop.database.url,
      "select caught_up_at as at from recorder_progress",
    );
    const before = await office.get(`/v1/products/${sku}`);
    expect(before.headers.get("x-projection-lag-ms")).toBe("0");
    await office.adjust(sku, "main", 100);
    await whileAway(async () => {
      const asked = Date.now();
      const { status, headers, body } = await office.get(`/v1/products/${sku}`);
      expect(status).toBe(200);
      expect(body).toEqual(before.body);
      const lag_ms = Number(headers.get("x-projection-lag-ms"));
      // Both clocks are this machine's; Postgres rounds to whole ms here and there.
      expect(lag_ms).toBeGreaterThanOrEqual(asked - Number(caught_up?.at) - 5);
      expect(lag_ms).toBeLessThanOrEqual(Date.now() - Number(caught_up?.at) + 5);
      // A list of products is as new as ever; what there is of them is not.
      const list = await office.get("/v1/products");
      expect([list.status, list.headers.get("x-projection-lag-ms")]).toEqual([200, "0"]);
      const totals = await office.get("/v1/products/totals");
      expect(Number(totals.headers.get("x-projection-lag-ms"))).toBeGreaterThanOrEqual(lag_ms);
    });
    const after = await office.get(`/v1/products/${sku}`);
    expect(after.body.stock).toMatchObject({ totalAvailable: 109 });
  });
});

describe("while Postgres does not come to an end with a write", () => {
  let office: BackOffice;
  beforeAll(async () => {
    office = await openBackOffice({ request_budget_ms: BUDGET_MS });
  });
  afterAll(() => office.close());

  test("its outcome is unknown within the budget, and the same request finds it out", async () => {
    const key = fresh("key");
    const wish = { sku: fresh("sku"), name: "Tea", initialOnHand: 9 };
    const locker = new pg.Client({ connectionString: office.shop.database.url });
    await locker.connect();
    try {
      await locker.query("begin; lock table products in access exclusive mode");
      const [asked, turnMs] = [performance.now(), longestTurn()];
      const answer = await office.post("/v1/products", wish, { key });
      const ms = performance.now() - asked;
      expectProblem(answer, UNKNOWN);
      expect(answer.headers.get("retry-after")).toBeNull();
      expect(ms).toBeLessThan(BUDGET_MS + 1_000 + (await turnMs()));
      const read = await office.get(`/v1/products/${wish.sku}`);
      expectUnavailable(read); // reading has no outcome
    } finally {
      await locker.end();
    }
    const { body } = await untilAccepted(() => office.post("/v1/products", wish, { key }));
    expect(body.initialStock).toEqual({ storeId: "main", onHand: 9 });
    expect(await office.shop.unitsOf(wish.sku)).toEqual({ available: 9, held: 0 });
  });
});

describe("when a commit goes wrong", () => {
  const wish = () => ({ sku: fresh("sku"), name: "Tea", initialOnHand: 9 });

  test("and only its answer is lost, the same request gets it, and does the rest", async () => {
    const database = await freshDatabase();
    const target = new URL(database.url);
    const proxy = await startProxy(Number(target.port));
    target.port = new URL(proxy.url).port;
    const shop = await openShop({ databaseUrl: target.href, request_budget_ms: BUDGET_MS });
    const { post } = callsTo(shop.api.url);
    const [body, key] = [wish(), fresh("key")];
    try {
      proxy.dropRepliesFrom("commit");
      expectProblem(await post("/v1/products", body, { key }), UNKNOWN);
      proxy.pass();
      const rows = "select initial_stocks.sku from products join initial_stocks using (sku)";
      expect(await query(database.url, rows)).toEqual([{ sku: body.sku }]);
      expect(await shop.api.redis.exists(`stock:${body.sku}`)).toBe(0);
      const again = await untilAccepted(() => post("/v1/products", body, { key }));
      expect(again.headers.get("idempotent-replayed")).toBe("true");
      expect(await shop.unitsOf(body.sku)).toEqual({ available: 9, held: 0 });
    } finally {
      await proxy.close();
      await shop.close();
      await database.close();
    }
  });

  test("and Postgres goes away in it, the outcome is unknown, and the same request finds out", async () => {
    const shop = await openShop({ request_budget_ms: 5_000 });
    const { post } = callsTo(shop.api.url);
    const [body, key] = [wish(), fresh("key")];
    // A deferred trigger is the last thing a commit carries out.
    await query(
      shop.database.url,
      `create function lose() returns trigger language plpgsql as $$
       begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
       create constraint trigger lost after insert on products deferrable initially deferred
       for each row execute function lose()`,
    );
    try {
      expectProblem(await post("/v1/products", body, { key }), UNKNOWN);
      await query(shop.database.url, "drop function lose() cascade");
      const again = await post("/v1/products", body, { key });
      expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([202, null]);
      expect(await shop.unitsOf(body.sku)).toEqual({ available: 9, held: 0 });
    } finally {
      await shop.close();
    }
  });

  test("and Postgres refuses what we let pass, it is a bug and no outage", async () => {
    const shop = await openShop();
    try {
      await query(shop.database.url, "alter table products add check (name <> 'Tea')");
      const refused = await callsTo(shop.api.url).post("/v1/products", wish());
      expectProblem(refused, { status: 500, code: "INTERNAL_ERROR" });
      expect(await shop.api.redis.keys("*")).toEqual(["inventory.generation"]);
    } finally {
      await shop.close();
    }
  });
});

describe("while Postgres is away", () => {
  let shop: Shop;
  let calls: ReturnType<typeof callsTo>;
  beforeAll(async () => {
    const databaseUrl = `postgres://nobody@127.0.0.1:${await freePort()}/none`;
    shop = await openShop({ databaseUrl });
    calls = callsTo(shop.api.url);
  });
  afterAll(() => shop.close());

  const asks: [string, () => Promise<Answer>][] = [
    ["POST /v1/products", () => calls.post("/v1/products", { sku: "tea", name: "Tea" })],
    ["PUT /v1/products/{sku}", () => calls.put("/v1/products/tea", { name: "Tea" })],
    ["DELETE /v1/products/{sku}", () => calls.remove("/v1/products/tea")],
    ["POST /v1/stores", () => calls.post("/v1/stores", { storeId: "north", name: "North" })],
    ["POST /v1/projections/rebuild", () => calls.post("/v1/projections/rebuild")],
    ["POST /v1/dlt/replay", () => calls.post("/v1/dlt/replay")],
    ...[
      "products",
      "products/totals",
      "products/tea",
      "products/tea/movements",
      "stores",
      "orders",
      "orders/O-01a1fbe0-b90a-7068-a328-4e73558f5087",
      "events",
      "projections/status",
      "dlt",
      "reservations",
    ].map((path): [string, () => Promise<Answer>] => [
      `GET /v1/${path}`,
      () => calls.get(`/v1/${path}`),
    ]),
  ];
  test.each(asks)("%s is a 503, and nothing is done", async (_, ask) => {
    expectUnavailable(await ask());
    expect(await shop.api.redis.keys("*")).toEqual(["inventory.generation"]);
  });
});

test("when Postgres is killed during writes, each is answered, and made once when asked again", async () => {
  const postgres = await freshPostgres();
  const shop = await openShop({ databaseUrl: postgres.url, request_budget_ms: 5_000 });
  try {
    const { post } = callsTo(shop.api.url);
    const wishes = Array.from({ length: 60 }, () => ({
      wish: { sku: fresh("sku"), name: "Tea", initialOnHand: 3 },
      key: fresh("key"),
    }));
    const ask = ({ wish, key }: (typeof wishes)[number]) => post("/v1/products", wish, { key });
    const asked = wishes.map(ask);
    await Promise.race(asked);
    await postgres.kill();
    const first = await Promise.all(asked);
    for (const answer of first) {
      if (answer.status === 504) expectProblem(answer, UNKNOWN);
      else if (answer.status !== 202) expectUnavailable(answer);
    }
    await postgres.start();
    for (const [i, asked_again] of wishes.entries()) {
      const { status, text, body } = await ask(asked_again);
      expect(status).toBe(202);
      if (first[i]?.status === 202) expect(text).toBe(first[i].text);
      expect(body.initialStock).toMatchObject({ onHand: 3 });
      expect(await shop.unitsOf(asked_again.wish.sku)).toEqual({ available: 3, held: 0 });
    }
  } finally {
    await shop.close();
    await postgres.close();
  }
}, 120_000); // a Postgres of its own took 36 s on a machine with a load of 12
