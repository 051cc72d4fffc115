import type { RouteDeps } from "./deps.ts";
import { createDocRoutes } from "./docs.ts";
import { createExtendRoutes } from "./extend.ts";
import { createHealthRoutes } from "./health.ts";
import { createHoldRoutes } from "./holds.ts";
import { createProblemRoutes } from "./problem-page.ts";
import type { Route } from "./route.ts";
import { createAuditRoutes } from "./v1/audit.ts";
import { createAuditLogRoutes } from "./v1/audit-log.ts";
import { createAvailabilityRoutes } from "./v1/availability.ts";
import { createBulkRoutes } from "./v1/bulk.ts";
import { createDeadLetterRoutes } from "./v1/dead-letters.ts";
import { createEventRoutes } from "./v1/events.ts";
import { createIdempotencyRoutes } from "./v1/idempotency.ts";
import { createKeyRoutes } from "./v1/keys.ts";
import { createMovementRoutes } from "./v1/movements.ts";
import { createOrderRoutes } from "./v1/orders.ts";
import { createProductRoutes } from "./v1/products.ts";
import { createProjectionRoutes } from "./v1/projections.ts";
import { createPurchaseRoutes } from "./v1/purchase.ts";
import { createReconciliationRoutes } from "./v1/reconciliations.ts";
import { createRecoveryRoutes } from "./v1/recovery.ts";
import { createChangeRoutes } from "./v1/reservation-changes.ts";
import { createReservationRoutes } from "./v1/reservations.ts";
import { createReturnRoutes } from "./v1/returns.ts";
import { createRulesRoutes } from "./v1/rules.ts";
import { createStockRoutes } from "./v1/stock.ts";
import { createStoreRoutes } from "./v1/stores.ts";
import { createTransferRoutes } from "./v1/transfers.ts";
import { createUnfulfilledRoutes } from "./v1/unfulfilled-payments.ts";
import { createWaitlistRoutes } from "./v1/waitlist.ts";

/** Every route, the hot ones first: Express tries them in this order. */
export function createRoutes(deps: RouteDeps): Route[] {
  const routes = [
    ...createExtendRoutes(deps), // before `/holds/{hold_id}`, which would take its address
    ...createHoldRoutes(deps),
    ...createReservationRoutes(deps),
    ...createChangeRoutes(deps),
    ...createPurchaseRoutes(deps),
    ...createAvailabilityRoutes(deps),
    ...createStockRoutes(deps),
    ...createTransferRoutes(deps),
    ...createReconciliationRoutes(deps),
    ...createBulkRoutes(deps),
    ...createProductRoutes(deps),
    ...createStoreRoutes(deps),
    ...createRulesRoutes(deps),
    ...createWaitlistRoutes(deps),
    ...createUnfulfilledRoutes(deps),
    ...createReturnRoutes(deps),
    ...createOrderRoutes(deps),
    ...createMovementRoutes(deps),
    ...createEventRoutes(deps),
    ...createIdempotencyRoutes(deps),
    ...createProjectionRoutes(deps),
    ...createDeadLetterRoutes(deps),
    ...createRecoveryRoutes(deps),
    ...createAuditRoutes(deps),
    ...createAuditLogRoutes(deps),
    ...createKeyRoutes(deps),
    ...createHealthRoutes(deps.health),
    ...createProblemRoutes(),
  ];
  return [...routes, ...createDocRoutes(routes)];
}
