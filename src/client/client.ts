import { createBulk } from "./bulk.ts";
import { createCalling } from "./calling.ts";
import { createRequest } from "./request.ts";
import type { ClientSettings } from "./settings.ts";

export type { BulkLine } from "./bulk.ts";
export {
  HoldfastProblem,
  HoldfastUnanswered,
  isProblem,
  type Problem,
  type ProblemCode,
} from "./problem.ts";
export type { Answer, CallOptions, ClientSettings, RequestOptions } from "./settings.ts";
export type { Calls } from "./types/calls.ts";

export type Client = ReturnType<typeof createClient>;

/**
 * A client of one service. Its functions need no `this`, return the body of the answer, and take as
 * their last argument how to ask. They throw HoldfastProblem, HoldfastUnanswered, or the reason of an
 * aborted signal.
 */
export function createClient(settings: ClientSettings) {
  const request = createRequest(settings);
  const { plain, list, send, plainOf, listOf, sendTo } = createCalling(request);

  return {
    /** Any call, and all that its answer has. */
    request,
    /** `{ status: "ready" }`, or what is missing. It is asked once. */
    ready: plain("GET /ready", { accept: 503, tries: 1 }),
    health: plain("GET /health"),
    metrics: plain("GET /metrics"),
    openapi: plain("GET /openapi.json"),
    holds: {
      reserve: send("POST /holds/reserve"),
      extend: send("POST /holds/extend"),
      confirm: send("POST /holds/confirm"),
      cancel: send("POST /holds/cancel"),
      get: plainOf("GET /holds/{hold_id}"),
    },
    reservations: {
      create: send("POST /v1/reservations"),
      confirm: sendTo("POST /v1/reservations/{id}:confirm"),
      cancel: sendTo("POST /v1/reservations/{id}:cancel"),
      extend: sendTo("POST /v1/reservations/{id}:extend"),
      change: sendTo("PATCH /v1/reservations/{id}"),
      get: plainOf("GET /v1/reservations/{id}"),
      list: list("GET /v1/reservations"),
    },
    purchase: send("POST /v1/purchase"),
    stock: {
      availability: list("GET /v1/availability"),
      availabilityOf: listOf("GET /v1/items/{sku}/availability"),
      level: listOf("GET /v1/items/{sku}/level"),
      adjust: send("POST /v1/adjustments"),
      setAbsolute: send("POST /v1/items:set-absolute"),
      transfer: send("POST /v1/transfers"),
      reconcile: send("POST /v1/reconciliations"),
      bulk: createBulk(request),
    },
    products: {
      create: send("POST /v1/products"),
      change: sendTo("PUT /v1/products/{sku}"),
      delete: plainOf("DELETE /v1/products/{sku}"),
      get: plainOf("GET /v1/products/{sku}"),
      list: list("GET /v1/products"),
      totals: list("GET /v1/products/totals"),
      movements: listOf("GET /v1/products/{sku}/movements"),
    },
    stores: {
      create: send("POST /v1/stores"),
      list: plain("GET /v1/stores"),
    },
    rules: {
      list: list("GET /v1/rules"),
      set: sendTo("PUT /v1/rules/{sku}"),
      get: plainOf("GET /v1/rules/{sku}"),
      delete: plainOf("DELETE /v1/rules/{sku}"),
    },
    waitlist: {
      join: send("POST /v1/waitlist"),
      get: plainOf("GET /v1/waitlist/{id}"),
      leave: plainOf("DELETE /v1/waitlist/{id}"),
    },
    payments: {
      unfulfilled: list("GET /v1/unfulfilled-payments"),
      get: plainOf("GET /v1/unfulfilled-payments/{id}"),
      resolve: sendTo("POST /v1/unfulfilled-payments/{id}:resolve"),
    },
    orders: {
      list: list("GET /v1/orders"),
      get: plainOf("GET /v1/orders/{orderId}"),
      return: sendTo("POST /v1/orders/{orderId}:return"),
    },
    events: list("GET /v1/events"),
    keys: {
      /** The answer's `key` is told once: asked for again, it is null, and rotate makes another. */
      create: send("POST /v1/keys"),
      rotate: sendTo("POST /v1/keys/{id}:rotate"),
      revoke: plainOf("DELETE /v1/keys/{id}"),
      list: plain("GET /v1/keys"),
    },
    operation: {
      idempotency: plainOf("GET /v1/idempotency/{key}"),
      projections: plain("GET /v1/projections/status"),
      rebuild: plain("POST /v1/projections/rebuild"),
      deadLetters: list("GET /v1/dlt"),
      replay: send("POST /v1/dlt/replay"),
      recovery: plain("GET /v1/recovery"),
      approveRecovery: plain("POST /v1/recovery:approve"),
      audit: list("GET /v1/audit"),
      recount: send("POST /v1/audit:recount"),
      auditLog: list("GET /v1/audit-log"),
    },
  };
}
