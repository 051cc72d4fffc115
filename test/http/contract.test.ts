import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type Operation, readDocument } from "../../scripts/read-document.ts";
import { holdToDocument } from "./contract.ts";
import {
  bodyOf,
  createCalls,
  isOfInventory,
  isWrite,
  JSON_TYPE,
  nameOf,
} from "./contract-calls.ts";
import { openSocket, send } from "./raw.ts";
import { recordAll } from "./record-all.ts";
import { fresh, openShop, postJson, type Shop } from "./shop.ts";

const { operations } = readDocument();
const WAITER = "W-01a1fbe0-b8e6-7462-8776-0bd4fb74d142";
const HOLD = "H-01a1fbe0-b8e6-7462-8776-0bd4fb74d142";
const ORDER = "O-01a1fbe0-b90a-7068-a328-4e73558f5087";
const PAYMENT = "P-01a1fbe0-b8e6-7462-8776-0bd4fb74d142";

/** A test for each operation that is such a one. */
const each = (is: (operation: Operation) => boolean) =>
  test.each(operations.filter(is).map((operation) => [nameOf(operation), operation] as const));
const needsKey = ({ parameters }: Operation) =>
  parameters.some(({ name, required }) => name === "Idempotency-Key" && required);
const hasBody = ({ requestBody }: Operation) => requestBody !== undefined;
const isRead = (operation: Operation) => !isWrite(operation);

let shop: Shop;
let api: ReturnType<typeof createCalls>;
beforeAll(async () => {
  shop = await openShop();
  const { redis, url } = shop.api;
  await redis.mset("stock:tea", 1_000, "stock:mug", 1_000, "stock:vinyl", 0);
  const write = async (path: string, body: unknown, key: string) =>
    (await postJson(`${url}${path}`, body, { "Idempotency-Key": key })).body;
  const sold = await write("/v1/purchase", { sku: "tea", qty: 1 }, "cart-17");
  const held = await write("/v1/reservations", { lines: [{ sku: "tea", qty: 1 }] }, "cart-18");
  const lost = await write("/v1/reservations", { lines: [{ sku: "tea", qty: 1 }] }, "cart-19");
  const lostPath = `/v1/reservations/${lost.reservationId}`;
  await write(`${lostPath}:cancel`, {}, "cart-19");
  const late = { paymentRef: "pay_82", onExpired: "reacquire" };
  const paid = await write(`${lostPath}:confirm`, late, "cart-19");
  const wish = { sku: "vinyl", qty: 1, customerId: "ada", offerSeconds: 60 };
  const waits = await write("/v1/waitlist", wish, "cart-20");
  await recordAll(redis, shop.database.url);
  api = createCalls(
    url,
    new Map([
      [ORDER, String(sold.orderId)],
      [HOLD, String(held.reservationId)],
      [PAYMENT, String(paid.paymentId)],
      [WAITER, String(waits.waiterId)],
    ]),
  );
});
afterAll(() => shop.close());
// There are rules to look at, though one of the examples takes them away.
beforeEach(async () => {
  const headers = { "Content-Type": JSON_TYPE, "Idempotency-Key": fresh("rules") };
  const body = JSON.stringify({ maxPerOrder: 2 });
  await fetch(`${shop.api.url}/v1/rules/ticket`, { method: "PUT", headers, body });
});

describe("with the document's examples", () => {
  each(() => true)("%s can be tried", async (_, operation) => {
    const { status, text } = await api.call(operation);
    // 409: the examples of other routes have done something with the same things.
    // 404: no recovery waits for an approval here, there is no such key, and no count drifts. Those of
    // test/recovery, v1/keys.test.ts and v1/audit-sales.test.ts do.
    const is_absent = /^\/v1\/(recovery:approve|audit:recount|keys\/)/.test(operation.path);
    const expected = is_absent ? [404] : [200, 201, 202, 409];
    expect([expected.includes(status), text]).toEqual([true, expect.anything()]);
  });

  // The status of projections tells a lag, which is another one in a moment.
  const isSteady = ({ path }: Operation) => path !== "/v1/projections/status";
  each((operation) => "304" in operation.responses && isSteady(operation))(
    "%s is 304 for whoever has the answer",
    async (_, operation) => {
      const { status, headers } = await api.call(operation);
      expect(status).toBe(200);
      const etag = String(headers.get("etag"));
      expect((await api.call(operation, { headers: { "If-None-Match": etag } })).status).toBe(304);
    },
  );

  // A key is shown once, and v1/keys.test.ts sees to it.
  const showsOnce = ({ path }: Operation) => path === "/v1/keys";
  each((operation) => isWrite(operation) && !showsOnce(operation))(
    "%s answers the same again under the same key",
    async (_, operation) => {
      const key = `again-${operation.operationId}`;
      const first = await api.call(operation, { key });
      const again = await api.call(operation, { key });
      if (first.headers.get("content-type") !== JSON_TYPE) return;
      expect([again.status, again.text]).toEqual([first.status, first.text]);
      expect(again.headers.get("idempotent-replayed")).toBe("true");
    },
  );

  each(isRead)("%s answers HEAD alike, without a body", async (_, operation) => {
    const { status, text } = await api.call(operation, { method: "HEAD" });
    expect([status, text]).toEqual([200, ""]);
  });
});

describe("a refusal is in the document:", () => {
  each(needsKey)("%s without a key", async (_, operation) => {
    const refusal = await api.refusal(operation, { key: null });
    expect(refusal).toEqual({ status: 400, code: "IDEMPOTENCY_KEY_MISSING" });
  });

  each(isOfInventory)("%s with a parameter that nobody knows", async (_, operation) => {
    const refusal = await api.refusal(operation, { query: "nothing=1" });
    expect(refusal).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
    expect(refusal.errors).toContainEqual({ pointer: "?nothing", detail: expect.anything() });
  });

  each(hasBody)("%s with a body that is no JSON, or of another kind", async (_, operation) => {
    const broken = await api.refusal(operation, { body: "{" });
    expect(broken).toEqual({ status: 400, code: "INVALID_REQUEST" });
    const text = await api.refusal(operation, { headers: { "Content-Type": "text/plain" } });
    expect(text).toEqual({ status: 415, code: "UNSUPPORTED_MEDIA_TYPE" });
  });

  each((operation) => hasBody(operation) && !Array.isArray(bodyOf(operation)))(
    "%s with a member that nobody knows",
    async (_, operation) => {
      const body = JSON.stringify({ ...Object(bodyOf(operation)), nothing: 1 });
      const refusal = await api.refusal(operation, { body });
      expect(refusal).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
      expect(refusal.errors).toContainEqual({ pointer: "#/nothing", detail: expect.anything() });
    },
  );

  each(hasBody)("%s without a body, where that is required", async (_, operation) => {
    const { status } = await api.call(operation, { body: null });
    expect([400, 415].includes(status)).toBe(operation.requestBody?.required);
  });

  each(hasBody)("%s with a body that is too large", async (_, operation) => {
    const path = new URL(api.addressOf(operation)).pathname;
    const headers = { "Content-Type": JSON_TYPE, "Idempotency-Key": "large" };
    const answer = await send(shop.api.url, {
      path,
      headers,
      method: operation.method,
      body: " ".repeat(1_100_000),
    });
    holdToDocument({ method: operation.method, url: `${shop.api.url}${path}` }, answer);
    expect(answer.body.code).toBe("BODY_TOO_LARGE");
  });

  each(() => true)("%s by another method", async (_, operation) => {
    const known = operations.filter(({ path }) => path === operation.path);
    const other = known.some(({ method }) => method === "PATCH") ? "PUT" : "PATCH";
    const { status, headers } = await api.call(operation, { method: other });
    const methods = known.map(({ method }) => method.replace("GET", "GET, HEAD"));
    expect([status, headers.get("allow")]).toEqual([405, methods.join(", ")]);
  });

  test("what is not even HTTP, at any address", async () => {
    const bad = [
      ["rubbish\r\n\r\n", 400],
      [`GET /health HTTP/1.1\r\nHost: test\r\nX-Big: ${"a".repeat(20_000)}\r\n\r\n`, 431],
      ["GET /health HTTP/1.1\r\nHost: test\r\nX-Slow: ", 408],
    ] as const;
    for (const [bytes, status] of bad) {
      const socket = await openSocket(shop.api.port);
      socket.write(bytes);
      const [answer] = await socket.answers(1);
      socket.end();
      if (!answer) throw new Error("no answer");
      expect(answer.status).toBe(status);
      for (const path of ["/health", "/nothing", "/v1/reservations", "/holds/reserve"]) {
        holdToDocument({ method: "GET", url: `${shop.api.url}${path}` }, answer);
      }
    }
  });
});
