import type { Request, Response } from "express";
import { z } from "zod";
import { type Hold, type HoldStatus, statusAt } from "../domain/hold.ts";
import { CODE_PATTERN, HOLD_ID_PATTERN } from "../domain/ids.ts";
import {
  PAYMENT_REF_CHARS_MAX,
  QUANTITY_MAX,
  REASON_CHARS_MAX,
  TTL_SECONDS_DEFAULT,
  TTL_SECONDS_MAX,
  USER_ID_CHARS_MAX,
} from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";
import { monotonicNow } from "../now.ts";
import type { Ledger } from "../postgres/ledger.ts";
import type { Inventory } from "../redis/inventory.ts";
import { RedisFault } from "../redis/outcome.ts";
import { within } from "../within.ts";
import { answer, contextOf } from "./answer.ts";
import { readJson } from "./body.ts";
import { idempotencyKey, idempotencyKeyHeader, parse, text } from "./parse.ts";
import { LedgerUnavailable } from "./problem.ts";

const CODE_RULE = "must be 1 to 64 of A-Z a-z 0-9 . _ -";

const reserveSchema = z.strictObject({
  sku: z.string().regex(CODE_PATTERN, CODE_RULE),
  qty: z.int().min(1).max(QUANTITY_MAX),
  user_id: text(USER_ID_CHARS_MAX),
  idempotency_key: idempotencyKey.optional(),
  store_id: z.string().regex(CODE_PATTERN, CODE_RULE).optional(),
  ttl_seconds: z.int().min(1).max(TTL_SECONDS_MAX).default(TTL_SECONDS_DEFAULT),
});
const confirmSchema = z.strictObject({
  hold_id: z.string(),
  payment_ref: text(PAYMENT_REF_CHARS_MAX),
});
const cancelSchema = z.strictObject({
  hold_id: z.string(),
  reason: text(REASON_CHARS_MAX).optional(),
});

/** The checkout's calls: each parses, makes one call, and presents its answer. */
export function createHoldRoutes({
  inventory,
  ledger,
  default_store,
  request_budget_ms,
}: {
  inventory: Inventory;
  ledger: Ledger;
  default_store: string;
  request_budget_ms: number;
}) {
  // The caller's budget begins when its request is complete: how slowly it sends is its own affair.
  async function readBody(req: Request, res: Response) {
    const body = await readJson(req);
    contextOf(res).deadline = monotonicNow() + request_budget_ms;
    return body;
  }

  async function reserve(req: Request, res: Response) {
    const body = parse(reserveSchema, await readBody(req, res));
    const idempotency_key = keyOf(idempotencyKeyHeader(req), body.idempotency_key);
    const { sku, qty, user_id, ttl_seconds, store_id = default_store } = body;
    if (store_id !== default_store) {
      throw new Rejection("STORE_NOT_FOUND", `There is no store ${store_id}.`, { store_id });
    }
    const hold = await inventory.createHold(
      { lines: [{ sku, store_id, quantity: qty }], user_id, ttl_seconds, idempotency_key },
      contextOf(res),
    );
    markReplay(res, hold.replayed);
    res.setHeader("Location", `/holds/${hold.hold_id}`);
    answer(res, 201, {
      hold_id: hold.hold_id,
      status: "ACTIVE" satisfies HoldStatus,
      sku,
      qty,
      user_id,
      expires_at: time(hold.expires_at),
    });
  }

  async function confirm(req: Request, res: Response) {
    const { hold_id, payment_ref } = parse(confirmSchema, await readBody(req, res));
    const order = await inventory.confirmHold(
      { hold_id: knownForm(hold_id), payment_ref, idempotency_key: idempotencyKeyHeader(req) },
      contextOf(res),
    );
    markReplay(res, order.replayed);
    answer(res, 200, {
      hold_id,
      status: "CONFIRMED" satisfies HoldStatus,
      order_id: order.order_id,
      payment_ref,
      confirmed_at: time(order.confirmed_at),
    });
  }

  async function cancel(req: Request, res: Response) {
    const { hold_id, reason = "" } = parse(cancelSchema, await readBody(req, res));
    const ending = await inventory.cancelHold(
      { hold_id: knownForm(hold_id), reason, idempotency_key: idempotencyKeyHeader(req) },
      contextOf(res),
    );
    markReplay(res, ending.replayed);
    answer(res, 200, { hold_id, status: ending.status });
  }

  // Redis forgets an ended hold after a day, and may be away; the ledger may not have a young one yet. So
  // only both together may say that there is none.
  async function read(req: Request, res: Response) {
    const hold_id = knownForm(String(req.params.hold_id));
    const context = contextOf(res);
    const timeLeft = () => context.deadline - monotonicNow();
    // Half of the time for each side, or a silent Redis would leave none to ask the ledger.
    const fromRedis = await inventory
      .readHold(hold_id, { ...context, deadline: monotonicNow() + timeLeft() / 2 })
      .catch((error: unknown) => {
        if (error instanceof RedisFault) return error;
        throw error;
      });
    if (fromRedis && !(fromRedis instanceof RedisFault)) {
      answer(res, 200, present(fromRedis, inventory.now()));
      return;
    }
    const recorded = await within(timeLeft(), ledger.readHold(hold_id)).catch((cause: unknown) => {
      throw new LedgerUnavailable("Postgres could not be asked.", { cause });
    });
    if (recorded) {
      answer(res, 200, present(recorded, inventory.now()));
      return;
    }
    throw fromRedis
      ? new LedgerUnavailable("Redis could not be asked.", { cause: fromRedis })
      : holdNotFound();
  }

  return { reserve, confirm, cancel, read };
}

function present(hold: Hold, now: number) {
  const [only, another] = hold.lines;
  return {
    hold_id: hold.hold_id,
    status: statusAt(hold, now),
    ...(only && !another ? { sku: only.sku, qty: only.quantity } : {}),
    lines: hold.lines.map(({ sku, store_id, quantity }) => ({ sku, store_id, qty: quantity })),
    user_id: hold.user_id,
    created_at: time(hold.created_at),
    expires_at: time(hold.expires_at),
    ...(hold.ended_at === undefined ? {} : { ended_at: time(hold.ended_at) }),
    ...(hold.order_id === undefined
      ? {}
      : { order_id: hold.order_id, payment_ref: hold.payment_ref }),
  };
}

function keyOf(header: string | undefined, member: string | undefined): string {
  if (header !== undefined && member !== undefined && header !== member) {
    throw new Rejection(
      "INVALID_REQUEST",
      "The Idempotency-Key header and idempotency_key differ. Send one of them.",
    );
  }
  const key = header ?? member;
  if (key !== undefined) return key;
  throw new Rejection(
    "IDEMPOTENCY_KEY_MISSING",
    "Send an Idempotency-Key header, or idempotency_key in the body.",
  );
}

// What can't be a hold's id is a hold that does not exist, to the caller.
function knownForm(hold_id: string): string {
  if (HOLD_ID_PATTERN.test(hold_id)) return hold_id;
  throw holdNotFound();
}

const holdNotFound = () => new Rejection("HOLD_NOT_FOUND", "There is no such hold.");

function markReplay(res: Response, replayed: boolean) {
  if (replayed) res.setHeader("Idempotent-Replayed", "true");
}

const time = (millis: number) => new Date(millis).toISOString();
