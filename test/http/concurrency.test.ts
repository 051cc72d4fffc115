import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startApi } from "../setup/api.ts";
import { expectProblem } from "./expect-problem.ts";
import { fresh, openShop, postJson, type Shop } from "./shop.ts";

let shop: Shop;
let other: Awaited<ReturnType<typeof startApi>>;
beforeAll(async () => {
  // What is asked here must be answered, however slow the machine.
  const request_budget_ms = 20_000;
  shop = await openShop({ request_budget_ms });
  other = await startApi({
    redisUrl: shop.redis.url,
    databaseUrl: shop.database.url,
    request_budget_ms,
  });
});
afterAll(async () => {
  await other.close();
  await shop.close();
});

const wishFor = (sku: string, qty = 1) => ({
  sku,
  qty,
  user_id: fresh("user"),
  idempotency_key: fresh("key"),
});

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const reserveAtOther = (body: unknown) => postJson(`${other.url}/holds/reserve`, body);

const eventsOf = async (type: string, hold_id: unknown) => {
  const entries = await shop.api.redis.xrange("inventory.events", "-", "+");
  return entries.filter(([, fields]) => {
    const text = fields.join(" ");
    return text.includes(`type ${type} `) && text.includes(String(hold_id));
  });
};

test("500 reserves at once of 100 units give exactly 100 holds and 400 refusals", async () => {
  const sku = await shop.stock(100);
  const answers = await Promise.all(times(500, () => shop.reserve(wishFor(sku))));
  const sold = answers.filter(({ status }) => status === 201);
  const refused = answers.filter(({ status }) => status !== 201);
  expect([sold.length, refused.length]).toEqual([100, 400]);
  for (const answer of refused) {
    const { held, earliest_release_at } = answer.body;
    expect(held).toBe(100);
    const members = { sku, requested: 1, available: 0, held, earliest_release_at };
    expectProblem(answer, { status: 409, code: "ALL_HELD", members });
  }
  expect(new Set(sold.map(({ body }) => body.hold_id)).size).toBe(100);
  expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 100 });
});

test("two API processes on one Redis never sell more than there is, in odd quantities too", async () => {
  const sku = await shop.stock(100);
  const answers = await Promise.all(
    times(300, (i) => (i % 2 ? shop.reserve : reserveAtOther)(wishFor(sku, 1 + (i % 3)))),
  );
  const held = answers
    .filter(({ status }) => status === 201)
    .reduce((sum, { body }) => sum + Number(body.qty), 0);
  expect(await shop.unitsOf(sku)).toEqual({ available: 100 - held, held });
  expect(held).toBe(100); // single units fill the last gap
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 409]));
});

test("50 equal requests at once give one hold and 50 equal answers, whichever process is asked", async () => {
  const sku = await shop.stock(100);
  const wish = wishFor(sku, 2);
  const answers = await Promise.all(
    times(50, (i) => (i % 2 ? shop.reserve : reserveAtOther)(wish)),
  );
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(answers[0]?.status).toBe(201);
  const replayed = answers.filter(({ headers }) => headers.get("idempotent-replayed") === "true");
  expect(replayed).toHaveLength(49);
  expect(await shop.unitsOf(sku)).toEqual({ available: 98, held: 2 });
  expect(await eventsOf("HOLD_CREATED", answers[0]?.body.hold_id)).toHaveLength(1);
});

test("one key for two requests at once serves one of them and refuses the other's every try", async () => {
  const sku = await shop.stock(100);
  const wish = wishFor(sku);
  const answers = await Promise.all(
    times(40, (i) => shop.reserve({ ...wish, qty: i % 2 ? 1 : 2 })),
  );
  const served = answers.filter(({ status }) => status === 201);
  expect(served).toHaveLength(20);
  expect(new Set(served.map(({ text }) => text)).size).toBe(1);
  for (const answer of answers.filter(({ status }) => status !== 201)) {
    expectProblem(answer, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
  }
  expect((await shop.unitsOf(sku)).held).toBe(Number(served[0]?.body.qty));
});

test("20 confirms at once with one payment_ref give one order", async () => {
  const { hold_id, sku } = await shop.hold({ qty: 2 });
  const confirm = { hold_id, payment_ref: "pay" };
  const answers = await Promise.all(
    times(20, (i) =>
      i % 2 ? shop.confirm(confirm) : postJson(`${other.url}/holds/confirm`, confirm),
    ),
  );
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(answers[0]?.status).toBe(200);
  expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
  expect(await eventsOf("HOLD_CONFIRMED", hold_id)).toHaveLength(1);
});

test("20 confirms at once with 20 payment_refs sell to one of them", async () => {
  const { hold_id } = await shop.hold();
  const answers = await Promise.all(
    times(20, (i) => shop.confirm({ hold_id, payment_ref: `pay-${i}` })),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    expectProblem(answer, { status: 409, code: "HOLD_ALREADY_CONFIRMED", members: { hold_id } });
  }
});

test("confirms and cancels at once end each hold one way, and its units go one way", async () => {
  const holds = await Promise.all(times(20, () => shop.hold()));
  await Promise.all(
    holds.map(async ({ hold_id, sku }) => {
      const [confirmed, cancelled] = await Promise.all([
        shop.confirm({ hold_id, payment_ref: "pay" }),
        postJson(`${other.url}/holds/cancel`, { hold_id }),
      ]);
      expect([confirmed.status, cancelled.status].sort()).toEqual([200, 409]);
      const available = cancelled.status === 200 ? 1 : 0;
      expect(await shop.unitsOf(sku)).toEqual({ available, held: 0 });
    }),
  );
});
