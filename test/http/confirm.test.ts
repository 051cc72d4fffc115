import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { dump } from "./dump.ts";
import { expectProblem } from "./expect-problem.ts";
import { fresh, openShop, type Shop } from "./shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

/** A hold whose deadline has passed, and nobody has swept it. */
async function anOverdueHold() {
  const hold = await shop.hold({ ttl_seconds: 1 });
  await until("the hold is overdue", async () =>
    (await shop.read(hold.hold_id)).body.status === "EXPIRED" ? true : undefined,
  );
  return hold;
}

describe("a confirm", () => {
  test("answers 200 with the order, and sells the units", async () => {
    const { hold_id, sku } = await shop.hold({ qty: 2 });
    const { status, headers, body } = await shop.confirm({ hold_id, payment_ref: "pay-1" });
    expect(status).toBe(200);
    expect(body).toEqual({
      hold_id,
      status: "CONFIRMED",
      order_id: expect.stringMatching(/^O-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      payment_ref: "pay-1",
      confirmed_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get("idempotent-replayed")).toBeNull();
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
    const ended_at = await shop.api.redis.hget(`hold:${hold_id}`, "ended_at");
    expect(body.confirmed_at).toBe(new Date(Number(ended_at)).toISOString());
  });

  test("again with the same payment_ref gives the same order and changes nothing", async () => {
    const { hold_id } = await shop.hold();
    const first = await shop.confirm({ hold_id, payment_ref: "pay" });
    const before = await dump(shop.api.redis);
    const again = await shop.confirm({ hold_id, payment_ref: "pay" });
    expect(again.status).toBe(200);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("again with another payment_ref is refused", async () => {
    const { hold_id } = await shop.hold();
    expect((await shop.confirm({ hold_id, payment_ref: "pay" })).status).toBe(200);
    const before = await dump(shop.api.redis);
    const refused = await shop.confirm({ hold_id, payment_ref: "pay " });
    expectProblem(refused, { status: 409, code: "HOLD_ALREADY_CONFIRMED", members: { hold_id } });
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test.each([
    ["1 character", "p"],
    ["255 characters", "p".repeat(255)],
    ["quotes, backslashes, spaces and emoji", 'pi_ "1" \\ % {x} 💳'],
  ])("takes a payment_ref of %s, and knows it again", async (_, payment_ref) => {
    const { hold_id } = await shop.hold();
    const first = await shop.confirm({ hold_id, payment_ref });
    expect(first.status).toBe(200);
    expect(first.body.payment_ref).toBe(payment_ref);
    expect((await shop.confirm({ hold_id, payment_ref })).text).toBe(first.text);
    expect((await shop.read(hold_id)).body.payment_ref).toBe(payment_ref);
  });

  test("after the deadline is refused though nobody has swept the hold", async () => {
    const { hold_id, expires_at, sku } = await anOverdueHold();
    const before = await dump(shop.api.redis);
    const refused = await shop.confirm({ hold_id, payment_ref: "pay" });
    const members = { hold_id, expires_at };
    expectProblem(refused, { status: 410, code: "HOLD_EXPIRED", members });
    expect(await dump(shop.api.redis)).toEqual(before);
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 1 });
  });

  test("after the sweep is refused with the same words", async () => {
    const { hold_id, expires_at, sku } = await anOverdueHold();
    expect(await shop.sweep(hold_id)).toBe("EXPIRED");
    const refused = await shop.confirm({ hold_id, payment_ref: "pay" });
    const members = { hold_id, expires_at };
    expectProblem(refused, { status: 410, code: "HOLD_EXPIRED", members });
    expect(await shop.unitsOf(sku)).toEqual({ available: 1, held: 0 });
  });

  test("of a sold hold gives its order even after the deadline has passed", async () => {
    // A busy machine may need longer than the second that there is.
    const { hold_id, expires_at, first } = await until("one is sold in time", async () => {
      const hold = await shop.hold({ ttl_seconds: 1 });
      const sold = await shop.confirm({ hold_id: hold.hold_id, payment_ref: "pay" });
      return sold.status === 200 ? { ...hold, first: sold } : undefined;
    });
    await until("the deadline has passed", () =>
      shop.api.inventory.now() > Date.parse(expires_at) ? true : undefined,
    );
    expect((await shop.confirm({ hold_id, payment_ref: "pay" })).text).toBe(first.text);
  });

  test("of a cancelled hold is refused", async () => {
    const { hold_id, sku } = await shop.hold();
    expect((await shop.cancel({ hold_id })).status).toBe(200);
    const refused = await shop.confirm({ hold_id, payment_ref: "pay" });
    expectProblem(refused, { status: 409, code: "HOLD_CANCELLED", members: { hold_id } });
    expect(await shop.unitsOf(sku)).toEqual({ available: 1, held: 0 });
  });

  test("of a hold that does not exist is refused", async () => {
    const hold_id = "H-01890000-0000-7000-8000-000000000000";
    const refused = await shop.confirm({ hold_id, payment_ref: "pay" });
    expectProblem(refused, { status: 404, code: "HOLD_NOT_FOUND" });
  });
});

describe("the idempotency key of a confirm", () => {
  const payment_ref = "pay";

  test("gives the first answer again, byte for byte", async () => {
    const { hold_id } = await shop.hold();
    const header = { "idempotency-key": fresh("key") };
    const first = await shop.confirm({ hold_id, payment_ref }, header);
    expect(first.status).toBe(200);
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    const again = await shop.confirm({ payment_ref, hold_id }, header);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  });

  test("is refused for another hold, which stays as it is", async () => {
    const [one, other] = [await shop.hold(), await shop.hold()];
    const header = { "idempotency-key": fresh("key") };
    expect((await shop.confirm({ hold_id: one.hold_id, payment_ref }, header)).status).toBe(200);
    const before = await dump(shop.api.redis);
    const refused = await shop.confirm({ hold_id: other.hold_id, payment_ref }, header);
    expectProblem(refused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("is refused for another payment_ref of the same hold", async () => {
    const { hold_id } = await shop.hold();
    const header = { "idempotency-key": fresh("key") };
    expect((await shop.confirm({ hold_id, payment_ref }, header)).status).toBe(200);
    const refused = await shop.confirm({ hold_id, payment_ref: "other" }, header);
    expectProblem(refused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
  });

  test("is free again after a refusal", async () => {
    const header = { "idempotency-key": fresh("key") };
    const [cancelled, good] = [await shop.hold(), await shop.hold()];
    expect((await shop.cancel({ hold_id: cancelled.hold_id })).status).toBe(200);
    const refused = await shop.confirm({ hold_id: cancelled.hold_id, payment_ref }, header);
    expect(refused.status).toBe(409);
    expect((await shop.confirm({ hold_id: good.hold_id, payment_ref }, header)).status).toBe(200);
  });

  test("may not come in the body", async () => {
    const { hold_id } = await shop.hold();
    const refused = await shop.confirm({ hold_id, payment_ref, idempotency_key: fresh("key") });
    expect(refused.status).toBe(400);
    expect(refused.body.code).toBe("INVALID_REQUEST");
  });
});
