import { z } from "zod";
import { Rejection } from "../../domain/rejection.ts";
import { type RecordRoute, readRecords } from "../../postgres/once.ts";
import type { IdemRoute } from "../../redis/keys.ts";
import { scopedKey } from "../access/caller.ts";
import { camelCased } from "../camel-case.ts";
import type { RouteDeps } from "../deps.ts";
import { HOLD_ID_EXAMPLE, isoTime, ORDER_ID_EXAMPLE, time } from "../fields.ts";
import { askLedger } from "../ledger-call.ts";
import { idempotencyKey } from "../parse.ts";
import { type Route, route } from "../route.ts";
import { presentLevels } from "./levels.ts";

const recorded = z.object({
  key: idempotencyKey.meta({ example: "cart-17" }),
  items: z.array(
    z.object({
      route: z.string().meta({
        description: "What was asked under this key.",
        example: "POST /v1/purchase",
      }),
      recordedAt: time,
      result: z.record(z.string(), z.unknown()).meta({
        description: "What came of it. Of a request of many lines: what came of its first line.",
        example: {
          reservationId: HOLD_ID_EXAMPLE,
          orderId: ORDER_ID_EXAMPLE,
          storeId: "main",
          purchasedAt: "2026-11-21T02:17:51.048Z",
        },
      }),
    }),
  ),
});

export function createIdempotencyRoutes({ records, pool, request_budget_ms }: RouteDeps): Route[] {
  const read = route(
    {
      method: "GET",
      path: "/v1/idempotency/{key}",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: "NOBODYS",
      tag: "Operation",
      summary: "What an idempotency key did in the last 24 hours",
      description:
        "Each route has keys of its own, so one word may have done several things. A caller sees its own keys. Refusals are not remembered.",
      projection: true,
      params: z.object({ key: idempotencyKey.meta({ example: "cart-17" }) }),
      answers: { 200: { description: "What it did.", body: recorded } },
      problems: ["NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { key }, context }) => {
      // Both must answer: half of the truth would look like all of it.
      const [in_redis, in_postgres] = await Promise.all([
        records.find(scopedKey(context.caller, key)),
        askLedger(context, readRecords(pool, scopedKey(context.caller, key))),
      ]);
      const items = [
        ...in_redis.map(({ route, words, recorded_at }) => ({
          ...STOCK_ROUTES[route](words),
          recorded_at,
        })),
        ...in_postgres.map(({ route, result, recorded_at }) => ({
          route: RECORD_ROUTES[route],
          result: camelCased(result),
          recorded_at,
        })),
      ];
      if (items.length === 0) {
        throw new Rejection("NOT_FOUND", "This key did nothing in the last 24 hours.");
      }
      items.sort((a, b) => a.recorded_at - b.recorded_at);
      return {
        status: 200,
        lag_ms: 0,
        body: {
          key,
          items: items.map(({ route, recorded_at, result }) => ({
            route,
            recordedAt: isoTime(recorded_at),
            result,
          })),
        },
      };
    },
  );

  return [read];
}

type Words = string[];
type Told = { route: string; result: object };

// What lua/ remembers of each, in its order of words.
const reserved =
  (route: string) =>
  ([hold_id, expires_at]: Words): Told => ({
    route,
    result: { reservationId: hold_id, expiresAt: isoTime(Number(expires_at)) },
  });
const confirmed =
  (route: string) =>
  ([order_id, confirmed_at]: Words): Told => ({
    route,
    result: { orderId: order_id, confirmedAt: isoTime(Number(confirmed_at)) },
  });
const cancelled =
  (route: string) =>
  ([status]: Words): Told => ({ route, result: { status } });
const purchased =
  (route: string) =>
  ([hold_id, order_id, store_id, confirmed_at]: Words): Told => ({
    route,
    result: {
      reservationId: hold_id,
      orderId: order_id,
      storeId: store_id,
      purchasedAt: isoTime(Number(confirmed_at)),
    },
  });
const transferred =
  (route: string) =>
  ([event_id, occurred_at]: Words): Told => ({
    route,
    result: { transferId: event_id, occurredAt: isoTime(Number(occurred_at)) },
  });
const changed =
  (route: string) =>
  ([event_id, ...numbers]: Words): Told => {
    const [occurred_at = 0, available = 0, held = 0, version = 0, delta = 0] = numbers.map(Number);
    const levels = presentLevels({ available, held, version });
    return {
      route,
      result: { eventId: event_id, delta, ...levels, occurredAt: isoTime(occurred_at) },
    };
  };

const rulesSet =
  (route: string) =>
  ([, version, changed_at]: Words): Told => ({
    route,
    result: { version: Number(version), changedAt: isoTime(Number(changed_at)) },
  });

const extended =
  (route: string) =>
  ([, expires_at]: Words): Told => ({ route, result: { expiresAt: isoTime(Number(expires_at)) } });
const relined =
  (route: string) =>
  ([word, , version]: Words): Told => ({
    route,
    result: { status: word === "CANCELLED" ? word : "CREATED", version: Number(version) },
  });
const unfulfilled =
  (route: string) =>
  ([payment_id, why, occurred_at]: Words): Told => ({
    route,
    result: { paymentId: payment_id, why, occurredAt: isoTime(Number(occurred_at)) },
  });
const joined =
  (route: string) =>
  ([waiter_id, joined_at, position]: Words): Told => ({
    route,
    result: {
      waiterId: waiter_id,
      joinedAt: isoTime(Number(joined_at)),
      position: Number(position),
    },
  });

const returned =
  (route: string) =>
  ([event_id, returned_at]: Words): Told => ({
    route,
    result: { returnId: event_id, returnedAt: isoTime(Number(returned_at)) },
  });

const STOCK_ROUTES: Record<IdemRoute, (words: Words) => Told> = {
  reserve: reserved("POST /holds/reserve"),
  confirm: confirmed("POST /holds/confirm"),
  cancel: cancelled("POST /holds/cancel"),
  v1_reserve: reserved("POST /v1/reservations"),
  v1_confirm: confirmed("POST /v1/reservations/{id}:confirm"),
  v1_cancel: cancelled("POST /v1/reservations/{id}:cancel"),
  purchase: purchased("POST /v1/purchase"),
  adjust: changed("POST /v1/adjustments"),
  count: changed("POST /v1/items:set-absolute"),
  transfer: transferred("POST /v1/transfers"),
  reconcile: changed("POST /v1/reconciliations"),
  bulk: changed("POST /v1/stock:bulk"),
  product: changed("POST /v1/products, its stock"),
  seed: changed("npm run seed"),
  rules: rulesSet("PUT or DELETE /v1/rules/{sku}"),
  extend: extended("POST /holds/extend"),
  v1_extend: extended("POST /v1/reservations/{id}:extend"),
  change: relined("PATCH /v1/reservations/{id}"),
  payment: unfulfilled("a confirm whose payment could not be fulfilled"),
  waitlist_join: joined("POST /v1/waitlist"),
  waitlist_leave: cancelled("DELETE /v1/waitlist/{id}"),
  return: returned("POST /v1/orders/{orderId}:return, its units"),
};

const RECORD_ROUTES: Record<RecordRoute, string> = {
  create_product: "POST /v1/products",
  update_product: "PUT /v1/products/{sku}",
  delete_product: "DELETE /v1/products/{sku}",
  put_store: "POST /v1/stores",
  rebuild_projections: "POST /v1/projections/rebuild",
  replay_dead_letters: "POST /v1/dlt/replay",
  approve_recovery: "POST /v1/recovery:approve",
  resolve_payment: "POST /v1/unfulfilled-payments/{id}:resolve",
  return_order: "POST /v1/orders/{orderId}:return",
  create_key: "POST /v1/keys",
  rotate_key: "POST /v1/keys/{id}:rotate",
  revoke_key: "DELETE /v1/keys/{id}",
  recount_customers: "POST /v1/audit:recount",
};
