import { z } from "zod";
import { ADJUSTMENT_REASONS } from "../../domain/reasons.ts";
import type { RouteDeps } from "../deps.ts";
import { isoTime, onHand, sku, storeId, time, traceId } from "../fields.ts";
import { type Route, route } from "../route.ts";
import {
  delta,
  eventId,
  levels,
  notes,
  presentLevels,
  reference,
  shortfall,
  shortfallOf,
} from "./levels.ts";

const TAG = "Stock";
const reason = z.enum(ADJUSTMENT_REASONS);

const changed = z.object({ eventId, sku, storeId, ...levels, occurredAt: time });
const adjusted = changed.extend({
  delta,
  reason,
  reference: reference.optional(),
  notes: notes.optional(),
});
const counted = changed.extend({
  difference: z.int().meta({ description: "What this changed on hand.", example: -2 }),
  shortfall,
});

export function createStockRoutes({ stock, default_store, request_budget_ms }: RouteDeps): Route[] {
  const adjust = route(
    {
      method: "POST",
      path: "/v1/adjustments",
      roles: ["inventory"],
      tag: TAG,
      summary: "Add units to a store's stock, or take them away",
      description: "Naming a store creates it. Units that are reserved can't be taken away.",
      idempotency_key: "REQUIRED",
      if_match: true,
      body: z.strictObject({
        storeId: storeId.optional(),
        sku,
        delta,
        reason,
        reference: reference.optional(),
        notes: notes.optional(),
        traceId: traceId.optional(),
      }),
      answers: { 202: { description: "Changed.", body: adjusted } },
      problems: ["VERSION_CONFLICT", "WOULD_GO_NEGATIVE"],
    },
    request_budget_ms,
    async ({ body, key, if_version, context }) => {
      const { sku, delta, reason, reference, notes, traceId: trace_id } = body;
      const store_id = body.storeId ?? default_store;
      const said = { reason, reference, notes, trace_id };
      const request = [sku, store_id, delta, if_version, reason, reference, notes, trace_id];
      const after = await stock.changeStock(
        { sku, store_id, operation: "ADJUST", units: delta, if_version, ...said },
        { route: "adjust", key, request },
        context,
      );
      return {
        status: 202,
        replayed: after.replayed,
        body: {
          eventId: after.event_id,
          sku,
          storeId: store_id,
          delta,
          reason,
          ...presentLevels(after),
          occurredAt: isoTime(after.occurred_at),
          ...(reference === undefined ? {} : { reference }),
          ...(notes === undefined ? {} : { notes }),
        },
      };
    },
  );

  const count = route(
    {
      method: "POST",
      path: "/v1/items:set-absolute",
      roles: ["inventory"],
      tag: TAG,
      summary: "Set a store's stock to what was counted",
      description:
        "Reservations stay: what is available becomes what was counted less what is reserved. When fewer were counted than are reserved, nothing is available any more, and `shortfall` says how many are missing.",
      idempotency_key: "REQUIRED",
      if_match: true,
      body: z.strictObject({
        storeId: storeId.optional(),
        sku,
        onHand,
        countRef: reference.optional(),
      }),
      answers: { 202: { description: "Counted.", body: counted } },
      problems: ["VERSION_CONFLICT"],
    },
    request_budget_ms,
    async ({ body, key, if_version, context }) => {
      const { sku, onHand: units, countRef: reference } = body;
      const store_id = body.storeId ?? default_store;
      const after = await stock.changeStock(
        { sku, store_id, operation: "COUNT", units, if_version, reason: "count", reference },
        { route: "count", key, request: [sku, store_id, units, if_version, reference] },
        context,
      );
      return {
        status: 202,
        replayed: after.replayed,
        body: {
          eventId: after.event_id,
          sku,
          storeId: store_id,
          ...presentLevels(after),
          difference: after.available_delta,
          shortfall: shortfallOf(after.held, units),
          occurredAt: isoTime(after.occurred_at),
        },
      };
    },
  );

  return [adjust, count];
}
