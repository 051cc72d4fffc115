import { ORDER_ID_PATTERN, WAITER_ID_PATTERN } from "../../domain/ids.ts";
import type { Rejection } from "../../domain/rejection.ts";
import { createHistory } from "../../postgres/history.ts";
import { waiterNotFound } from "../../redis/waiting.ts";
import type { RequestContext } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { findHold, holdNotFound } from "../find-hold.ts";
import { askLedger } from "../ledger-call.ts";
import { orderNotFound } from "../v1/orders.ts";
import { findWaiter } from "../v1/waitlist.ts";
import type { OwnedKind } from "./owned.ts";

type Find = (id: string, context: RequestContext) => Promise<{ user_id: string } | null>;

/**
 * Looks whether a thing belongs to a customer. That never changes, so it may be looked at before anything is
 * decided. Somebody else's is answered just as one that does not exist.
 */
export function createOwnerCheck(deps: RouteDeps) {
  const history = createHistory(deps.pool);
  const kinds: Record<OwnedKind, { find: Find; notFound: () => Rejection }> = {
    HOLD: {
      find: async (id, context) => (await findHold(deps, id, context)).hold,
      notFound: holdNotFound,
    },
    ORDER: {
      find: async (id, context) =>
        ORDER_ID_PATTERN.test(id) ? askLedger(context, history.readOrder(id)) : null,
      notFound: orderNotFound,
    },
    WAITER: {
      find: async (id, context) =>
        WAITER_ID_PATTERN.test(id) ? (await findWaiter(deps, id, context)).waiter : null,
      notFound: waiterNotFound,
    },
  };
  return async (kind: OwnedKind, id: string, customer: string, context: RequestContext) => {
    const { find, notFound } = kinds[kind];
    const found = await find(id, context);
    if (found?.user_id !== customer) throw notFound();
  };
}
