import { z } from "zod";
import { ORDER_ID_PATTERN } from "../../domain/ids.ts";
import { Rejection } from "../../domain/rejection.ts";
import { createHistory } from "../../postgres/history.ts";
import type { Order } from "../../postgres/history-holds.ts";
import type { RouteDeps } from "../deps.ts";
import {
  cursor,
  holdId,
  isoTime,
  limit,
  orderId,
  pageOf,
  paymentRef,
  presentPage,
  sku,
  storeId,
  time,
  userId,
} from "../fields.ts";
import { readRecorded } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";
import { eventId } from "./levels.ts";
import { reason, restock } from "./return-fields.ts";

const TAG = "Orders";
const line = z.object({
  sku,
  storeId,
  qty: z.int().meta({ description: "Units sold.", example: 2 }),
  returned: z.int().meta({ description: "Units of them that came back.", example: 1 }),
  returns: z.array(
    z.object({
      returnId: eventId,
      qty: z.int().meta({ example: 1 }),
      restock,
      reason: reason.optional(),
      returnedAt: time.optional().meta({ description: "Missing until it is recorded." }),
    }),
  ),
});
const shown = z.object({
  orderId,
  reservationId: holdId,
  customerId: userId.optional(),
  paymentRef: paymentRef.optional(),
  confirmedAt: time,
  late: z.boolean().meta({
    description:
      "Whether it was sold after the reservation's deadline, for a payment that came late.",
    example: false,
  }),
  lines: z.array(line),
});

/** What was sold: an order for each reservation that was confirmed, and for each purchase. */
export function createOrderRoutes(deps: RouteDeps): Route[] {
  const { request_budget_ms } = deps;
  const history = createHistory(deps.pool);

  const list = route(
    {
      method: "GET",
      path: "/v1/orders",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: { kind: "CUSTOMER", by: "customerId" },
      tag: TAG,
      summary: "Orders, newest first",
      description: "As recorded: a sale is there a moment after it was answered.",
      projection: true,
      query: z.strictObject({
        customerId: userId.optional(),
        limit,
        cursor: cursor(z.string().regex(ORDER_ID_PATTERN, "is not a cursor of this list")),
      }),
      answers: { 200: { description: "A page of them.", body: pageOf(shown) } },
    },
    request_budget_ms,
    async ({ query: { customerId, limit, cursor }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        history.listOrders({ user_id: customerId, limit, before: cursor }),
      );
      return { status: 200, lag_ms, body: presentPage(recorded, present) };
    },
  );

  const read = route(
    {
      method: "GET",
      path: "/v1/orders/{orderId}",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: { kind: "ORDER", by: "orderId" },
      tag: TAG,
      summary: "Look an order up",
      projection: true,
      params: z.object({ orderId }),
      answers: { 200: { description: "The order.", body: shown } },
      problems: ["NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { orderId }, context }) => {
      // What can't be an order's id is an order that does not exist, to the caller.
      if (!ORDER_ID_PATTERN.test(orderId)) throw orderNotFound();
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        history.readOrder(orderId),
      );
      if (!recorded) throw orderNotFound();
      return { status: 200, lag_ms, body: present(recorded) };
    },
  );

  return [list, read];
}

export const orderNotFound = () =>
  new Rejection("NOT_FOUND", "There is no such order. One that was made just now may yet come.");

function present(order: Order): z.infer<typeof shown> {
  return {
    orderId: order.order_id,
    reservationId: order.hold_id,
    ...(order.user_id ? { customerId: order.user_id } : {}),
    ...(order.payment_ref ? { paymentRef: order.payment_ref } : {}),
    confirmedAt: isoTime(order.confirmed_at),
    late: order.late,
    lines: order.lines.map((line) => presentLine(line, order)),
  };
}

function presentLine(
  { sku, store_id, quantity }: Order["lines"][number],
  { returns }: Order,
): z.infer<typeof line> {
  const of_line = returns.filter((back) => back.sku === sku && back.store_id === store_id);
  return {
    sku,
    storeId: store_id,
    qty: quantity,
    returned: of_line.reduce((sum, back) => sum + back.quantity, 0),
    returns: of_line.map(({ event_id, quantity, restock, reason, returned_at }) => ({
      returnId: event_id,
      qty: quantity,
      restock,
      ...(reason === null ? {} : { reason }),
      ...(returned_at === null ? {} : { returnedAt: isoTime(returned_at) }),
    })),
  };
}
