import { z } from "zod";
import { HOLD_STATUSES, type Hold, type HoldStatus, statusAt } from "../../domain/hold.ts";
import { HOLD_ID_PATTERN } from "../../domain/ids.ts";
import { LINES_MAX } from "../../domain/limits.ts";
import { CANCEL_REASONS } from "../../domain/reasons.ts";
import { createHistory } from "../../postgres/history.ts";
import { sold } from "../confirming.ts";
import type { RouteDeps } from "../deps.ts";
import {
  cursor,
  holdId,
  holdVersion,
  isoTime,
  limit,
  pageOf,
  paymentRef,
  presentPage,
  quantity,
  sku,
  storeId,
  time,
  ttlSeconds,
  userId,
} from "../fields.ts";
import { findHold, knownForm } from "../find-hold.ts";
import { readRecorded } from "../ledger-call.ts";
import { grantedLines, summedLines } from "../lines.ts";
import { TAKING_PROBLEMS } from "../problem-kinds.ts";
import { recordedHold, replaceOwn, reserveMode } from "../reserving.ts";
import { type Route, route } from "../route.ts";
import { inStore } from "../stores-known.ts";
import { createConfirmRoute } from "./confirm.ts";

const TAG = "Reservations";
const TTL_SECONDS_DEFAULT = 900;

/** A reservation is a hold; an active one is called CREATED here. */
const STATUSES = ["CREATED", "CONFIRMED", "CANCELLED", "EXPIRED"] as const;
type Status = (typeof STATUSES)[number];
const statusOf = (status: HoldStatus): Status => (status === "ACTIVE" ? "CREATED" : status);
const holdStatusOf = (status: Status) =>
  HOLD_STATUSES.find((candidate) => statusOf(candidate) === status);

const FIRST_VERSION = 1;

const lines = z.array(z.object({ sku, qty: z.int().meta({ example: 2 }) }));
const grantedLine = z.object({
  sku,
  qty: z.int().meta({ description: "With `mode: partial` it may be 0.", example: 2 }),
  requested: z.int().optional().meta({
    description: "With `mode: partial`: what you asked for.",
    example: 2,
  }),
});
const created = z.object({
  reservationId: holdId,
  storeId,
  status: z.enum(STATUSES),
  lines,
  expiresAt: time,
  createdAt: time,
  version: holdVersion,
});
const granted = created.extend({ lines: z.array(grantedLine) });
const shown = created.extend({
  customerId: userId.optional(),
  endedAt: time.optional(),
  orderId: z.string().optional(),
  paymentRef: paymentRef.optional(),
  late: sold.late,
});
const cancelled = z.object({ reservationId: holdId, status: z.enum(["CANCELLED", "EXPIRED"]) });
const params = z.object({ id: holdId });

export function createReservationRoutes(deps: RouteDeps): Route[] {
  const { inventory, default_store, request_budget_ms } = deps;
  const history = createHistory(deps.pool);

  const create = route(
    {
      method: "POST",
      path: "/v1/reservations",
      roles: ["checkout"],
      owned: { kind: "CUSTOMER", by: "customerId" },
      tag: TAG,
      summary: "Take units of several skus out of a store's stock, for a time",
      description: "All lines or none. A refusal names every line that is short.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({
        storeId: storeId.optional(),
        lines: z
          .array(z.strictObject({ sku, qty: quantity }))
          .min(1)
          .max(LINES_MAX),
        mode: reserveMode,
        replace: replaceOwn,
        ttlSeconds: ttlSeconds.optional().meta({
          description: `Else as the sale's rules say, or ${TTL_SECONDS_DEFAULT}.`,
        }),
        customerId: userId.optional(),
      }),
      answers: {
        202: {
          description: "Held until `expiresAt`.",
          body: granted,
          headers: { Location: "Where to read it." },
        },
      },
      problems: ["STORE_NOT_FOUND", ...TAKING_PROBLEMS],
    },
    request_budget_ms,
    async ({ body, key, context }) => {
      const { storeId: store_id = default_store, ttlSeconds: ttl_seconds, customerId = "" } = body;
      const summed = summedLines(body.lines);
      const hold = await inStore(deps, store_id, () =>
        inventory.createHold(
          {
            route: "v1_reserve",
            lines: summed.map(({ sku, qty }) => ({ sku, store_id, quantity: qty })),
            user_id: customerId,
            ttl_seconds: ttl_seconds ?? TTL_SECONDS_DEFAULT,
            ttl_is_usual: ttl_seconds === undefined,
            idempotency_key: key,
            ...{ partial: body.mode === "partial", replace: body.replace },
            recordedHold: () =>
              recordedHold(
                deps,
                customerId,
                summed.map(({ sku }) => sku),
              ),
          },
          context,
        ),
      );
      return {
        status: 202,
        replayed: hold.replayed,
        headers: { Location: `/v1/reservations/${hold.hold_id}` },
        body: {
          reservationId: hold.hold_id,
          storeId: store_id,
          status: "CREATED" satisfies Status,
          lines: grantedLines(summed, hold.granted, body.mode === "partial"),
          expiresAt: isoTime(hold.expires_at),
          createdAt: isoTime(hold.created_at),
          version: FIRST_VERSION,
        },
      };
    },
  );

  const confirm = createConfirmRoute(deps);

  const cancel = route(
    {
      method: "POST",
      path: "/v1/reservations/{id}:cancel",
      roles: ["checkout"],
      owned: { kind: "HOLD", by: "id" },
      tag: TAG,
      summary: "Give back what is reserved",
      idempotency_key: "REQUIRED",
      params,
      body: z.strictObject({ reason: z.enum(CANCEL_REASONS).optional() }),
      answers: { 202: { description: "Given back.", body: cancelled } },
      problems: ["HOLD_ALREADY_CONFIRMED", "HOLD_NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { id }, body: { reason = "" }, key, context }) => {
      const ending = await inventory.cancelHold(
        { route: "v1_cancel", hold_id: knownForm(id), reason, idempotency_key: key },
        context,
      );
      return {
        status: 202,
        replayed: ending.replayed,
        body: { reservationId: id, status: ending.status },
      };
    },
  );

  const read = route(
    {
      method: "GET",
      path: "/v1/reservations/{id}",
      roles: ["checkout", "operator", "viewer"],
      owned: { kind: "HOLD", by: "id" },
      tag: TAG,
      summary: "Look a reservation up",
      projection: true,
      params,
      answers: { 200: { description: "The reservation.", body: shown } },
      problems: ["HOLD_NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { id }, context }) => {
      const { hold, from } = await findHold(deps, id, context);
      // Read once more behind the lag, or the lag would not count what was recorded between the two.
      const { recorded, lag_ms } =
        from === "REDIS"
          ? { recorded: hold, lag_ms: 0 }
          : await readRecorded(deps, context, () => deps.ledger.readHold(id));
      const shown = recorded ?? hold;
      return {
        status: 200,
        lag_ms,
        body: present({ ...shown, status: statusAt(shown, inventory.now()) }),
      };
    },
  );

  const list = route(
    {
      method: "GET",
      path: "/v1/reservations",
      roles: ["checkout", "operator", "viewer"],
      owned: { kind: "CUSTOMER", by: "customerId" },
      tag: TAG,
      summary: "Reservations, newest first",
      description: "As recorded: `status` too is the one the ledger has.",
      projection: true,
      query: z.strictObject({
        customerId: userId.optional(),
        sku: sku.optional(),
        status: z.enum(STATUSES).optional(),
        limit,
        cursor: cursor(z.string().regex(HOLD_ID_PATTERN, "is not a cursor of this list")),
      }),
      answers: { 200: { description: "A page of them.", body: pageOf(shown) } },
    },
    request_budget_ms,
    async ({ query, context }) => {
      const { recorded: page, lag_ms } = await readRecorded(deps, context, () =>
        history.listHolds({
          user_id: query.customerId,
          sku: query.sku,
          status: query.status && holdStatusOf(query.status),
          limit: query.limit,
          before: query.cursor,
        }),
      );
      return { status: 200, lag_ms, body: presentPage(page, present) };
    },
  );

  return [create, confirm, cancel, read, list];
}

function present(hold: Hold): z.infer<typeof shown> {
  return {
    reservationId: hold.hold_id,
    storeId: hold.lines[0]?.store_id ?? "",
    status: statusOf(hold.status),
    lines: hold.lines.map(({ sku, quantity }) => ({ sku, qty: quantity })),
    expiresAt: isoTime(hold.expires_at),
    createdAt: isoTime(hold.created_at),
    version: hold.version,
    ...(hold.user_id ? { customerId: hold.user_id } : {}),
    ...(hold.ended_at === undefined ? {} : { endedAt: isoTime(hold.ended_at) }),
    ...(hold.order_id === undefined ? {} : { orderId: hold.order_id }),
    ...(hold.payment_ref ? { paymentRef: hold.payment_ref } : {}),
    ...(hold.late ? { late: true } : {}),
  };
}
