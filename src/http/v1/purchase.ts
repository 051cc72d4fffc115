import { z } from "zod";
import type { HoldStatus } from "../../domain/hold.ts";
import { POLICIES } from "../../domain/stock.ts";
import type { RouteDeps } from "../deps.ts";
import { holdId, isoTime, orderId, quantity, sku, storeId, time, userId } from "../fields.ts";
import { TAKING_PROBLEMS } from "../problem-kinds.ts";
import { type Route, route } from "../route.ts";

const purchased = z.object({
  reservationId: holdId,
  orderId,
  sku,
  qty: quantity,
  storeId: storeId.meta({ description: "The store it was sold from." }),
  customerId: userId.optional(),
  status: z.literal("CONFIRMED"),
  purchasedAt: time,
});

export function createPurchaseRoutes({ stock, request_budget_ms }: RouteDeps): Route[] {
  const purchase = route(
    {
      method: "POST",
      path: "/v1/purchase",
      roles: ["checkout"],
      owned: { kind: "CUSTOMER", by: "customerId" },
      tag: "Reservations",
      summary: "Pick a store and sell from it, in one step",
      description:
        "`highest-available`: the store that has most. `lowest-latency`: the one with the lowest `latencyRank` of those that have enough. `round-robin`: each of those that have enough in turn. A refusal says how many the best store has, and how many all have together.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({
        sku,
        qty: quantity,
        customerId: userId.optional(),
        policy: z.enum(POLICIES).default("highest-available"),
      }),
      answers: {
        202: { description: "Sold.", body: purchased, headers: { Location: "Where to read it." } },
      },
      problems: [...TAKING_PROBLEMS],
    },
    request_budget_ms,
    async ({ body: { sku, qty, customerId, policy }, key, context }) => {
      const sold = await stock.purchase(
        { sku, quantity: qty, user_id: customerId ?? "", policy },
        key,
        context,
      );
      return {
        status: 202,
        replayed: sold.replayed,
        headers: { Location: `/v1/reservations/${sold.hold_id}` },
        body: {
          reservationId: sold.hold_id,
          orderId: sold.order_id,
          sku,
          qty,
          storeId: sold.store_id,
          ...(customerId === undefined ? {} : { customerId }),
          status: "CONFIRMED" satisfies HoldStatus,
          purchasedAt: isoTime(sold.confirmed_at),
        },
      };
    },
  );

  return [purchase];
}
