import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { compareBooks } from "../../worker/books.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice();
});
afterAll(() => office.close());

const redis = () => office.shop.api.redis;
const out = () => office.shop.stock(0);
type Sent = Parameters<BackOffice["post"]>[2];

async function join(sku: string, more: Record<string, unknown> = {}, sent?: Sent) {
  const wish = { sku, qty: 1, customerId: fresh("user"), offerSeconds: 60, ...more };
  return office.post("/v1/waitlist", wish, sent);
}
async function wait(sku: string, more: Record<string, unknown> = {}): Promise<string> {
  const { status, text, body } = await join(sku, more);
  if (status !== 202) throw new Error(text);
  return String(body.waiterId);
}
const look = (id: string) => office.get(`/v1/waitlist/${id}`);
const leave = (id: string, sent?: Sent) => office.remove(`/v1/waitlist/${id}`, sent);
const restock = (sku: string, delta: number) => office.adjust(sku, "main", delta);
const statusOf = async (id: string) => (await look(id)).body.status;

describe("the waiting list", () => {
  test("takes a customer in, and says at which place", async () => {
    const sku = await out();
    await wait(sku);
    const customerId = fresh("user");
    const { status, headers, body } = await join(sku, { qty: 2, customerId });
    const place = {
      waiterId: expect.stringMatching(/^W-/),
      ...{ sku, storeId: "main", qty: 2, customerId, status: "WAITING", position: 2 },
      joinedAt: expect.stringMatching(ISO_TIME),
    };
    expect([status, body]).toEqual([202, place]);
    expect(headers.get("location")).toBe(`/v1/waitlist/${body.waiterId}`);
    const seen = await look(String(body.waiterId));
    expect([seen.status, seen.body]).toEqual([200, body]);
    expect(seen.headers.get("x-projection-lag-ms")).toBe("0");
  });

  test("gives the first place again under the same key, and refuses another wish under it", async () => {
    const sku = await out();
    const [key, customerId] = [fresh("key"), fresh("user")];
    const first = await join(sku, { customerId }, { key });
    const again = await join(sku, { customerId }, { key });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const { body } = await office.get(`/v1/idempotency/${key}`);
    const { waiterId, joinedAt } = first.body;
    const result = { waiterId, joinedAt, position: 1 };
    expect(body.items).toMatchObject([{ route: "POST /v1/waitlist", result }]);
    await office.expectRefused(() => join(sku, { customerId, qty: 2 }, { key }), {
      ...{ status: 422, code: "IDEMPOTENCY_KEY_REUSED" },
    });
  });

  test("refuses who has no need to wait, waits already, or could never be served", async () => {
    const sku = await office.shop.stock(2);
    await office.expectRefused(() => join(sku, { qty: 2 }), {
      ...{ status: 409, code: "STOCK_AVAILABLE", members: { sku, available: 2 } },
    });
    const customerId = fresh("user");
    const waiterId = await wait(sku, { qty: 3, customerId });
    await office.expectRefused(() => join(sku, { customerId }), {
      ...{ status: 409, code: "ALREADY_WAITING", members: { sku, waiterId } },
    });
    const [ghost, storeId] = [fresh("ghost"), fresh("store")];
    await office.expectRefused(() => join(ghost), {
      ...{ status: 404, code: "UNKNOWN_SKU", members: { sku: ghost } },
    });
    await office.expectRefused(() => join(sku, { storeId }), {
      ...{ status: 404, code: "STORE_NOT_FOUND", members: { storeId } },
    });
    await office.put(`/v1/rules/${sku}`, { maxPerOrder: 2 });
    const limits = { sku, rule: "maxPerOrder", limit: 2, left: 2 };
    await office.expectRefused(() => join(sku, { qty: 3 }), {
      ...{ status: 409, code: "LIMIT_EXCEEDED", members: limits },
    });
  });

  test("offers what comes back, which is taken by confirming it", async () => {
    const sku = await out();
    const [first, second] = [await wait(sku), await wait(sku)];
    await restock(sku, 1);
    const { body } = await look(first);
    const reservationId = `H-${first.slice(2)}`;
    const expiresAt = expect.stringMatching(ISO_TIME);
    expect(body).toMatchObject({ status: "OFFERED", reservationId, expiresAt });
    expect(body.position).toBeUndefined();
    expect((await look(second)).body).toMatchObject({ status: "WAITING", position: 1 });
    const { status } = await office.post(`/v1/reservations/${reservationId}:confirm`, {});
    expect(status).toBe(202);
    expect(await statusOf(first)).toBe("TAKEN");
  });

  test("offers what was not taken in time to the next", async () => {
    const sku = await out();
    const [first, second] = [await wait(sku, { offerSeconds: 1 }), await wait(sku)];
    await restock(sku, 1);
    await until("the offer has expired", async () =>
      (await statusOf(first)) === "EXPIRED" ? true : undefined,
    );
    expect(await statusOf(second)).toBe("WAITING"); // nobody has swept yet
    await office.shop.sweep(`H-${first.slice(2)}`);
    expect(await statusOf(first)).toBe("EXPIRED");
    expect(await statusOf(second)).toBe("OFFERED");
  });

  test("makes offers that their customer may replace before they are recorded", async () => {
    const sku = await out();
    const customerId = fresh("user");
    const id = await wait(sku, { qty: 2, customerId });
    await restock(sku, 2);
    const wish = { customerId, lines: [{ sku, qty: 1 }], replace: true };
    const { status, body } = await office.post("/v1/reservations", wish);
    expect([status, await statusOf(id)]).toEqual([202, "CANCELLED"]);
    expect(body.lines).toEqual([{ sku, qty: 1 }]);
    expect(await redis().get(`stock:${sku}`)).toBe("1");
  });

  test("lets a customer leave, once, and his offer go to the next", async () => {
    const sku = await out();
    const [a, b, c] = [await wait(sku), await wait(sku), await wait(sku)];
    const key = fresh("key");
    const left = await leave(a, { key });
    expect([left.status, left.body]).toEqual([202, { waiterId: a, status: "LEFT" }]);
    const again = await leave(a, { key });
    expect([again.text, again.headers.get("idempotent-replayed")]).toEqual([left.text, "true"]);
    expect((await leave(a)).text).toBe(left.text);
    await restock(sku, 1);
    const offer_key = fresh("key");
    const cancelled = await leave(b, { key: offer_key });
    expect(cancelled.body).toEqual({ waiterId: b, status: "CANCELLED" });
    expect((await leave(b, { key: offer_key })).text).toBe(cancelled.text);
    expect((await leave(b)).text).toBe(cancelled.text);
    expect([await statusOf(a), await statusOf(b)]).toEqual(["LEFT", "CANCELLED"]);
    expect(await statusOf(c)).toBe("OFFERED");
    const { body } = await office.get(`/v1/idempotency/${offer_key}`);
    const told = { route: "DELETE /v1/waitlist/{id}", result: { status: "CANCELLED" } };
    expect(body.items).toMatchObject([told]);
  });

  test("does not take back what was bought", async () => {
    const sku = await out();
    const id = await wait(sku);
    await restock(sku, 1);
    const reservationId = `H-${id.slice(2)}`;
    await office.post(`/v1/reservations/${reservationId}:confirm`, {});
    await office.expectRefused(() => leave(id), {
      ...{ status: 409, code: "HOLD_ALREADY_CONFIRMED", members: { reservationId } },
    });
  });

  test("knows from the ledger whom Redis has forgotten, and balances its books", async () => {
    const sku = await out();
    const [taken, left, refused] = [await wait(sku), await wait(sku), await wait(sku, { qty: 2 })];
    await leave(left);
    await restock(sku, 1);
    await office.put(`/v1/rules/${sku}`, { maxPerOrder: 1 });
    await restock(sku, 2);
    await office.record();
    const { database } = office.shop;
    expect(await compareBooks(redis(), database.url)).toEqual([]);
    const ids = [taken, left, refused];
    const seen = await Promise.all(ids.map(look));
    expect(seen.map(({ body }) => body.status)).toEqual(["OFFERED", "LEFT", "REFUSED"]);
    await redis().del(...ids.map((id) => `inventory.waiter:${id}`));
    const found = await Promise.all(ids.map(look));
    expect(found.map(({ body }) => body)).toEqual(seen.map(({ body }) => body));
    expect((await leave(refused)).body.status).toBe("REFUSED");
    expect((await leave(taken)).body.status).toBe("CANCELLED");
  });

  test("tells its events to those who follow them", async () => {
    await office.record();
    const id = await wait(await out());
    await leave(id);
    await office.record();
    const response = await fetch(`${office.shop.api.url}/v1/events?limit=1000`);
    const events = (await response.json()) as { eventType: string; aggregate: object }[]; // its list
    expect(events.slice(-2)).toMatchObject([
      { eventType: "WAITER_JOINED", aggregate: { type: "waiter", id, version: 1 } },
      { eventType: "WAITER_LEFT", aggregate: { type: "waiter", id, version: 2 } },
    ]);
  });

  test.each(["W-00000000-0000-7000-8000-000000000000", "x", "H-1", "W-"])(
    "has never heard of %s",
    async (id) => {
      const none = { status: 404, code: "WAITER_NOT_FOUND" };
      expectProblem(await look(id), none);
      await office.expectRefused(() => leave(id), none);
    },
  );
});
