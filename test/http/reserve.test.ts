import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "./dump.ts";
import { expectProblem } from "./expect-problem.ts";
import { fresh, openShop, type Shop } from "./shop.ts";

const HOLD_ID = /^H-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

/** A reserve of one of five units, with a key of its own. */
async function aWish() {
  const sku = await shop.stock(5);
  return { sku, qty: 1, user_id: fresh("user"), idempotency_key: fresh("key") };
}

async function lifetimeOf(hold_id: unknown) {
  const [created_at, expires_at] = await shop.api.redis.hmget(
    `hold:${hold_id}`,
    "created_at",
    "expires_at",
  );
  return {
    expires_at: Number(expires_at),
    seconds: (Number(expires_at) - Number(created_at)) / 1e3,
  };
}

describe("a reserve", () => {
  test("answers 201 with the hold and its address, and takes the units", async () => {
    const wish = await aWish();
    const { status, headers, body } = await shop.reserve({ ...wish, qty: 2 });
    expect(status).toBe(201);
    expect(body).toEqual({
      hold_id: expect.stringMatching(HOLD_ID),
      status: "ACTIVE",
      sku: wish.sku,
      qty: 2,
      user_id: wish.user_id,
      expires_at: expect.stringMatching(ISO_TIME),
    });
    expect(headers.get("location")).toBe(`/holds/${body.hold_id}`);
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get("idempotent-replayed")).toBeNull();
    expect(headers.get("retry-after")).toBeNull();
    expect(await shop.unitsOf(wish.sku)).toEqual({ available: 3, held: 2 });
    const lifetime = await lifetimeOf(body.hold_id);
    expect(lifetime.seconds).toBe(300);
    expect(body.expires_at).toBe(new Date(lifetime.expires_at).toISOString());
  });

  test.each([1, 2, 86_399, 86_400])("may last %d s", async (ttl_seconds) => {
    const { status, body } = await shop.reserve({ ...(await aWish()), ttl_seconds });
    expect(status).toBe(201);
    expect((await lifetimeOf(body.hold_id)).seconds).toBe(ttl_seconds);
  });

  test.each([1, 999, 1_000])("may take %d units", async (qty) => {
    const sku = await shop.stock(1_000);
    const { status } = await shop.reserve({ ...(await aWish()), sku, qty });
    expect(status).toBe(201);
    expect(await shop.unitsOf(sku)).toEqual({ available: 1_000 - qty, held: qty });
  });

  test.each([
    ["1 character", "u"],
    ["128 characters", "u".repeat(128)],
    ["128 characters beyond the BMP", "🛒".repeat(128)],
    ["letters of any script, quotes and backslashes", 'Zoë "日本" \\ O\'Brien'],
  ])("takes a user_id of %s", async (_, user_id) => {
    const { status, body } = await shop.reserve({ ...(await aWish()), user_id });
    expect(status).toBe(201);
    expect(body.user_id).toBe(user_id);
    expect((await shop.read(String(body.hold_id))).body.user_id).toBe(user_id);
  });

  test.each(["x", "s".repeat(64), "iphone_15.pro-256", "__proto__", "constructor", "toString"])(
    "sells a sku named %s like any other",
    async (sku) => {
      await shop.api.redis.set(`stock:${sku}`, 1);
      const { status, body } = await shop.reserve({ ...(await aWish()), sku });
      expect(status).toBe(201);
      expect(body.sku).toBe(sku);
      expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 1 });
    },
  );

  test("passes the caller's request id on to the event", async () => {
    const request_id = fresh("trace");
    const { headers } = await shop.reserve(await aWish(), { "x-request-id": request_id });
    expect(headers.get("x-request-id")).toBe(request_id);
    const [newest] = await shop.api.redis.xrevrange("inventory.events", "+", "-", "COUNT", 1);
    expect(newest?.[1].join(" ")).toContain(`"request_id":"${request_id}"`);
  });

  test("of more than there is says what was requested and what is available", async () => {
    const sku = await shop.stock(3);
    const wish = { sku, user_id: "u" };
    const refused = await shop.reserve({ ...wish, qty: 4, idempotency_key: fresh("key") });
    const members = { sku, requested: 4, available: 3, held: 0 };
    expectProblem(refused, { status: 409, code: "SOLD_OUT", members });
    expect(await shop.unitsOf(sku)).toEqual({ available: 3, held: 0 });

    const all = await shop.reserve({ ...wish, qty: 3, idempotency_key: fresh("key") });
    expect(all.status).toBe(201);
    const late = await shop.reserve({ ...wish, qty: 1, idempotency_key: fresh("key") });
    expectProblem(late, {
      status: 409,
      code: "ALL_HELD",
      members: {
        sku,
        requested: 1,
        available: 0,
        held: 3,
        earliest_release_at: expect.any(String),
      },
    });
  });

  test("of a sku nobody has stocked is refused until somebody sets its stock", async () => {
    const wish = { ...(await aWish()), sku: fresh("unknown") };
    const refused = await shop.reserve(wish);
    expectProblem(refused, { status: 404, code: "UNKNOWN_SKU", members: { sku: wish.sku } });
    await shop.api.redis.set(`stock:${wish.sku}`, 1);
    expect((await shop.reserve(wish)).status).toBe(201);
  });

  test("of a store that does not exist is refused, and the default store may be named", async () => {
    const wish = await aWish();
    const refused = await shop.reserve({ ...wish, store_id: "berlin" });
    expectProblem(refused, {
      status: 404,
      code: "STORE_NOT_FOUND",
      members: { store_id: "berlin" },
    });
    expect((await shop.reserve({ ...wish, store_id: "main" })).status).toBe(201);
  });
});

describe("the idempotency key of a reserve", () => {
  test.each([
    ["bare", (key: string) => key],
    ["as a quoted string", (key: string) => `"${key}"`],
  ])("may come in the header, %s", async (_, spell) => {
    const { idempotency_key, ...wish } = await aWish();
    const first = await shop.reserve(wish, { "idempotency-key": spell(idempotency_key) });
    expect(first.status).toBe(201);
    const again = await shop.reserve({ ...wish, idempotency_key });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  });

  test("loses quotes and escapes of a quoted string, and keeps everything else", async () => {
    const { idempotency_key, ...wish } = await aWish();
    const key = `a "b" \\ {c}:* ${idempotency_key}`;
    const quoted = `"${key.replaceAll(/["\\]/g, "\\$&")}"`;
    const first = await shop.reserve(wish, { "idempotency-key": quoted });
    const again = await shop.reserve({ ...wish, idempotency_key: key });
    expect(again.text).toBe(first.text);
    expect(await shop.unitsOf(wish.sku)).toEqual({ available: 4, held: 1 });
  });

  test("may come in both places when they agree", async () => {
    const wish = await aWish();
    const header = { "idempotency-key": wish.idempotency_key };
    expect((await shop.reserve(wish, header)).status).toBe(201);
  });

  test("is refused when header and body differ", async () => {
    const wish = await aWish();
    const refused = await shop.reserve(wish, { "idempotency-key": fresh("key") });
    expectProblem(refused, { status: 400, code: "INVALID_REQUEST" });
    expect(await shop.unitsOf(wish.sku)).toEqual({ available: 5, held: 0 });
  });

  test.each([1, 254, 255])("may have %d characters, in either place", async (length) => {
    const inBody = await shop.reserve({ ...(await aWish()), idempotency_key: "b".repeat(length) });
    expect(inBody.status).toBe(201);
    const { idempotency_key: _, ...wish } = await aWish();
    const inHeader = await shop.reserve(wish, { "idempotency-key": "h".repeat(length) });
    expect(inHeader.status).toBe(201);
  });

  test("gives the first answer again, byte for byte, and takes nothing more", async () => {
    const wish = await aWish();
    const first = await shop.reserve(wish);
    const before = await dump(shop.api.redis);
    const again = await shop.reserve(wish);
    expect(again.status).toBe(201);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("gives the first answer again after the hold has ended", async () => {
    const wish = await aWish();
    const first = await shop.reserve(wish);
    expect((await shop.cancel({ hold_id: first.body.hold_id })).status).toBe(200);
    const again = await shop.reserve(wish);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await shop.unitsOf(wish.sku)).toEqual({ available: 5, held: 0 });
  });

  test("gives the first answer again to reordered JSON with other white space", async () => {
    const wish = await aWish();
    const first = await shop.reserve(wish);
    const members = Object.entries(wish).reverse();
    const again = await shop.reserve(
      `\n ${JSON.stringify(Object.fromEntries(members), null, 7)}\t`,
    );
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  });

  test.each([
    ["default lifetime", { ttl_seconds: 300 }],
    ["default store", { store_id: "main" }],
  ])("knows the request again when its %s is spelled out or left out", async (_, spelledOut) => {
    const wish = await aWish();
    const first = await shop.reserve(wish);
    const again = await shop.reserve({ ...wish, ...spelledOut });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  });

  test.each(["qty", "sku", "user_id", "ttl_seconds"])(
    "is refused for a request with another %s, without effect",
    async (member) => {
      const wish = await aWish();
      const others = { qty: 2, sku: await shop.stock(5), user_id: "somebody", ttl_seconds: 301 };
      expect((await shop.reserve(wish)).status).toBe(201);
      const before = await dump(shop.api.redis);
      const other = { ...wish, [member]: others[member as keyof typeof others] }; // one of its keys
      const refused = await shop.reserve(other);
      expectProblem(refused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
      expect(refused.headers.get("idempotent-replayed")).toBeNull();
      expect(await dump(shop.api.redis)).toEqual(before);
    },
  );

  test("is free again after a refusal: sold out, then restocked, then sold", async () => {
    const wish = { ...(await aWish()), sku: await shop.stock(0) };
    expectProblem(await shop.reserve(wish), {
      status: 409,
      code: "SOLD_OUT",
      members: { sku: wish.sku, requested: 1, available: 0, held: 0 },
    });
    await shop.api.redis.set(`stock:${wish.sku}`, 1);
    const sold = await shop.reserve(wish);
    expect(sold.status).toBe(201);
    expect(sold.headers.get("idempotent-replayed")).toBeNull();
  });

  test("is free for another request after a refusal", async () => {
    const wish = { ...(await aWish()), sku: await shop.stock(0) };
    expect((await shop.reserve(wish)).status).toBe(409);
    const other = { ...(await aWish()), idempotency_key: wish.idempotency_key };
    expect((await shop.reserve(other)).status).toBe(201);
  });

  test("of a reserve is another one than that of a confirm or a cancel", async () => {
    const wish = await aWish();
    const { body } = await shop.reserve(wish);
    const header = { "idempotency-key": wish.idempotency_key };
    const { hold_id } = body;
    const confirmed = await shop.confirm({ hold_id, payment_ref: "pay" }, header);
    expect(confirmed.status).toBe(200);
    const refused = await shop.cancel({ hold_id }, header);
    expectProblem(refused, { status: 409, code: "HOLD_ALREADY_CONFIRMED", members: { hold_id } });
  });
});
