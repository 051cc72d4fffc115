import { z } from "zod";
import { HOLD_STATUSES, type Hold, type HoldStatus, statusAt } from "../domain/hold.ts";
import { REASON_CHARS_MAX, TTL_SECONDS_DEFAULT } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";
import { scopedKey } from "./access/caller.ts";
import {
  CONFIRM_PROBLEMS,
  confirmHold,
  onExpired,
  partLines,
  presentSale,
  sold,
} from "./confirming.ts";
import type { RouteDeps } from "./deps.ts";
import {
  HOLD_ID_EXAMPLE,
  holdId,
  isoTime,
  orderId,
  paymentRef,
  quantity,
  sku,
  storeId,
  time,
  ttlSeconds,
  userId,
} from "./fields.ts";
import { findHold, knownForm } from "./find-hold.ts";
import { idempotencyKey, text } from "./parse.ts";
import { TAKING_PROBLEMS } from "./problem-kinds.ts";
import { recordedHold, replaceOwn, reserveMode } from "./reserving.ts";
import { type Route, route } from "./route.ts";
import { inStore } from "./stores-known.ts";

const TAG = "Checkout";
const status = z.enum(HOLD_STATUSES);

const reserved = z.object({
  hold_id: holdId,
  status: z.literal("ACTIVE"),
  sku,
  qty: quantity,
  requested: quantity.optional().meta({ description: "With `mode: partial`: what you asked for." }),
  user_id: userId,
  expires_at: time,
});
const confirmed = z.object({
  hold_id: holdId,
  status: z.literal("CONFIRMED"),
  order_id: orderId,
  payment_ref: paymentRef,
  confirmed_at: time,
  ...sold,
});
const cancelled = z.object({ hold_id: holdId, status: z.enum(["CANCELLED", "EXPIRED"]) });
const shown = z.object({
  hold_id: holdId,
  status,
  sku: sku.optional(),
  qty: z.int().optional(),
  lines: z.array(z.object({ sku, store_id: storeId, qty: z.int() })),
  user_id: z.string(),
  created_at: time,
  expires_at: time,
  ended_at: time.optional(),
  order_id: orderId.optional(),
  payment_ref: paymentRef.optional(),
  late: sold.late,
});

/** The checkout's calls: each parses, makes one call, and presents its answer. */
export function createHoldRoutes(deps: RouteDeps): Route[] {
  const { inventory, default_store, request_budget_ms } = deps;

  const reserve = route(
    {
      method: "POST",
      path: "/holds/reserve",
      roles: ["checkout"],
      owned: { kind: "CUSTOMER", by: "user_id" },
      tag: TAG,
      summary: "Take units out of stock, for a time",
      description:
        "Needs an idempotency key, as the header or as `idempotency_key`: the same request again under the same key gets the same hold.",
      idempotency_key: "OPTIONAL",
      body: z.strictObject({
        sku,
        qty: quantity,
        user_id: userId,
        idempotency_key: idempotencyKey.optional(),
        store_id: storeId.optional(),
        mode: reserveMode,
        replace: replaceOwn,
        ttl_seconds: ttlSeconds.optional().meta({
          description: `Else as the sale's rules say, or ${TTL_SECONDS_DEFAULT}.`,
        }),
      }),
      answers: {
        201: {
          description: "Held until `expires_at`.",
          body: reserved,
          headers: { Location: "Where to read it." },
        },
      },
      problems: ["IDEMPOTENCY_KEY_MISSING", "STORE_NOT_FOUND", ...TAKING_PROBLEMS],
    },
    request_budget_ms,
    async ({ body, key, context }) => {
      const { sku, qty, user_id, ttl_seconds, mode, replace, store_id = default_store } = body;
      const idempotency_key = oneKey(key, scopedKey(context.caller, body.idempotency_key ?? ""));
      const lines = [{ sku, store_id, quantity: qty }];
      const hold = await inStore(deps, store_id, () =>
        inventory.createHold(
          {
            lines,
            user_id,
            ttl_seconds: ttl_seconds ?? TTL_SECONDS_DEFAULT,
            ttl_is_usual: ttl_seconds === undefined,
            idempotency_key,
            ...{ partial: mode === "partial", replace },
            recordedHold: () => recordedHold(deps, user_id, [sku]),
          },
          context,
        ),
      );
      return {
        status: 201,
        replayed: hold.replayed,
        headers: { Location: `/holds/${hold.hold_id}` },
        body: {
          hold_id: hold.hold_id,
          status: "ACTIVE" satisfies HoldStatus,
          sku,
          qty: hold.granted[0] ?? qty,
          ...(mode === "partial" ? { requested: qty } : {}),
          user_id,
          expires_at: isoTime(hold.expires_at),
        },
      };
    },
  );

  const confirm = route(
    {
      method: "POST",
      path: "/holds/confirm",
      roles: ["checkout"],
      owned: { kind: "HOLD", by: "hold_id" },
      tag: TAG,
      summary: "Sell what is held",
      description:
        "Again with the same payment_ref: the same answer. With another: refused. With `on_expired: reacquire`, for money that has moved: see `PAYMENT_UNFULFILLED`.",
      idempotency_key: "OPTIONAL",
      body: z.strictObject({
        hold_id: holdId,
        payment_ref: paymentRef,
        lines: partLines,
        on_expired: onExpired,
      }),
      body_example: {
        hold_id: HOLD_ID_EXAMPLE,
        payment_ref: "pay_81",
      },
      answers: { 200: { description: "Sold.", body: confirmed } },
      problems: CONFIRM_PROBLEMS,
    },
    request_budget_ms,
    async ({ body: { hold_id, payment_ref, lines, on_expired }, key, context }) => {
      const order = await confirmHold(
        deps,
        { route: "confirm", hold_id, payment_ref, lines, on_expired, idempotency_key: key },
        context,
      );
      return {
        status: 200,
        replayed: order.replayed,
        body: {
          hold_id,
          status: "CONFIRMED" satisfies HoldStatus,
          order_id: order.order_id,
          payment_ref,
          confirmed_at: isoTime(order.confirmed_at),
          ...presentSale(order),
        },
      };
    },
  );

  const cancel = route(
    {
      method: "POST",
      path: "/holds/cancel",
      roles: ["checkout"],
      owned: { kind: "HOLD", by: "hold_id" },
      tag: TAG,
      summary: "Give back what is held",
      description: "A hold whose deadline has passed answers EXPIRED: its units are back, too.",
      idempotency_key: "OPTIONAL",
      body: z.strictObject({ hold_id: holdId, reason: text(REASON_CHARS_MAX).optional() }),
      answers: { 200: { description: "Given back.", body: cancelled } },
      problems: ["HOLD_ALREADY_CONFIRMED", "HOLD_NOT_FOUND"],
    },
    request_budget_ms,
    async ({ body: { hold_id, reason = "" }, key, context }) => {
      const ending = await inventory.cancelHold(
        { hold_id: knownForm(hold_id), reason, idempotency_key: key || undefined },
        context,
      );
      return {
        status: 200,
        replayed: ending.replayed,
        body: { hold_id, status: ending.status },
      };
    },
  );

  const read = route(
    {
      method: "GET",
      path: "/holds/{hold_id}",
      roles: ["checkout", "operator", "viewer"],
      owned: { kind: "HOLD", by: "hold_id" },
      tag: TAG,
      summary: "Look a hold up",
      params: z.object({ hold_id: holdId }),
      answers: { 200: { description: "The hold.", body: shown } },
      problems: ["HOLD_NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { hold_id }, context }) => {
      const { hold } = await findHold(deps, hold_id, context);
      return { status: 200, body: present(hold, inventory.now()) };
    },
  );

  return [reserve, confirm, cancel, read];
}

function present(hold: Hold, now: number): z.infer<typeof shown> {
  const [only, another] = hold.lines;
  return {
    hold_id: hold.hold_id,
    status: statusAt(hold, now),
    ...(only && !another ? { sku: only.sku, qty: only.quantity } : {}),
    lines: hold.lines.map(({ sku, store_id, quantity }) => ({ sku, store_id, qty: quantity })),
    user_id: hold.user_id,
    created_at: isoTime(hold.created_at),
    expires_at: isoTime(hold.expires_at),
    ...(hold.ended_at === undefined ? {} : { ended_at: isoTime(hold.ended_at) }),
    ...(hold.order_id === undefined ? {} : { order_id: hold.order_id }),
    ...(hold.payment_ref ? { payment_ref: hold.payment_ref } : {}),
    ...(hold.late ? { late: true } : {}),
  };
}

function oneKey(header: string, member: string): string {
  if (header && member && header !== member) {
    throw new Rejection(
      "INVALID_REQUEST",
      "The Idempotency-Key header and idempotency_key differ. Send one of them.",
    );
  }
  const key = header || member;
  if (key) return key;
  throw new Rejection(
    "IDEMPOTENCY_KEY_MISSING",
    "Send an Idempotency-Key header, or idempotency_key in the body.",
  );
}
