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

async function anOverdueHold() {
  const hold = await shop.hold({ qty: 2, ttl_seconds: 1 });
  await until("the hold is overdue", async () =>
    (await shop.read(hold.hold_id)).body.status === "EXPIRED" ? true : undefined,
  );
  return hold;
}

describe("a cancel", () => {
  test("answers 200 and gives the units back", async () => {
    const { hold_id, sku } = await shop.hold({ qty: 3 });
    const { status, headers, body } = await shop.cancel({ hold_id });
    expect(status).toBe(200);
    expect(body).toEqual({ hold_id, status: "CANCELLED" });
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get("idempotent-replayed")).toBeNull();
    expect(await shop.unitsOf(sku)).toEqual({ available: 3, held: 0 });
  });

  test("makes the last unit of a sold-out sku reservable again", async () => {
    const { hold_id, sku } = await shop.hold({ qty: 1 });
    const wish = { sku, qty: 1, user_id: "next", idempotency_key: fresh("key") };
    expectProblem(await shop.reserve(wish), {
      status: 409,
      code: "ALL_HELD",
      members: {
        sku,
        requested: 1,
        available: 0,
        held: 1,
        earliest_release_at: expect.any(String),
      },
    });
    expect((await shop.cancel({ hold_id })).status).toBe(200);
    const sold = await shop.reserve(wish);
    expect(sold.status).toBe(201);
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 1 });
  });

  test("passes its reason on to the event", async () => {
    const { hold_id } = await shop.hold();
    const reason = 'changed "my" mind 🙈';
    expect((await shop.cancel({ hold_id, reason })).status).toBe(200);
    const [newest] = await shop.api.redis.xrevrange("inventory.events", "+", "-", "COUNT", 1);
    const [payload] = newest?.[1].filter((field) => field.startsWith("{")) ?? [];
    expect(JSON.parse(payload ?? "")).toMatchObject({ hold_id, status: "CANCELLED", reason });
  });

  test("again answers the same and gives nothing back twice", async () => {
    const { hold_id, sku } = await shop.hold({ qty: 3 });
    const first = await shop.cancel({ hold_id });
    const before = await dump(shop.api.redis);
    const again = await shop.cancel({ hold_id, reason: "another" });
    expect(again.status).toBe(200);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await dump(shop.api.redis)).toEqual(before);
    expect(await shop.unitsOf(sku)).toEqual({ available: 3, held: 0 });
  });

  test("of an overdue hold answers EXPIRED and gives the units back at once", async () => {
    const { hold_id, sku } = await anOverdueHold();
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 2 });
    const first = await shop.cancel({ hold_id });
    expect(first.status).toBe(200);
    expect(first.body).toEqual({ hold_id, status: "EXPIRED" });
    expect(await shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });

    const again = await shop.cancel({ hold_id });
    expect(again.text).toBe(first.text);
    expect(await shop.sweep(hold_id)).toBe("ENDED");
    expect(await shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
  });

  test("of a swept hold answers EXPIRED and gives nothing back twice", async () => {
    const { hold_id, sku } = await anOverdueHold();
    expect(await shop.sweep(hold_id)).toBe("EXPIRED");
    const { status, body } = await shop.cancel({ hold_id });
    expect(status).toBe(200);
    expect(body).toEqual({ hold_id, status: "EXPIRED" });
    expect(await shop.unitsOf(sku)).toEqual({ available: 2, held: 0 });
  });

  test("of a sold hold is refused", async () => {
    const { hold_id, sku } = await shop.hold();
    expect((await shop.confirm({ hold_id, payment_ref: "pay" })).status).toBe(200);
    const before = await dump(shop.api.redis);
    const refused = await shop.cancel({ hold_id });
    expectProblem(refused, { status: 409, code: "HOLD_ALREADY_CONFIRMED", members: { hold_id } });
    expect(await dump(shop.api.redis)).toEqual(before);
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 0 });
  });

  test("of a hold that does not exist is refused", async () => {
    const refused = await shop.cancel({ hold_id: "H-01890000-0000-7000-8000-000000000000" });
    expectProblem(refused, { status: 404, code: "HOLD_NOT_FOUND" });
  });
});

describe("the idempotency key of a cancel", () => {
  test("gives the first answer again, byte for byte", async () => {
    const { hold_id } = await shop.hold();
    const header = { "idempotency-key": fresh("key") };
    const first = await shop.cancel({ hold_id, reason: "why" }, header);
    expect(first.status).toBe(200);
    const again = await shop.cancel({ reason: "why", hold_id }, header);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  });

  test.each([
    ["another hold", async () => ({ hold_id: (await shop.hold()).hold_id })],
    ["another reason", async (hold_id: string) => ({ hold_id, reason: "other" })],
  ])("is refused for %s, without effect", async (_, otherRequest) => {
    const { hold_id } = await shop.hold();
    const header = { "idempotency-key": fresh("key") };
    expect((await shop.cancel({ hold_id }, header)).status).toBe(200);
    const other = await otherRequest(hold_id);
    const before = await dump(shop.api.redis);
    const refused = await shop.cancel(other, header);
    expectProblem(refused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("gives the first answer again for a hold that had expired", async () => {
    const { hold_id } = await anOverdueHold();
    const header = { "idempotency-key": fresh("key") };
    const first = await shop.cancel({ hold_id }, header);
    expect(first.body).toEqual({ hold_id, status: "EXPIRED" });
    expect((await shop.cancel({ hold_id }, header)).text).toBe(first.text);
  });
});
