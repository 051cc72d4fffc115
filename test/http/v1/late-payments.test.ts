import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { newHoldId } from "../../../src/domain/ids.ts";
import { unfulfilledPayments } from "../../../src/metrics.ts";
import { compareBooks } from "../../worker/books.ts";
import { query } from "../../worker/query.ts";
import { expectProblem } from "../expect-problem.ts";
import { type Answer, fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 5_000 });
});
afterAll(() => office.close());

const P_ID = expect.stringMatching(/^P-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const late = (hold_id: string, payment_ref: string) =>
  office.shop.confirm({ hold_id, payment_ref, on_expired: "reacquire" });

/** A hold of a sku of its own that was swept. */
async function expiredHold(qty = 1) {
  const hold = await office.shop.hold({ qty, ttl_seconds: 1 });
  await until("the hold expires", async () =>
    (await office.shop.sweep(hold.hold_id)) === "EXPIRED" ? true : undefined,
  );
  return hold;
}

/** Takes away what Redis remembers of a hold, as a day later. */
async function forget(hold_id: string) {
  const { redis } = office.shop.api;
  await office.record();
  const keys = [`hold:${hold_id}`, ...(await redis.keys(`idem:payment:${hold_id}*`))];
  await redis.del(keys);
}

const unfulfilledIn = ({ body }: Answer) => String(body.payment_id);

function expectUnfulfilled(answer: Answer, hold_id: string, payment_ref: string, why: string) {
  const members = { hold_id, payment_ref, payment_id: P_ID, why };
  expectProblem(answer, { status: 409, code: "PAYMENT_UNFULFILLED", members });
  return unfulfilledIn(answer);
}

describe("a late payment", () => {
  test("is refused as ever unless its caller asks for more", async () => {
    const { hold_id } = await expiredHold();
    for (const on_expired of [undefined, "refuse"]) {
      const refused = await office.shop.confirm({ hold_id, payment_ref: "p", on_expired });
      expect([refused.status, refused.body.code]).toEqual([410, "HOLD_EXPIRED"]);
    }
  });

  test("gets the units of an expired hold again, and the same order each time", async () => {
    const { hold_id, sku } = await expiredHold(2);
    const first = await late(hold_id, "p");
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({ hold_id, status: "CONFIRMED", late: true });
    expect(first.body).not.toHaveProperty("lines");
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
    const again = [
      await late(hold_id, "p"),
      await office.shop.confirm({ hold_id, payment_ref: "p" }),
    ];
    for (const { text, headers } of again) {
      expect(text).toBe(first.text);
      expect(headers.get("idempotent-replayed")).toBe("true");
    }
    expect((await office.shop.read(hold_id)).body).toMatchObject({ late: true });
    await forget(hold_id);
    expect((await late(hold_id, "p")).text).toBe(first.text);
    expect((await office.shop.confirm({ hold_id, payment_ref: "p" })).text).toBe(first.text);
    expect((await office.shop.read(hold_id)).body).toMatchObject({ late: true });
    const other = await office.shop.confirm({ hold_id, payment_ref: "other" });
    expectProblem(other, { status: 404, code: "HOLD_NOT_FOUND" });
  });

  test("on /v1 needs its paymentRef, and says late there, too", async () => {
    const { hold_id } = await expiredHold();
    const in_time = await office.shop.hold();
    await office.shop.confirm({ hold_id: in_time.hold_id, payment_ref: "p" });
    const path = `/v1/reservations/${hold_id}:confirm`;
    await office.expectRefused(() => office.post(path, { onExpired: "reacquire" }), {
      status: 400,
      code: "INVALID_REQUEST",
      members: { errors: [{ pointer: "#/paymentRef", detail: expect.any(String) }] },
    });
    const { status, body } = await office.post(path, { onExpired: "reacquire", paymentRef: "p" });
    expect([status, body.late]).toEqual([202, true]);
    expect((await office.get(`/v1/reservations/${hold_id}`)).body).toMatchObject({ late: true });
    await office.record();
    const { body: order } = await office.get(`/v1/orders/${body.orderId}`);
    expect(order).toMatchObject({ reservationId: hold_id, late: true });
    const [orders = []] = await office.pages("/v1/orders", 100);
    const shown = new Map(orders.map(({ reservationId, late }) => [reservationId, late]));
    expect([shown.get(hold_id), shown.get(in_time.hold_id)]).toEqual([true, false]);
  });

  test("is written down when the units are gone, with the same id for good", async () => {
    const { hold_id, sku } = await expiredHold();
    await office.adjust(sku, "main", -1);
    const first = await late(hold_id, "p");
    const payment_id = expectUnfulfilled(first, hold_id, "p", "SOLD_OUT");
    await office.adjust(sku, "main", 5);
    expect(unfulfilledIn(await late(hold_id, "p"))).toBe(payment_id);
    await forget(hold_id);
    expect(unfulfilledIn(await late(hold_id, "p"))).toBe(payment_id);
    const v1 = await office.post(`/v1/reservations/${hold_id}:confirm`, {
      ...{ paymentRef: "p", onExpired: "reacquire" },
    });
    expect([v1.status, v1.body.paymentId, v1.body.why]).toEqual([409, payment_id, "SOLD_OUT"]);
    const { body } = await office.get(`/v1/unfulfilled-payments/${payment_id}`);
    expect(body).toMatchObject({ paymentId: payment_id, reservationId: hold_id, why: "SOLD_OUT" });
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 5, held: 0 });
  });

  test("for a hold that only the ledger knows takes its units again", async () => {
    const { hold_id, sku } = await expiredHold(2);
    await forget(hold_id);
    const { status, body } = await late(hold_id, "p");
    expect([status, body.late]).toEqual([200, true]);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
    await office.record();
    const orders = await query(
      office.shop.database.url,
      "select order_id from orders where hold_id = $1",
      [hold_id],
    );
    expect(orders).toEqual([{ order_id: body.order_id }]);
  });

  test("for a hold that nobody knows is written down, or is no hold's at all", async () => {
    const hold_id = newHoldId();
    const payment_id = expectUnfulfilled(await late(hold_id, "p"), hold_id, "p", "HOLD_NOT_FOUND");
    expect(unfulfilledIn(await late(hold_id, "p"))).toBe(payment_id);
    await forget(hold_id);
    expect(unfulfilledIn(await late(hold_id, "p"))).toBe(payment_id);
    expect((await office.get(`/v1/unfulfilled-payments/${payment_id}`)).body.lines).toBeNull();
    expectProblem(await late("H-1", "p"), { status: 404, code: "HOLD_NOT_FOUND" });
  });

  test("is counted once, by its reason", async () => {
    const count = async () => {
      const { values } = await unfulfilledPayments.get();
      return values.find(({ labels }) => labels.why === "HOLD_CANCELLED")?.value ?? 0;
    };
    const { hold_id } = await office.shop.hold();
    await office.shop.cancel({ hold_id });
    const before = await count();
    for (let i = 0; i < 3; i += 1) await late(hold_id, "p");
    expect(await count()).toBe(before + 1);
  });
});

test("50 webhooks and retries of one payment, and the sweeper, come to one outcome", async () => {
  for (const stock_left of [1, 0]) {
    const { hold_id, sku } = await office.shop.hold({ ttl_seconds: 1 });
    await until("the hold is due", async () =>
      (await office.shop.read(hold_id)).body.status === "EXPIRED" ? true : undefined,
    );
    if (stock_left === 0) {
      await office.shop.sweep(hold_id);
      await office.adjust(sku, "main", -1);
    }
    const key = fresh("key");
    const calls = Array.from({ length: 50 }, (_, i) => () => {
      if (i % 10 === 0) return office.shop.sweep(hold_id).then(() => null);
      if (i % 3 === 0) return late(hold_id, "p");
      if (i % 3 === 1) {
        const body = { paymentRef: "p", onExpired: "reacquire" };
        return office.post(`/v1/reservations/${hold_id}:confirm`, body, { key });
      }
      const body = { hold_id, payment_ref: "p", on_expired: "reacquire" };
      return office.shop.confirm(body, { "idempotency-key": key });
    });
    const shuffled = calls.map((call) => ({ call, at: Math.random() })).sort((a, b) => a.at - b.at);
    const answers = (await Promise.all(shuffled.map(({ call }) => call()))).flatMap(
      (answer) => answer ?? [],
    );
    expect(answers.length).toBe(45);
    const ids = answers.map(
      ({ body }) => body.order_id ?? body.orderId ?? body.payment_id ?? body.paymentId,
    );
    expect(new Set(ids).size).toBe(1);
    expect(new Set(answers.map(({ status }) => status < 300))).toEqual(new Set([stock_left === 1]));
    const fresh_ones = answers.filter(({ headers }) => !headers.get("idempotent-replayed"));
    if (stock_left === 1) expect(fresh_ones).toHaveLength(1);
    expect(await office.shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
  }
});

test("of two payments for one hold, at once, one gets the order and the other is written down", async () => {
  const { hold_id } = await expiredHold();
  const refs = ["p1", "p2"];
  const answers = await Promise.all(refs.map((ref) => late(hold_id, ref)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  const again = await Promise.all(refs.toReversed().map((ref) => late(hold_id, ref)));
  expect(again.toReversed().map(({ body }) => body.order_id ?? body.payment_id)).toEqual(
    answers.map(({ body }) => body.order_id ?? body.payment_id),
  );
  const refused = answers.find(({ status }) => status === 409);
  expect(refused?.body.why).toBe("HOLD_ALREADY_CONFIRMED");
});

describe("a confirm of a part", () => {
  const twoLines = async () => {
    const skus = [await office.shop.stock(5), await office.shop.stock(5)].sort();
    const lines = skus.map((sku) => ({ sku, qty: 3 }));
    const { body } = await office.post("/v1/reservations", { lines });
    return { skus, id: String(body.reservationId) };
  };

  test("sells that, gives the rest back, and says so at both doors, again too", async () => {
    const { skus, id } = await twoLines();
    const [one = "", two = ""] = skus;
    const ask = (key: string) =>
      office.post(
        `/v1/reservations/${id}:confirm`,
        {
          paymentRef: "p",
          lines: [
            { sku: one, qty: 1 },
            { sku: one, qty: 1 },
          ],
        },
        { key },
      );
    const first = await ask("part");
    expect(first.status).toBe(202);
    expect(first.body).toMatchObject({ status: "CONFIRMED", lines: [{ sku: one, qty: 2 }] });
    expect(first.body).not.toHaveProperty("late");
    expect(await office.shop.unitsOf(one)).toEqual({ available: 3, held: 0 });
    expect(await office.shop.unitsOf(two)).toEqual({ available: 5, held: 0 });
    expect((await ask("part")).text).toBe(first.text);
    expect((await ask("other")).text).toBe(first.text);
    const plain = await office.shop.confirm({ hold_id: id, payment_ref: "p" });
    expect(plain.body).toMatchObject({ lines: [{ sku: one, qty: 2 }] });
    expect((await office.get(`/v1/reservations/${id}`)).body.lines).toEqual([{ sku: one, qty: 2 }]);
    await forget(id);
    expect((await ask("other")).text).toBe(first.text);
    const order = await office.get(`/v1/orders/${first.body.orderId}`);
    expect(order.body.lines).toMatchObject([{ sku: one, storeId: "main", qty: 2 }]);
  });

  test.each([
    ["more than is held", (sku: string) => [{ sku, qty: 4 }], "#/lines"],
    ["what is not held", () => [{ sku: "nothing", qty: 1 }], "#/lines"],
    ["no line", () => [], "#/lines"],
    ["no unit", (sku: string) => [{ sku, qty: 0 }], "#/lines/0/qty"],
    ["half a unit", (sku: string) => [{ sku, qty: 1.5 }], "#/lines/0/qty"],
    ["a sku that is none", () => [{ sku: "a b", qty: 1 }], "#/lines/0/sku"],
    ["a member too many", (sku: string) => [{ sku, qty: 1, x: 1 }], "#/lines/0/x"],
    ["text", () => "all", "#/lines"],
  ])("with %s is refused at both doors, and nothing is done", async (_, linesOf, pointer) => {
    const { skus, id } = await twoLines();
    const lines = linesOf(skus[0] ?? "");
    const members = { errors: [{ pointer, detail: expect.any(String) }] };
    const refusal = { status: 400, code: "INVALID_REQUEST", members };
    for (const on_expired of ["refuse", "reacquire"]) {
      const body = { hold_id: id, payment_ref: "p", lines, on_expired };
      await office.expectRefused(() => office.shop.confirm(body), refusal);
      const v1 = { paymentRef: "p", lines, onExpired: on_expired };
      await office.expectRefused(() => office.post(`/v1/reservations/${id}:confirm`, v1), refusal);
    }
  });

  test.each(["later", "REACQUIRE", "", null, 1, []])("on_expired %p is refused", async (bad) => {
    const { id } = await twoLines();
    const members = { errors: [{ pointer: "#/on_expired", detail: expect.any(String) }] };
    await office.expectRefused(
      () => office.shop.confirm({ hold_id: id, payment_ref: "p", on_expired: bad }),
      { status: 400, code: "INVALID_REQUEST", members },
    );
  });
});

test("afterwards the books balance, but for what was forgotten by hand", async () => {
  await office.record();
  const differences = await compareBooks(office.shop.api.redis, office.shop.database.url);
  expect(differences.filter((text) => !/^hold \S+ is not in Redis$/.test(text))).toEqual([]);
});
