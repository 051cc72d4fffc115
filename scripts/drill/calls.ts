import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import type { Answer, Request } from "./journal.ts";

/** An answer that is complete and yet not one of ours. */
export const UNREADABLE = "UNREADABLE";

const time = z.iso
  .datetime()
  .transform((text) => Date.parse(text))
  .optional();
const word = z.string().optional();
// The checkout's calls and those below /v1 have different names for some of it.
const told = z.object({
  code: word,
  hold_id: word,
  reservationId: word,
  status: z.union([z.string(), z.number()]).optional(),
  order_id: word,
  expires_at: time,
  expiresAt: time,
  confirmed_at: time,
  late: z.boolean().optional(),
  payment_id: word,
  why: word,
  waiterId: word,
  returnId: word,
  returnedAt: time,
  opens_at: time,
  opensAt: time,
});

type Call = { method: "GET" | "POST" | "DELETE"; path: string; body?: object };

/** How a request is made over HTTP. */
export function callOf(request: Request): Call {
  const post = (path: string, body: object) => ({ method: "POST" as const, path, body });
  switch (request.action) {
    case "RESERVE": {
      const { sku, units, user_id, ttl_seconds } = request;
      return post("/holds/reserve", { sku, qty: units, user_id, ttl_seconds });
    }
    case "CONFIRM": {
      const { hold_id, payment_ref, money_has_moved, part } = request;
      return post("/holds/confirm", {
        ...{ hold_id, payment_ref },
        ...(money_has_moved ? { on_expired: "reacquire" } : {}),
        ...(part ? { lines: [{ sku: part.sku, qty: part.units }] } : {}),
      });
    }
    case "CANCEL":
      return post("/holds/cancel", { hold_id: request.hold_id });
    case "EXTEND": {
      const { hold_id, ttl_seconds } = request;
      return post("/holds/extend", { hold_id, ttl_seconds });
    }
    case "RETURN": {
      const { order_id, sku, units, restock } = request;
      return post(`/v1/orders/${order_id}:return`, { lines: [{ sku, qty: units }], restock });
    }
    case "JOIN": {
      const { sku, units, user_id, offer_seconds } = request;
      const wish = { sku, qty: units, customerId: user_id, offerSeconds: offer_seconds };
      return post("/v1/waitlist", wish);
    }
    case "LOOK":
      return { method: "GET", path: `/v1/waitlist/${request.waiter_id}` };
    case "LEAVE":
      return { method: "DELETE", path: `/v1/waitlist/${request.waiter_id}` };
  }
}

/** Rejects when the connection breaks before the answer is complete. */
export async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const { statusCode: status = 0, headers } = response;
  const replayed = headers["idempotent-replayed"] === "true";
  const body = parseBody(await text(response));
  if (!body) return { status, replayed, code: UNREADABLE };
  const { status: said, reservationId, waiterId, returnId, returnedAt, ...rest } = body;
  const { expiresAt, expires_at = expiresAt, opensAt, opens_at = opensAt, ...same } = rest;
  const named = {
    hold_id: body.hold_id ?? reservationId,
    waiter_id: waiterId,
    return_id: returnId,
    returned_at: returnedAt,
    ...{ expires_at, opens_at },
  };
  // Problems have a member of this name, too: the number.
  const said_of = waiterId === undefined ? "hold_status" : "waiter_status";
  const what = typeof said === "string" ? { [said_of]: said } : {};
  const known = Object.entries({ ...same, ...named }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(known), ...what, status, replayed };
}

function parseBody(json: string) {
  try {
    return told.parse(JSON.parse(json));
  } catch {
    return null;
  }
}
