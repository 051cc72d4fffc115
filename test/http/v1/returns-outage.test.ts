import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { freePort } from "../../../scripts/free-port.ts";
import { createKeeper } from "../../../worker/keeper.ts";
import { startProxy } from "../../redis/tcp-proxy.ts";
import { freshDatabase } from "../../setup/stack.ts";
import { compareBooks } from "../../worker/books.ts";
import { openRecorder } from "../../worker/parts.ts";
import { query } from "../../worker/query.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop } from "../shop.ts";
import { type BackOffice, callsTo, openBackOffice, untilAccepted } from "./back-office.ts";

const UNKNOWN = { status: 504, code: "OUTCOME_UNKNOWN" };
const UNAVAILABLE = { status: 503, code: "STORE_UNAVAILABLE" };

/** Sells five of a new sku, of which none are left; returns what asks for two of them back. */
async function sold(office: Pick<BackOffice, "post" | "shop">) {
  const sku = await office.shop.stock(5);
  const { status, body } = await office.post("/v1/purchase", { sku, qty: 5 });
  expect(status).toBe(202);
  const path = `/v1/orders/${body.orderId}:return`;
  const key = fresh("key");
  return { sku, path, key, give: () => office.post(path, { lines: [{ sku, qty: 2 }] }, { key }) };
}

describe("while Redis is away", () => {
  let office: BackOffice;
  beforeAll(async () => {
    office = await openBackOffice({ request_budget_ms: 5_000 });
  });
  afterAll(() => office.close());

  async function whileAway(work: () => Promise<void>) {
    await office.shop.redis.stop();
    await office.shop.untilRedis("gone");
    try {
      await work();
    } finally {
      await office.shop.startRedis();
    }
  }
  const keeper = () => {
    const { api } = office.shop;
    return createKeeper({ ...api, redisNow: api.stream.now, default_store: "main" });
  };

  async function half() {
    const sale = await sold(office);
    await office.record();
    await whileAway(async () => {
      // Twice: the second one is the replay of a first answer that nobody has heard.
      for (let i = 0; i < 2; i += 1) expectProblem(await sale.give(), UNKNOWN);
      // What is promised is as good as returned.
      expectProblem(await office.post(sale.path, { lines: [{ sku: sale.sku, qty: 4 }] }), {
        status: 409,
        code: "RETURN_EXCEEDS_SOLD",
        members: {
          ...{ sku: sale.sku, sold: 5, returned: 2, requested: 4 },
          lines: [{ sku: sale.sku, sold: 5, returned: 2, requested: 4 }],
        },
      });
    });
    expect(await office.shop.unitsOf(sale.sku)).toEqual({ available: 0, held: 0 });
    return sale;
  }

  async function expectOnce(sku: string) {
    await office.record();
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
    expect(await compareBooks(office.shop.api.redis, office.shop.database.url)).toEqual([]);
  }

  test("a return is half done, says so, and the same request does the rest, once", async () => {
    const { sku, give } = await half();
    const answers = await Promise.all(Array.from({ length: 5 }, give));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    await expectOnce(sku);
  });

  test("one that is half done is done by the worker's keeper, and then asked for in vain", async () => {
    const { sku, give } = await half();
    await keeper().runOnce(); // it is too young
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
    await query(
      office.shop.database.url,
      "update order_returns set created_at = created_at - interval '10 s'",
    );
    const agent = keeper();
    await agent.runOnce();
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
    const answer = await give();
    expect(answer.status).toBe(202);
    await agent.runOnce();
    await keeper().runOnce();
    await expectOnce(sku);
    expect((await give()).text).toBe(answer.text);
    await expectOnce(sku);
  });

  test("several keepers and the caller at once do it once", async () => {
    const { sku, give } = await half();
    await query(
      office.shop.database.url,
      "update order_returns set created_at = created_at - interval '1 min'",
    );
    await Promise.all([keeper().runOnce(), give(), keeper().runOnce(), give(), keeper().runOnce()]);
    await expectOnce(sku);
  });

  test("an order that is not recorded yet can't be told from none, and that is said", async () => {
    const { sku, give } = await sold(office);
    await whileAway(async () => expectProblem(await give(), UNAVAILABLE));
    await office.record();
    expect((await give()).status).toBe(202);
    await expectOnce(sku);
  });
});

test("when an order is not recorded in time, nothing is done, and it can be asked again", async () => {
  const office = await openBackOffice({ request_budget_ms: 1_000 });
  try {
    const { sku, give } = await sold(office);
    expectProblem(await give(), UNAVAILABLE);
    expect(await query(office.shop.database.url, "select from order_returns")).toEqual([]);
    await office.record();
    await untilAccepted(give);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
  } finally {
    await office.close();
  }
});

test("when only the answer to the commit is lost, the same request gets it, and does the rest", async () => {
  const database = await freshDatabase();
  const target = new URL(database.url);
  const proxy = await startProxy(Number(target.port));
  target.port = new URL(proxy.url).port;
  const shop = await openShop({ databaseUrl: target.href, request_budget_ms: 2_000 });
  const recorder = await openRecorder({ redisUrl: shop.redis.url, databaseUrl: database.url });
  try {
    const { sku, give } = await sold({ ...callsTo(shop.api.url), shop });
    await recorder.drain();
    proxy.dropRepliesFrom("commit");
    expectProblem(await give(), UNKNOWN);
    proxy.pass();
    expect(await query(database.url, "select returned_at from order_returns")).toEqual([
      { returned_at: null },
    ]);
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
    const again = await untilAccepted(give);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
  } finally {
    proxy.pass();
    await recorder.close();
    await shop.close();
    await proxy.close();
    await database.close();
  }
});

test("while Postgres is away nothing is taken back", async () => {
  const databaseUrl = `postgres://nobody@127.0.0.1:${await freePort()}/none`;
  const shop = await openShop({ databaseUrl });
  try {
    const { sku, give } = await sold({ ...callsTo(shop.api.url), shop });
    expectProblem(await give(), UNAVAILABLE);
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
  } finally {
    await shop.close();
  }
});
