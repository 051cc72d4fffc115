import type { OrderReturn } from "../domain/returns.ts";
import { actorOf, type CallContext, commonRefusal, type createSubmit } from "./deciding.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { lineArgs } from "./hold-lines.ts";
import type { Keys } from "./keys.ts";

/**
 * Takes units back that a return has promised. The API does it at once, and the worker's keeper when the API
 * may not have: the promise's event_id is the key, and both ask in the same words, so it happens once.
 */
export function createReturning(submit: ReturnType<typeof createSubmit>, keys: Keys) {
  return async function returnUnits(
    promise: OrderReturn,
    context: CallContext,
  ): Promise<{ returned_at: number }> {
    const { event_id, order_id, hold_id, user_id, restock, reason, lines } = promise;
    const tuple = await submit("return_units", context, {
      keys: [keys.idem("return", event_id), ...lines.flatMap(keys.ofStock)],
      args: [
        event_id,
        context.request_id,
        fingerprintOf(["return", order_id, restock]),
        actorOf(context),
        ...[order_id, hold_id, user_id, restock ? "1" : "0", reason ?? ""],
        ...lineArgs(lines),
      ],
    });
    if (tuple[0] !== "RETURNED" && tuple[0] !== "REPLAYED") throw commonRefusal(tuple);
    return { returned_at: Number(tuple[2]) };
  };
}
