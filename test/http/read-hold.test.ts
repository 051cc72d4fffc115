import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { longestTurn } from "./answer-times.ts";
import { expectProblem } from "./expect-problem.ts";
import { recordAll } from "./record-all.ts";
import { ask, openShop, type Shop } from "./shop.ts";

const NOBODY = "H-01890000-0000-7000-8000-000000000000";
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const BUDGET_MS = 1_000;
const LONG_BUDGET_MS = 3_000; // half of it for a silent Redis, half for the ledger

let shop: Shop;
beforeAll(async () => {
  shop = await openShop({ request_budget_ms: BUDGET_MS });
});
afterAll(() => shop.close());

const record = (to = shop) => recordAll(to.api.redis, to.database.url);
const forget = (hold_id: string) => shop.api.redis.del(`hold:${hold_id}`);

async function anOverdueHold() {
  const hold = await shop.hold({ ttl_seconds: 1 });
  await until("the deadline has passed", () =>
    shop.api.inventory.now() > Date.parse(hold.expires_at) ? true : undefined,
  );
  return hold;
}

describe("a hold that Redis knows is answered", () => {
  test("while it is active", async () => {
    const { hold_id, sku, user_id, expires_at } = await shop.hold({ qty: 2 });
    const { status, headers, body } = await shop.read(hold_id);
    expect(status).toBe(200);
    expect(body).toEqual({
      hold_id,
      status: "ACTIVE",
      sku,
      qty: 2,
      lines: [{ sku, store_id: "main", qty: 2 }],
      user_id,
      created_at: new Date(Date.parse(expires_at) - 300_000).toISOString(),
      expires_at,
    });
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("at the address a reserve gives", async () => {
    const sku = await shop.stock(1);
    const made = await shop.reserve({ sku, qty: 1, user_id: "u", idempotency_key: sku });
    const { body } = await ask(`${shop.api.url}${made.headers.get("location")}`);
    expect(body.hold_id).toBe(made.body.hold_id);
  });

  test("as expired from its deadline on, though nobody has swept it", async () => {
    const { hold_id } = await anOverdueHold();
    const { body } = await shop.read(hold_id);
    expect(body).toMatchObject({ hold_id, status: "EXPIRED" });
    expect(body).not.toHaveProperty("ended_at");
    expect(await shop.api.redis.hget(`hold:${hold_id}`, "status")).toBe("ACTIVE");
  });

  test("as expired, and when, once it is swept", async () => {
    const { hold_id } = await anOverdueHold();
    await shop.sweep(hold_id);
    const { body } = await shop.read(hold_id);
    expect(body).toMatchObject({ status: "EXPIRED", ended_at: expect.stringMatching(ISO_TIME) });
  });

  test("as confirmed, with its order", async () => {
    const { hold_id } = await shop.hold();
    const order = (await shop.confirm({ hold_id, payment_ref: "pay" })).body;
    expect((await shop.read(hold_id)).body).toMatchObject({
      status: "CONFIRMED",
      order_id: order.order_id,
      payment_ref: "pay",
      ended_at: order.confirmed_at,
    });
  });

  test("as cancelled, without an order", async () => {
    const { hold_id } = await shop.hold();
    await shop.cancel({ hold_id });
    const { body } = await shop.read(hold_id);
    expect(body).toMatchObject({ status: "CANCELLED", ended_at: expect.stringMatching(ISO_TIME) });
    expect(body).not.toHaveProperty("order_id");
  });

  test("to HEAD without a body", async () => {
    const { hold_id } = await shop.hold();
    const response = await fetch(`${shop.api.url}/holds/${hold_id}`, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });
});

describe("a hold that Redis has forgotten is answered from the ledger in the same words", () => {
  const endings: [string, (hold_id: string) => Promise<unknown>][] = [
    ["active", async () => {}],
    ["confirmed", (hold_id) => shop.confirm({ hold_id, payment_ref: 'pay "1"' })],
    ["cancelled", (hold_id) => shop.cancel({ hold_id, reason: "why" })],
  ];
  test.each(endings)("when it is %s", async (_, end) => {
    const { hold_id } = await shop.hold({ qty: 2 });
    await end(hold_id);
    const before = await shop.read(hold_id);
    await record();
    await forget(hold_id);
    const after = await shop.read(hold_id);
    expect(after.status).toBe(200);
    expect(after.text).toBe(before.text);
  });

  test("when it is overdue, and when it was swept", async () => {
    const { hold_id } = await anOverdueHold();
    const overdue = await shop.read(hold_id);
    await record();
    await shop.sweep(hold_id);
    const swept = await shop.read(hold_id);
    await forget(hold_id);
    expect((await shop.read(hold_id)).text).toBe(overdue.text);
    await record();
    expect((await shop.read(hold_id)).text).toBe(swept.text);
    expect(swept.body.status).toBe("EXPIRED");
  });
});

describe("a hold that cannot be found", () => {
  test("is a 404 when neither Redis nor the ledger has it", async () => {
    expectProblem(await shop.read(NOBODY), { status: 404, code: "HOLD_NOT_FOUND" });
  });

  test("is answered within the budget though the ledger does not come to an end", async () => {
    const { hold_id } = await shop.hold();
    await record();
    await forget(hold_id);
    const locker = new pg.Client({ connectionString: shop.database.url });
    await locker.connect();
    try {
      await locker.query("begin; lock table holds in access exclusive mode");
      const [asked, turnMs] = [performance.now(), longestTurn()];
      const answer = await shop.read(hold_id);
      const ms = performance.now() - asked;
      expectProblem(answer, { status: 503, code: "STORE_UNAVAILABLE" });
      expect(ms).toBeLessThan(BUDGET_MS + 1_000 + (await turnMs()));
    } finally {
      await locker.end();
    }
  });
});

describe("while Postgres is away", () => {
  let alone: Shop;
  beforeAll(async () => {
    const databaseUrl = `postgres://nobody@127.0.0.1:${await freePort()}/none`;
    alone = await openShop({ databaseUrl });
  });
  afterAll(() => alone.close());

  test("a hold is answered from Redis", async () => {
    const { hold_id } = await alone.hold();
    expect((await alone.read(hold_id)).status).toBe(200);
  });

  test("one that Redis does not have is a 503, since the ledger may have it", async () => {
    const answer = await alone.read(NOBODY);
    expectProblem(answer, { status: 503, code: "STORE_UNAVAILABLE" });
    expect(answer.headers.get("retry-after")).toMatch(/^[123]$/);
  });

  test("and Redis too, every hold is a 503", async () => {
    const { hold_id } = await alone.hold();
    await alone.redis.stop();
    await alone.untilRedis("gone");
    const answer = await alone.read(hold_id);
    await alone.startRedis();
    expectProblem(answer, { status: 503, code: "STORE_UNAVAILABLE" });
    expect(answer.headers.get("retry-after")).toMatch(/^[123]$/);
    expect((await alone.read(hold_id)).status).toBe(200);
  });
});

describe("while Redis is away", () => {
  let known: Awaited<ReturnType<Shop["hold"]>>;
  let unrecorded: Awaited<ReturnType<Shop["hold"]>>;
  let away: Shop;
  beforeAll(async () => {
    away = await openShop({ request_budget_ms: LONG_BUDGET_MS });
    known = await away.hold();
    await record(away);
    unrecorded = await away.hold();
  });
  afterAll(() => away.close());

  test.each([
    ["paused", () => away.redis.kill("SIGSTOP"), () => away.redis.kill("SIGCONT")],
    ["stopped", () => away.redis.stop(), () => away.startRedis()],
  ])("%s, the ledger answers what it has, and the rest is a 503", async (_, take, bring) => {
    const before = await away.read(known.hold_id);
    await take();
    const [asked, turnMs] = [performance.now(), longestTurn()];
    const [found, missed] = await Promise.all([
      away.read(known.hold_id),
      away.read(unrecorded.hold_id),
    ]).finally(bring);
    const ms = performance.now() - asked;
    expect(found.text).toBe(before.text);
    // Reading has no outcome that could be unknown: it may simply be asked again.
    expectProblem(missed, { status: 503, code: "STORE_UNAVAILABLE" });
    expect(missed.headers.get("retry-after")).toMatch(/^[123]$/);
    expect(ms).toBeLessThan(LONG_BUDGET_MS + 1_000 + (await turnMs()));
    await away.untilRedis("there");
  });
});
