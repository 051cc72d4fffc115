import { z } from "zod";
import { newEventId, ORDER_ID_PATTERN } from "../../domain/ids.ts";
import { LINES_MAX } from "../../domain/limits.ts";
import { Rejection } from "../../domain/rejection.ts";
import type { OrderReturn } from "../../domain/returns.ts";
import { monotonicNow } from "../../now.ts";
import { createReturns, type NewReturn } from "../../postgres/returns.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { doerOf, type RequestContext } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { isoTime, orderId, quantity, sku, storeId, time } from "../fields.ts";
import { afterCommit, askLedger, writeLedger } from "../ledger-call.ts";
import { summedLines } from "../lines.ts";
import { LedgerUnavailable } from "../problem.ts";
import { type Route, route } from "../route.ts";
import { eventId } from "./levels.ts";
import { orderNotFound } from "./orders.ts";
import { reason, restock } from "./return-fields.ts";

const returned = z.object({
  returnId: eventId,
  orderId,
  restock,
  reason: reason.optional(),
  lines: z.array(z.object({ sku, storeId, qty: z.int().meta({ example: 1 }) })),
  returnedAt: time,
});

export function createReturnRoutes(deps: RouteDeps): Route[] {
  const { stock, request_budget_ms } = deps;
  const returns = createReturns(deps.pool);

  const create = route(
    {
      method: "POST",
      path: "/v1/orders/{orderId}:return",
      roles: ["inventory"],
      tag: "Orders",
      summary: "Take back what was sold",
      description:
        "All lines or none, and of each at most what was sold and has not come back. Units go to the store they were sold from. Stock changes in a second step: when that one fails the answer is OUTCOME_UNKNOWN, and the same request again does it, or the worker does within seconds; once in any case.",
      idempotency_key: "REQUIRED",
      params: z.object({ orderId }),
      body: z.strictObject({
        lines: z
          .array(z.strictObject({ sku, qty: quantity }))
          .min(1)
          .max(LINES_MAX),
        restock: restock.default(true),
        reason: reason.optional(),
      }),
      answers: { 202: { description: "Taken back.", body: returned } },
      problems: ["NOT_FOUND", "RETURN_EXCEEDS_SOLD"],
    },
    request_budget_ms,
    async ({ params: { orderId: order_id }, body, key, context }) => {
      if (!ORDER_ID_PATTERN.test(order_id)) throw orderNotFound();
      const { restock, reason = null } = body;
      const wanted = summedLines(body.lines);
      const fingerprint = fingerprintOf([order_id, wanted, restock, reason]);
      const { promise, replayed } = await promiseReturn(
        { event_id: newEventId(), order_id, wanted, restock, reason },
        { route: "return_order", key, fingerprint, by: doerOf(context) },
        context,
      );
      const { returned_at } = await keepPromise(promise, replayed, context);
      return { status: 202, replayed, body: present(promise, returned_at) };
    },
  );

  // An order is recorded a moment after it was sold: one that is not there yet is waited for.
  async function promiseReturn(
    input: NewReturn,
    call: Parameters<typeof returns.promiseReturn>[1],
    context: RequestContext,
  ) {
    const ask = () => writeLedger(context, returns.promiseReturn(input, call));
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Rejection) || error.code !== "NOT_FOUND") throw error;
      const half_ms = (context.deadline - monotonicNow()) / 2;
      if (await deps.untilRecorded(half_ms)) return ask();
      throw new LedgerUnavailable("The ledger may not know the order yet.");
    }
  }

  // A replay may be there to finish what the first request could not.
  async function keepPromise(promise: OrderReturn, replayed: boolean, context: RequestContext) {
    const returned_at = replayed
      ? await askLedger(context, returns.readReturnedAt(promise.event_id))
      : null;
    if (returned_at !== null) return { returned_at };
    return afterCommit(stock.returnUnits(promise, context));
  }

  return [create];
}

function present(promise: OrderReturn, returned_at: number): z.infer<typeof returned> {
  const { event_id, order_id, restock, reason, lines } = promise;
  return {
    returnId: event_id,
    orderId: order_id,
    restock,
    ...(reason === null ? {} : { reason }),
    lines: lines.map(({ sku, store_id, quantity }) => ({ sku, storeId: store_id, qty: quantity })),
    returnedAt: isoTime(returned_at),
  };
}
