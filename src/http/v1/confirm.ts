import { z } from "zod";
import type { HoldStatus } from "../../domain/hold.ts";
import {
  CONFIRM_PROBLEMS,
  confirmHold,
  onExpired,
  partLines,
  presentSale,
  sold,
} from "../confirming.ts";
import type { RouteDeps } from "../deps.ts";
import { holdId, isoTime, orderId, paymentRef, time } from "../fields.ts";
import { type Route, route } from "../route.ts";

const confirmed = z.object({
  reservationId: holdId,
  status: z.literal("CONFIRMED"),
  orderId,
  paymentRef: paymentRef.optional(),
  confirmedAt: time,
  ...sold,
});

/** Sells what is reserved, also for a payment that comes late. */
export function createConfirmRoute(deps: RouteDeps): Route {
  return route(
    {
      method: "POST",
      path: "/v1/reservations/{id}:confirm",
      roles: ["checkout"],
      owned: { kind: "HOLD", by: "id" },
      tag: "Reservations",
      summary: "Sell what is reserved",
      idempotency_key: "REQUIRED",
      params: z.object({ id: holdId }),
      body: z.strictObject({ paymentRef: paymentRef.optional(), lines: partLines, onExpired }),
      body_example: { paymentRef: "pay_81" },
      answers: { 202: { description: "Sold.", body: confirmed } },
      problems: CONFIRM_PROBLEMS,
    },
    deps.request_budget_ms,
    async ({ params: { id: hold_id }, body, key, context }) => {
      const { paymentRef: payment_ref = "", lines, onExpired: on_expired } = body;
      const order = await confirmHold(
        deps,
        { route: "v1_confirm", hold_id, payment_ref, lines, on_expired, idempotency_key: key },
        context,
      );
      return {
        status: 202,
        replayed: order.replayed,
        body: {
          reservationId: hold_id,
          status: "CONFIRMED" satisfies HoldStatus,
          orderId: order.order_id,
          ...(payment_ref ? { paymentRef: payment_ref } : {}),
          confirmedAt: isoTime(order.confirmed_at),
          ...presentSale(order),
        },
      };
    },
  );
}
