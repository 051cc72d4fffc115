import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { fresh } from "./shop.ts";
import { type BackOffice, invalid, openBackOffice } from "./v1/back-office.ts";
import { BAD_UNITS, NO_NUMBERS } from "./v1/bad-values.ts";

const UNKNOWN = "H-01890000-0000-7000-8000-000000000000";
const DAY_S = 86_400;

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice();
});
afterAll(() => office.close());

type Sent = Parameters<BackOffice["post"]>[2];

/** Both calls, with the words of each. */
const CALLS = [
  {
    name: "POST /holds/extend",
    v1: false,
    ttl: "#/ttl_seconds",
    done: 200,
    ask: (id: unknown, ttl: unknown, sent: Sent = { key: null }) =>
      office.post("/holds/extend", `{"hold_id":${JSON.stringify(id)},"ttl_seconds":${ttl}}`, sent),
  },
  {
    name: "POST /v1/reservations/{id}:extend",
    v1: true,
    ttl: "#/ttlSeconds",
    done: 202,
    ask: (id: unknown, ttl: unknown, sent?: Sent) =>
      office.post(`/v1/reservations/${id}:extend`, `{"ttlSeconds":${ttl}}`, sent),
  },
];

const stockRules = (sku: string, rules: Record<string, unknown>) =>
  office.put(`/v1/rules/${sku}`, rules);
const shown = async (id: unknown) => (await office.get(`/v1/reservations/${id}`)).body;

describe.each(CALLS)("$name", ({ name, v1, ttl, done, ask }) => {
  const named = (id: unknown) => (v1 ? { reservationId: id } : { hold_id: id });

  test("moves the deadline, and says how far and how often it may go yet", async () => {
    const { hold_id: id } = await office.shop.hold({ ttl_seconds: 60 });
    const { createdAt } = await shown(id);
    const { status, body } = await ask(id, 120);
    const after = await shown(id);
    const end = new Date(Date.parse(String(createdAt)) + DAY_S * 1000).toISOString();
    const [expires_at, max_expires_at, extensions_left] = [after.expiresAt, end, 9];
    expect([status, body]).toEqual([
      done,
      v1
        ? {
            ...{ reservationId: id, status: "CREATED", expiresAt: expires_at },
            ...{ maxExpiresAt: max_expires_at, extensionsLeft: extensions_left },
          }
        : { hold_id: id, status: "ACTIVE", expires_at, max_expires_at, extensions_left },
    ]);
    const lasts = Date.parse(String(expires_at)) - office.shop.api.clock.now();
    expect(lasts).toBeGreaterThan(60_000);
    expect(lasts).toBeLessThanOrEqual(120_500);
    expect(after.version).toBe(2);
    await office.record();
    await office.shop.api.redis.del(`hold:${id}`);
    expect(await shown(id)).toEqual(after);
  });

  test("by less than is left changes nothing", async () => {
    const { hold_id: id, expires_at } = await office.shop.hold({ ttl_seconds: 60 });
    const { status, body } = await ask(id, 30);
    expect(status).toBe(done);
    expect(body[v1 ? "expiresAt" : "expires_at"]).toBe(expires_at);
    expect(body[v1 ? "extensionsLeft" : "extensions_left"]).toBe(10);
    expect(await shown(id)).toMatchObject({ expiresAt: expires_at, version: 1 });
  });

  test("again with its key gives its answer again, and is known for a day", async () => {
    const { hold_id: id } = await office.shop.hold({ ttl_seconds: 60 });
    const key = fresh("key");
    const first = await ask(id, 120, { key });
    const again = await ask(id, 120, { key });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const reused = { status: 422, code: "IDEMPOTENCY_KEY_REUSED" };
    await office.expectRefused(() => ask(id, 121, { key }), reused);
    const { body } = await office.get(`/v1/idempotency/${key}`);
    const expiresAt = first.body[v1 ? "expiresAt" : "expires_at"];
    expect(body.items).toMatchObject([{ route: name, result: { expiresAt } }]);
  });

  test("works as often as the rules say, and not once more, also in a sale that is paused", async () => {
    const { hold_id: id, sku } = await office.shop.hold({ ttl_seconds: 60 });
    await stockRules(sku, { maxExtensions: 2, maxHoldSeconds: 1_000, paused: true });
    for (const seconds of [100, 200]) expect((await ask(id, seconds)).status).toBe(done);
    const members = { sku, rule: "maxExtensions", limit: 2, left: 0 };
    const exceeded = { status: 409, code: "LIMIT_EXCEEDED", members };
    await office.expectRefused(() => ask(id, 300), exceeded);
  });

  test("of a hold that has ended, or is none, is refused", async () => {
    const [sold, given_back] = [await office.shop.hold(), await office.shop.hold()];
    await office.shop.confirm({ hold_id: sold.hold_id, payment_ref: "p" });
    await office.shop.cancel({ hold_id: given_back.hold_id });
    const due = await office.shop.hold({ ttl_seconds: 1 });
    await until("the deadline has passed", async () =>
      office.shop.api.clock.now() >= Date.parse(due.expires_at) ? true : undefined,
    );
    const refusals: [unknown, Parameters<BackOffice["expectRefused"]>[1]][] = [
      [sold.hold_id, { status: 409, code: "HOLD_ALREADY_CONFIRMED", members: named(sold.hold_id) }],
      [
        given_back.hold_id,
        { status: 409, code: "HOLD_CANCELLED", members: named(given_back.hold_id) },
      ],
      [
        due.hold_id,
        {
          ...{ status: 410, code: "HOLD_EXPIRED" },
          members: { ...named(due.hold_id), [v1 ? "expiresAt" : "expires_at"]: due.expires_at },
        },
      ],
      [UNKNOWN, { status: 404, code: "HOLD_NOT_FOUND" }],
      ["H-1", { status: 404, code: "HOLD_NOT_FOUND" }],
    ];
    for (const [id, refusal] of refusals) await office.expectRefused(() => ask(id, 100), refusal);
  });

  test("for 1 s, and for a day, but not beyond: n - 1, n, n + 1", async () => {
    const { hold_id: id } = await office.shop.hold();
    for (const seconds of [1, DAY_S - 1, DAY_S]) expect((await ask(id, seconds)).status).toBe(done);
    for (const seconds of [0, -1, DAY_S + 1]) {
      await office.expectRefused(() => ask(id, seconds), invalid(ttl));
    }
  });

  test("for what is no time is refused, and nothing happens", async () => {
    const { hold_id: id } = await office.shop.hold();
    for (const text of BAD_UNITS) {
      await office.expectRefused(() => ask(id, text), invalid(ttl));
    }
    for (const text of NO_NUMBERS) {
      const { status, body } = await ask(id, text);
      expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
    }
    await office.expectRefused(() => ask(id, '60,"more":1'), invalid("#/more"));
  });
});

test("the extension of a reservation needs a key", async () => {
  const { hold_id: id } = await office.shop.hold();
  const missing = { status: 400, code: "IDEMPOTENCY_KEY_MISSING" };
  await office.expectRefused(
    () => office.post(`/v1/reservations/${id}:extend`, { ttlSeconds: 60 }, { key: null }),
    missing,
  );
});
