import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "@jest/globals";
import { BUDGET_MS, createAsker, SLACK_MS } from "../../scripts/drill/ask.ts";
import type { Request } from "../../scripts/drill/journal.ts";
import { cancelOf, payOf, reserveOf } from "./drill-scene.ts";

const NEVER_FROZEN = () => 0;
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** What a shopper meets who asks an API that behaves like this. */
async function openAsker(api: RequestListener, frozenMs = NEVER_FROZEN) {
  const server = createServer(api);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // of a server that listens on a port
  return createAsker(`http://127.0.0.1:${port}`, frozenMs);
}

const answering = (status: number, body: unknown, headers = {}): RequestListener => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return (_, res) => res.writeHead(status, headers).end(text);
};

test("an answer is noted with what it says of the hold", async () => {
  const body = { hold_id: "H-1", status: "ACTIVE", expires_at: "2027-01-15T08:00:00.250Z" };
  const { ask } = await openAsker(answering(201, body, { "Idempotent-Replayed": "true" }));
  const { outcome, sent_at, ended_at } = await ask(reserveOf("ann"), "k");
  expect(outcome).toEqual({
    end: "ANSWERED",
    answer: {
      ...{ status: 201, replayed: true, hold_id: "H-1", hold_status: "ACTIVE" },
      expires_at: 1_800_000_000_250,
    },
  });
  expect(ended_at).toBeGreaterThan(sent_at);
});

const moved = { ...payOf("ann"), money_has_moved: true as const, part: { sku: "tea", units: 1 } };
const wish = { sku: "tea", units: 1, user_id: "ann", offer_seconds: 5 };

test.each<[Request, string, object | null]>([
  [
    reserveOf("ann", 2),
    "POST /holds/reserve",
    { sku: "tea", qty: 2, user_id: "ann", ttl_seconds: 20 },
  ],
  [payOf("ann"), "POST /holds/confirm", { hold_id: "H-ann", payment_ref: "payment-ann" }],
  [
    moved as Request,
    "POST /holds/confirm",
    {
      ...{ hold_id: "H-ann", payment_ref: "payment-ann", on_expired: "reacquire" },
      lines: [{ sku: "tea", qty: 1 }],
    },
  ],
  [cancelOf("ann"), "POST /holds/cancel", { hold_id: "H-ann" }],
  [
    { action: "EXTEND", hold_id: "H-ann", ttl_seconds: 2 },
    "POST /holds/extend",
    { hold_id: "H-ann", ttl_seconds: 2 },
  ],
  [
    { action: "RETURN", order_id: "O-ann", sku: "tea", units: 1, restock: false },
    "POST /v1/orders/O-ann:return",
    { lines: [{ sku: "tea", qty: 1 }], restock: false },
  ],
  [
    { action: "JOIN", ...wish },
    "POST /v1/waitlist",
    { sku: "tea", qty: 1, customerId: "ann", offerSeconds: 5 },
  ],
  [{ action: "LOOK", waiter_id: "W-ann", sku: "tea", units: 1 }, "GET /v1/waitlist/W-ann", null],
  [{ action: "LEAVE", waiter_id: "W-ann" }, "DELETE /v1/waitlist/W-ann", null],
])("%o is made as %s under its key", async (request, call, body) => {
  const got: unknown[] = [];
  const { ask } = await openAsker(async (req, res) => {
    let text = "";
    for await (const chunk of req) text += chunk;
    const json = text === "" ? null : JSON.parse(text);
    got.push([`${req.method} ${req.url}`, req.headers["idempotency-key"], json]);
    res.end("{}");
  });
  await ask(request, "key-1");
  expect(got).toEqual([[call, "key-1", body]]);
});

test("an answer of /v1 is noted by the names that the checkout's answers have", async () => {
  const at = "2027-01-15T08:00:00.250Z";
  const answers = [
    { waiterId: "W-1", status: "OFFERED", reservationId: "H-1", expiresAt: at },
    { returnId: "R-1", orderId: "O-1", returnedAt: at },
  ];
  const noted: unknown[] = [];
  for (const body of answers) {
    const { ask } = await openAsker(answering(202, body));
    noted.push((await ask(cancelOf("ann"), "k")).outcome);
  }
  const ms = 1_800_000_000_250;
  const common = { status: 202, replayed: false };
  expect(noted).toEqual([
    {
      end: "ANSWERED",
      answer: {
        ...{ ...common, waiter_id: "W-1", waiter_status: "OFFERED" },
        ...{ hold_id: "H-1", expires_at: ms },
      },
    },
    { end: "ANSWERED", answer: { ...common, return_id: "R-1", returned_at: ms } },
  ]);
});

test("a refusal to serve is noted with its code and when to come back", async () => {
  const problem = { status: 503, code: "RECOVERING" };
  const { ask } = await openAsker(answering(503, problem, { "Retry-After": "2" }));
  const { outcome, retry_after_ms } = await ask(cancelOf("ann"), "k");
  expect(retry_after_ms).toBe(2_000);
  const answer = { status: 503, replayed: false, code: "RECOVERING" };
  expect(outcome).toEqual({ end: "ANSWERED", answer });
});

test.each([["not JSON"], ["[]"], ['{"hold_id": 7}']])(
  "an answer that says %s is no answer of ours, and not taken for a broken connection",
  async (body) => {
    const { ask } = await openAsker(answering(200, body));
    const { outcome } = await ask(cancelOf("ann"), "k");
    const answer = { status: 200, replayed: false, code: "UNREADABLE" };
    expect(outcome).toEqual({ end: "ANSWERED", answer });
  },
);

test.each<[string, RequestListener]>([
  ["before the answer", (req) => void req.socket.destroy()],
  [
    "in its middle",
    (req, res) => {
      res.writeHead(200, { "Content-Length": 100 }).write("{");
      setTimeout(() => req.socket.destroy(), 20);
    },
  ],
])("a connection that breaks %s is noted as broken", async (_, api) => {
  const { ask } = await openAsker(api);
  expect((await ask(cancelOf("ann"), "k")).outcome).toEqual({ end: "BROKEN" });
});

test("an impatient shopper's connection is cut, unless the answer was there before", async () => {
  const closed = Promise.withResolvers<void>();
  const silent = await openAsker((_, res) => res.once("close", closed.resolve));
  expect((await silent.ask(cancelOf("ann"), "k", 500)).outcome).toEqual({ end: "CUT" });
  await closed.promise;
  const quick = await openAsker(answering(200, {}));
  expect((await quick.ask(cancelOf("ann"), "k", 5_000)).outcome.end).toBe("ANSWERED");
});

test("a request without an answer hangs, after the budget and some slack", async () => {
  const { ask } = await openAsker(() => {});
  const { outcome, sent_at, ended_at } = await ask(cancelOf("ann"), "k");
  expect(outcome).toEqual({ end: "HUNG" });
  expect(ended_at - sent_at).toBeGreaterThanOrEqual(BUDGET_MS + SLACK_MS);
}, 10_000);

test("the time in which the API was frozen does not count", async () => {
  const frozen_ms = 4_000; // and half of it for a slow machine
  const late = async (res: Parameters<RequestListener>[1]) => {
    await sleep(BUDGET_MS + SLACK_MS + frozen_ms / 2);
    res.end("{}");
  };
  const { ask } = await openAsker(
    (_, res) => void late(res),
    () => frozen_ms,
  );
  const attempt = await ask(cancelOf("ann"), "k");
  expect(attempt).toMatchObject({ outcome: { end: "ANSWERED" }, frozen_ms });
}, 20_000);
