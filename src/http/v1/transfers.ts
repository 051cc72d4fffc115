import { z } from "zod";
import { LINES_MAX, UNITS_MAX } from "../../domain/limits.ts";
import type { RouteDeps } from "../deps.ts";
import { isoTime, sku, storeId, time, traceId } from "../fields.ts";
import { summedLines } from "../lines.ts";
import { type Route, route } from "../route.ts";
import { inStore } from "../stores-known.ts";
import { eventId } from "./levels.ts";

const line = z.strictObject({
  sku,
  qty: z.int().min(1).max(UNITS_MAX).meta({ description: "Units.", example: 20 }),
});
const transferred = z.object({
  transferId: eventId,
  fromStore: storeId,
  toStore: storeId,
  lines: z.array(line),
  occurredAt: time,
});

export function createTransferRoutes(deps: RouteDeps): Route[] {
  const transfer = route(
    {
      method: "POST",
      path: "/v1/transfers",
      roles: ["inventory"],
      tag: "Stock",
      summary: "Move units from one store to another",
      description:
        "All lines or none. What is reserved stays where it is. Naming a store to move to creates it. A refusal names every line that is short.",
      idempotency_key: "REQUIRED",
      body: z
        .strictObject({
          fromStore: storeId,
          toStore: storeId.meta({ example: "berlin" }),
          lines: z.array(line).min(1).max(LINES_MAX),
          traceId: traceId.optional(),
        })
        .refine(({ fromStore, toStore }) => fromStore !== toStore, {
          path: ["toStore"],
          message: "must be another store than fromStore",
        }),
      answers: { 202: { description: "Moved.", body: transferred } },
      problems: ["STORE_NOT_FOUND", "UNKNOWN_SKU", "WOULD_GO_NEGATIVE"],
    },
    deps.request_budget_ms,
    async ({ body: { fromStore, toStore, traceId, ...body }, key, context }) => {
      const lines = summedLines(body.lines, UNITS_MAX);
      const moved = await inStore(deps, fromStore, () =>
        deps.stock.transferStock(
          {
            from_store: fromStore,
            to_store: toStore,
            lines: lines.map(({ sku, qty }) => ({ sku, quantity: qty })),
            trace_id: traceId,
          },
          key,
          context,
        ),
      );
      return {
        status: 202,
        replayed: moved.replayed,
        body: {
          transferId: moved.event_id,
          fromStore,
          toStore,
          lines,
          occurredAt: isoTime(moved.occurred_at),
        },
      };
    },
  );

  return [transfer];
}
