import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { openDecidingSide } from "../setup/deciding-side.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";
import { balances } from "./balances.ts";
import { type Checkout, createCheckout } from "./checkout.ts";

// A sale by the rules, from its opening to the closing of the books: one chapter after the other, on the same
// processes, each about one of the things on sale.

const RULES = { maxPerCustomer: 2, maxActiveHolds: 1, holdSeconds: 60 };
const START_MS_MAX = 120_000;
const OPENS_IN_MS = 1_000;
const HOUR_MS = 3_600_000;

/** By sku: how many there were, and how many of them are sold for good in the end. */
const STOCKED: Record<string, { units: number; sold: number }> = {
  vinyl: { units: 5, sold: 2 },
  poster: { units: 5, sold: 2 },
  ticket: { units: 3, sold: 2 },
  badge: { units: 2, sold: 2 },
  mug: { units: 6, sold: 2 },
  shirt: { units: 4, sold: 2 },
  print: { units: 1, sold: 1 },
};

const redis = await freshRedis();
const database = await freshDatabase();
const deciding = await openDecidingSide(redis.url);
const urls = { REDIS_URL: redis.url, DATABASE_URL: database.url };
const processes = new Set<TestProcess>();
let shop: Checkout;
let api: TestProcess;
let worker: TestProcess;
/** Somebody who pays slowly, and is given more time. */
let slow = { hold_id: "", first_deadline: 0 };

async function start(spawn: typeof spawnApi, env: Record<string, string>): Promise<TestProcess> {
  const process = await spawn({ ...urls, ...env });
  processes.add(process);
  return process;
}

beforeAll(async () => {
  [api, worker] = await Promise.all([
    start(spawnApi, {}),
    start(spawnWorker, { WORKER_NAME: "w" }),
  ]);
  shop = createCheckout(api.url);
  for (const [sku, { units }] of Object.entries(STOCKED)) await shop.restock(sku, units);
}, START_MS_MAX);

afterAll(async () => {
  await Promise.all([...processes].map((process) => process.kill()));
  await deciding.close();
  await redis.close();
  await database.close();
});

/** What somebody is told who is refused. */
const refused = (code: string, members: object = {}) => ({
  status: 409,
  body: { code, ...members },
});
const limited = (rule: string, limit: number, left: number) =>
  refused("LIMIT_EXCEEDED", { rule, limit, left });

test("it opens at its time, to the millisecond of Redis's clock, and not before", async () => {
  const far = new Date(Date.now() + HOUR_MS).toISOString();
  await shop.setRules("vinyl", { ...RULES, opensAt: far });
  const early = await shop.reserve("vinyl", "ann");
  expect(early).toMatchObject(refused("SALE_NOT_OPEN", { sku: "vinyl", opens_at: far }));

  const opensAt = new Date(Date.now() + OPENS_IN_MS).toISOString();
  await shop.setRules("vinyl", { ...RULES, opensAt });
  const told: unknown[] = [];
  const hold_id = await until("the sale opens", async () => {
    const { body } = await shop.reserve("vinyl", "ann", 1, {}, "ann-is-early");
    if (body.hold_id === undefined) told.push(body.code, body.opens_at);
    return body.hold_id;
  });
  expect(new Set(told).difference(new Set(["SALE_NOT_OPEN", opensAt]))).toEqual(new Set());
  const { body } = await shop.get(`/holds/${hold_id}`);
  expect(Date.parse(String(body.created_at))).toBeGreaterThanOrEqual(Date.parse(opensAt));
  await shop.cancel(hold_id);
});

test("a customer has one hold at a time, and two units at most, held and bought together", async () => {
  const first = await shop.hold("vinyl", "ann");
  expect(await shop.reserve("vinyl", "ann")).toMatchObject(limited("maxActiveHolds", 1, 0));
  expect(await shop.reserve("vinyl", "bob", 3)).toMatchObject(limited("maxPerCustomer", 2, 2));
  await shop.buy(first, "pay-ann-1");
  expect(await shop.reserve("vinyl", "ann", 2)).toMatchObject(limited("maxPerCustomer", 2, 1));

  // A hold of the customer's own does not block its owner: it makes room in the same step.
  const second = await shop.hold("vinyl", "ann");
  const third = await shop.hold("vinyl", "ann", 1, { replace: true });
  expect(await shop.get(`/holds/${second}`)).toMatchObject({ body: { status: "CANCELLED" } });
  await shop.buy(third, "pay-ann-2");
  const more = await shop.reserve("vinyl", "ann", 1, { replace: true });
  expect(more).toMatchObject(limited("maxPerCustomer", 2, 0));

  // The same of a partial one: it takes what there is, and what the customer may have.
  const partial = await shop.reserve("vinyl", "bob", 4, { mode: "partial" });
  expect(partial).toMatchObject({ status: 201, body: { qty: 2, requested: 4 } });
  await shop.cancel(String(partial.body.hold_id));
});

test("who pays slowly gets more time, so often and so long as the rules say", async () => {
  const limits = { holdSeconds: 12, maxHoldSeconds: 120, maxExtensions: 2 };
  await shop.setRules("poster", { ...RULES, ...limits });
  const hold_id = await shop.hold("poster", "cid", 2);
  const { body: hold } = await shop.get(`/holds/${hold_id}`);
  const created_at = Date.parse(String(hold.created_at));
  expect(Date.parse(hold.expires_at ?? "")).toBe(created_at + 12_000);

  const max_expires_at = new Date(created_at + 120_000).toISOString();
  const extended = await shop.extend(hold_id, 60);
  expect(extended).toMatchObject({ status: 200, body: { max_expires_at, extensions_left: 1 } });
  const last = await shop.extend(hold_id, 600);
  const at_most = { expires_at: max_expires_at, max_expires_at, extensions_left: 0 };
  expect(last).toMatchObject({ status: 200, body: at_most });
  // Nothing moves a deadline that has moved as far as it may, in either direction.
  expect((await shop.extend(hold_id, 1)).body.expires_at).toBe(max_expires_at);
  await shop.setRules("poster", { ...RULES, ...limits, maxHoldSeconds: 600 });
  expect(await shop.extend(hold_id, 600)).toMatchObject(limited("maxExtensions", 2, 0));

  slow = { hold_id, first_deadline: created_at + 12_000 };
});

test(
  "a payment that comes late is sold if the units are there, whoever dies meanwhile",
  async () => {
    await shop.setRules("ticket", RULES);
    const hold_id = await shop.hold("ticket", "dan", 2, { ttl_seconds: 1 });
    await shop.untilExpired(hold_id);
    expect(await shop.pay(hold_id, "pay-dan")).toMatchObject({
      ...{ status: 410, body: { code: "HOLD_EXPIRED" } },
    });

    await api.kill("SIGKILL");
    const paying = shop.payLate(hold_id, "pay-dan");
    api = await start(spawnApi, { PORT: new URL(api.url).port });
    const paid = await paying;
    expect(paid).toMatchObject({ status: 200, body: { status: "CONFIRMED", late: true } });
    expect((await shop.payLate(hold_id, "pay-dan")).body).toEqual(paid.body);

    // Paid twice: the second one can't be fulfilled, under one id however often it comes.
    const twice = await shop.payLate(hold_id, "pay-dan-again");
    const why = "HOLD_ALREADY_CONFIRMED";
    expect(twice).toMatchObject(
      refused("PAYMENT_UNFULFILLED", { payment_ref: "pay-dan-again", why }),
    );
    const again = await shop.payLate(hold_id, "pay-dan-again");
    expect(again.body.payment_id).toBe(twice.body.payment_id);
  },
  START_MS_MAX,
);

test("a late payment for what is gone is written down, until somebody has seen to it", async () => {
  await shop.setRules("badge", RULES);
  const late = await shop.hold("badge", "eve", 2, { ttl_seconds: 1 });
  await shop.untilExpired(late);
  const sold = await until("fay gets them", async () => {
    const { body } = await shop.reserve("badge", "fay", 2, {}, "fay-is-quick");
    return body.hold_id;
  });
  await shop.buy(sold, "pay-fay");
  const gone = await shop.payLate(late, "pay-eve");
  expect(gone).toMatchObject(refused("PAYMENT_UNFULFILLED", { hold_id: late, why: "SOLD_OUT" }));

  const id = gone.body.payment_id ?? "";
  const row = await until("it is recorded", async () => {
    const { status, body } = await shop.get(`/v1/unfulfilled-payments/${id}`);
    return status === 200 ? body : undefined;
  });
  expect(row).toMatchObject({ paymentRef: "pay-eve", customerId: "eve", resolution: null });
  const open = "/v1/unfulfilled-payments?resolved=false";
  const { items } = (await shop.get(open)).body;
  const listed = items as { paymentId: string; paymentRef: string }[]; // as documented
  expect(listed.map(({ paymentRef }) => paymentRef)).toEqual(["pay-eve", "pay-dan-again"]);
  for (const { paymentId } of listed) {
    const refund = { resolution: "refunded", reference: `refund of ${paymentId}` };
    const resolved = await shop.post(`/v1/unfulfilled-payments/${paymentId}:resolve`, refund);
    expect(resolved).toMatchObject({ status: 200, body: { paymentId, ...refund } });
  }
  expect((await shop.get(open)).body.items).toEqual([]);
});

test("a reservation is changed while it lives, and a part of it is sold", async () => {
  await shop.setRules("mug", { ...RULES, maxPerCustomer: 4 });
  const id = await shop.hold("mug", "gil", 4);
  const change = (qty: number) =>
    shop.call("PATCH", `/v1/reservations/${id}`, { lines: [{ sku: "mug", qty }] });
  const left = async () => (await shop.get("/v1/items/mug/availability")).body.totalAvailable;
  expect(await change(1)).toMatchObject({ status: 202, body: { lines: [{ sku: "mug", qty: 1 }] } });
  expect(await left()).toBe(5);
  expect(await change(3)).toMatchObject({ status: 202, body: { version: 3 } });
  expect(await change(5)).toMatchObject(limited("maxPerCustomer", 4, 1));

  const part = await shop.pay(id, "pay-gil", { lines: [{ sku: "mug", qty: 2 }] });
  expect(part).toMatchObject({ status: 200, body: { lines: [{ sku: "mug", qty: 2 }] } });
  expect(await left()).toBe(4);

  const gone = await shop.hold("mug", "hal");
  const nothing = { lines: [{ sku: "mug", qty: 0 }] };
  const changed = await shop.call("PATCH", `/v1/reservations/${gone}`, nothing);
  expect(changed).toMatchObject({ status: 202, body: { status: "CANCELLED" } });
});

test(
  "what comes back is counted once, and may be bought again when the rules say so",
  async () => {
    await worker.kill("SIGKILL");
    worker = await start(spawnWorker, { WORKER_NAME: "w" });
    await shop.setRules("shirt", { ...RULES, returnsFree: true });
    const order_id = await shop.buy(await shop.hold("shirt", "ivy", 2), "pay-ivy");
    expect(await shop.reserve("shirt", "ivy")).toMatchObject(limited("maxPerCustomer", 2, 0));

    expect(await shop.takeBack(order_id, "shirt", 1, true)).toMatchObject({ status: 202 });
    expect(await shop.takeBack(order_id, "shirt", 1, false)).toMatchObject({ status: 202 });
    const third = await shop.takeBack(order_id, "shirt", 1, true);
    const all_back = { sku: "shirt", sold: 2, returned: 2, requested: 1 };
    expect(third).toMatchObject(refused("RETURN_EXCEEDS_SOLD", all_back));
    const stock = await shop.get("/v1/items/shirt/availability");
    expect(stock.body.totalAvailable).toBe(3);

    await shop.buy(await shop.hold("shirt", "ivy"), "pay-ivy-again");
    const back = (returned: number) => ({ body: { lines: [{ qty: 2, returned }] } });
    expect(await shop.get(`/v1/orders/${order_id}`)).toMatchObject(back(2));
  },
  START_MS_MAX,
);

test("what is out is waited for, and goes to one after the other", async () => {
  await shop.setRules("print", RULES);
  const held = await shop.hold("print", "jan");
  const all_held = { code: "ALL_HELD", held: 1, earliest_release_at: expect.any(String) };
  expect(await shop.reserve("print", "kim")).toMatchObject({ status: 409, body: all_held });
  const kim = await shop.join("print", "kim");
  const leo = await shop.join("print", "leo");
  const mia = await shop.join("print", "mia", 1);
  const ned = await shop.join("print", "ned");
  expect((await shop.get(`/v1/waitlist/${ned}`)).body.position).toBe(4);
  await shop.call("DELETE", `/v1/waitlist/${leo}`);
  expect((await shop.get(`/v1/waitlist/${ned}`)).body.position).toBe(3);

  // Given back, so it is kim's in the same step, and nobody else's.
  await shop.cancel(held);
  const offered = await shop.untilOffered(kim);
  expect(await shop.reserve("print", "joe")).toMatchObject(refused("ALL_HELD"));
  const order_id = await shop.buy(offered, "pay-kim");
  await shop.untilIs(`/v1/waitlist/${kim}`, "TAKEN");

  // Returned, so it is mia's, who does not take it in time; so it is ned's.
  await shop.takeBack(order_id, "print", 1, true);
  await shop.untilIs(`/v1/waitlist/${mia}`, "EXPIRED");
  await shop.buy(await shop.untilOffered(ned), "pay-ned");
  expect(await shop.reserve("print", "joe")).toMatchObject(refused("SOLD_OUT"));
});

test("who was given more time has paid in time, though the first deadline is over", async () => {
  await until("it is over", () => (Date.now() > slow.first_deadline + 500 ? true : undefined));
  const paid = await shop.pay(slow.hold_id, "pay-cid");
  expect(paid.status).toBe(200);
  expect(paid.body).not.toHaveProperty("late");
});

test("in the end the books balance, nothing is stranded, and everybody has what was paid for", async () => {
  await until("nothing is held", async () =>
    (await deciding.redis.zcard(deciding.keys.deadlines)) === 0 ? true : undefined,
  );
  await untilRecorded(deciding.redis, database.url);
  expect(await compareBooks(deciding.redis, database.url)).toEqual([]);

  expect(await balances(database.url)).toEqual(STOCKED);

  const customers = await deciding.redis.hgetall(deciding.keys.customers);
  const { place: _, ...counts } = customers;
  expect(counts).toEqual({
    "vinyl ann": "2 0",
    "poster cid": "2 0",
    "ticket dan": "2 0",
    "badge fay": "2 0",
    "mug gil": "2 0",
    "shirt ivy": "1 0",
    "print kim": "1 0",
    "print ned": "1 0",
  });
  const outcomes = await query<{ payment_ref: string }>(
    database.url,
    `select payment_ref from orders union all select payment_ref from unfulfilled_payments
     order by payment_ref`,
  );
  const paid = "ann-1 ann-2 cid dan dan-again eve fay gil ivy ivy-again kim ned".split(" ");
  expect(outcomes.map(({ payment_ref }) => payment_ref)).toEqual(paid.map((who) => `pay-${who}`));
});
