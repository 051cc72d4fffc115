import { z } from "zod";
import { PAYMENT_ID_PATTERN } from "../../domain/ids.ts";
import { REFERENCE_CHARS_MAX } from "../../domain/limits.ts";
import { RESOLUTIONS, WHYS } from "../../domain/payment.ts";
import { Rejection } from "../../domain/rejection.ts";
import { once } from "../../postgres/once.ts";
import {
  createUnfulfilled,
  type RecordedPayment,
  resolvePayment,
} from "../../postgres/unfulfilled.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { doerOf } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import {
  cursor,
  holdId,
  isoTime,
  limit,
  pageOf,
  paymentId,
  paymentRef,
  presentPage,
  sku,
  storeId,
  time,
  userId,
} from "../fields.ts";
import { readRecorded, writeLedger } from "../ledger-call.ts";
import { text } from "../parse.ts";
import { type Route, route } from "../route.ts";

const TAG = "Payments";
const resolution = z.enum(RESOLUTIONS).meta({ description: "What was done about it." });
const reference = text(REFERENCE_CHARS_MAX).meta({
  description: "Your name of what was done: of the refund, or of the order that was sent instead.",
  example: "re_17",
});
const shown = z.object({
  paymentId,
  reservationId: holdId,
  paymentRef,
  why: z.enum(WHYS).meta({ description: "What was in the way." }),
  occurredAt: time,
  customerId: userId.optional(),
  lines: z
    .array(z.object({ sku, storeId, qty: z.int().meta({ example: 2 }) }))
    .nullable()
    .meta({ description: "What was paid for. Null when nobody knew the reservation." }),
  resolution: resolution.nullable().meta({ description: "Null: nobody has seen to it yet." }),
  reference: reference.nullable(),
  resolvedAt: time.nullable(),
});
const params = z.object({ id: paymentId });

/** Payments that came when nothing could be sold for them any more, and what people did about each. */
export function createUnfulfilledRoutes(deps: RouteDeps): Route[] {
  const { pool, request_budget_ms } = deps;
  const payments = createUnfulfilled(pool);

  const list = route(
    {
      method: "GET",
      path: "/v1/unfulfilled-payments",
      roles: ["operator", "viewer"],
      tag: TAG,
      summary: "Payments for which nothing could be given, newest first",
      description:
        "As recorded: one is there a moment after its confirm was answered with `PAYMENT_UNFULFILLED`.",
      projection: true,
      query: z.strictObject({
        resolved: z
          .enum(["true", "false"])
          .optional()
          .meta({ description: "Only those that somebody has seen to, or only the others." }),
        limit,
        cursor: cursor(z.string().regex(PAYMENT_ID_PATTERN, "is not a cursor of this list")),
      }),
      answers: { 200: { description: "A page of them.", body: pageOf(shown) } },
    },
    request_budget_ms,
    async ({ query: { resolved, limit, cursor }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        payments.listPayments({
          resolved: resolved && resolved === "true",
          limit,
          before: cursor,
        }),
      );
      return { status: 200, lag_ms, body: presentPage(recorded, present) };
    },
  );

  const read = route(
    {
      method: "GET",
      path: "/v1/unfulfilled-payments/{id}",
      roles: ["operator", "viewer"],
      tag: TAG,
      summary: "Look an unfulfilled payment up",
      projection: true,
      params,
      answers: { 200: { description: "The payment.", body: shown } },
      problems: ["NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { id }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        payments.readPayment(knownForm(id)),
      );
      if (!recorded) throw notFound();
      return { status: 200, lag_ms, body: present(recorded) };
    },
  );

  const resolve = route(
    {
      method: "POST",
      path: "/v1/unfulfilled-payments/{id}:resolve",
      roles: ["operator"],
      tag: TAG,
      summary: "Say what was done about an unfulfilled payment",
      description: "The same again changes nothing, under any key; something else is refused.",
      idempotency_key: "REQUIRED",
      params,
      body: z.strictObject({ resolution, reference }),
      answers: {
        200: {
          description: "It is resolved.",
          body: z.object({ paymentId, resolution, reference, resolvedAt: time }),
        },
      },
      problems: ["NOT_FOUND", "PAYMENT_ALREADY_RESOLVED"],
    },
    request_budget_ms,
    async ({ params: { id }, body, key, context }) => {
      const { resolution, reference } = body;
      const by = doerOf(context);
      const call = {
        ...({ route: "resolve_payment", key, by } as const),
        fingerprint: fingerprintOf([knownForm(id), resolution, reference]),
      };
      const { result, replayed } = await writeLedger(
        context,
        once(pool, call, (to) => resolvePayment(to, id, body, by)),
      );
      return {
        status: 200,
        replayed: replayed || result.again,
        body: { paymentId: id, resolution, reference, resolvedAt: isoTime(result.resolved_at) },
      };
    },
  );

  return [list, resolve, read];
}

// What can't be a payment's id is a payment that does not exist, to the caller.
function knownForm(id: string): string {
  if (PAYMENT_ID_PATTERN.test(id)) return id;
  throw notFound();
}

const notFound = () =>
  new Rejection("NOT_FOUND", "There is no such unfulfilled payment. A young one may yet come.");

function present(payment: RecordedPayment): z.infer<typeof shown> {
  const { lines, resolved_at } = payment;
  return {
    paymentId: payment.payment_id,
    reservationId: payment.hold_id,
    paymentRef: payment.payment_ref,
    why: payment.why,
    occurredAt: isoTime(payment.occurred_at),
    ...(payment.user_id ? { customerId: payment.user_id } : {}),
    lines:
      lines?.map(({ sku, store_id, quantity }) => ({ sku, storeId: store_id, qty: quantity })) ??
      null,
    resolution: payment.resolution,
    reference: payment.reference,
    resolvedAt: resolved_at === null ? null : isoTime(resolved_at),
  };
}
