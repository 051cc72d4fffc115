import { createRequest } from "./request.ts";
import type { CallOptions, ClientSettings, Method, Query } from "./settings.ts";

export { HoldfastProblem, HoldfastUnanswered } from "./problem.ts";
export type { Answer, CallOptions, ClientSettings, RequestOptions } from "./settings.ts";

/** A client of one service. Its functions need no `this`; their last argument says how to ask. */
export function createClient(settings: ClientSettings) {
  const request = createRequest(settings);

  // What is not known yet to be of a type is `Body`.
  // biome-ignore lint/suspicious/noExplicitAny: until the operations are typed
  type Body = any;
  const send =
    (method: Method, path: string) =>
    async (body: Body, options?: CallOptions): Promise<Body> =>
      (await request<Body>(method, path, { ...options, body })).body;
  const sendTo =
    (method: Method, path: string) =>
    async (id: string, body: Body, options?: CallOptions): Promise<Body> =>
      (await request<Body>(method, at(path, id), { ...options, body })).body;
  const list =
    (path: string) =>
    async (query?: Query, options?: CallOptions): Promise<Body> =>
      (await request<Body>("GET", path, { ...options, query })).body;
  const listOf =
    (path: string) =>
    async (id: string, query?: Query, options?: CallOptions): Promise<Body> =>
      (await request<Body>("GET", at(path, id), { ...options, query })).body;
  const read =
    (path: string) =>
    async (id: string, options?: CallOptions): Promise<Body> =>
      (await request<Body>("GET", at(path, id), options)).body;
  const remove =
    (path: string) =>
    async (id: string, options?: CallOptions): Promise<Body> =>
      (await request<Body>("DELETE", at(path, id), options)).body;
  const look =
    (path: string, more?: { accept: number; tries: number }) =>
    async (options?: CallOptions): Promise<Body> =>
      (await request<Body>("GET", path, { ...more, ...options })).body;

  return {
    /** Any call, with all that its answer has. */
    request,
    health: look("/health"),
    /** `{ status: "ready" }`, or what is missing. */
    ready: look("/ready", { accept: 503, tries: 1 }),
    metrics: look("/metrics"),
    openapi: look("/openapi.json"),
    holds: {
      reserve: send("POST", "/holds/reserve"),
      extend: send("POST", "/holds/extend"),
      confirm: send("POST", "/holds/confirm"),
      cancel: send("POST", "/holds/cancel"),
      get: read("/holds/{hold_id}"),
    },
    reservations: {
      create: send("POST", "/v1/reservations"),
      confirm: sendTo("POST", "/v1/reservations/{id}:confirm"),
      cancel: sendTo("POST", "/v1/reservations/{id}:cancel"),
      extend: sendTo("POST", "/v1/reservations/{id}:extend"),
      change: sendTo("PATCH", "/v1/reservations/{id}"),
      get: read("/v1/reservations/{id}"),
      list: list("/v1/reservations"),
    },
    purchase: send("POST", "/v1/purchase"),
    stock: {
      availability: list("/v1/availability"),
      availabilityOf: listOf("/v1/items/{sku}/availability"),
      level: listOf("/v1/items/{sku}/level"),
      adjust: send("POST", "/v1/adjustments"),
      setAbsolute: send("POST", "/v1/items:set-absolute"),
      transfer: send("POST", "/v1/transfers"),
      reconcile: send("POST", "/v1/reconciliations"),
      bulk: send("POST", "/v1/stock:bulk"),
    },
    products: {
      create: send("POST", "/v1/products"),
      change: sendTo("PUT", "/v1/products/{sku}"),
      delete: remove("/v1/products/{sku}"),
      get: read("/v1/products/{sku}"),
      list: list("/v1/products"),
      totals: list("/v1/products/totals"),
      movements: listOf("/v1/products/{sku}/movements"),
    },
    stores: {
      create: send("POST", "/v1/stores"),
      list: look("/v1/stores"),
    },
    rules: {
      set: sendTo("PUT", "/v1/rules/{sku}"),
      get: read("/v1/rules/{sku}"),
      delete: remove("/v1/rules/{sku}"),
    },
    waitlist: {
      join: send("POST", "/v1/waitlist"),
      get: read("/v1/waitlist/{id}"),
      leave: remove("/v1/waitlist/{id}"),
    },
    payments: {
      unfulfilled: list("/v1/unfulfilled-payments"),
      get: read("/v1/unfulfilled-payments/{id}"),
      resolve: sendTo("POST", "/v1/unfulfilled-payments/{id}:resolve"),
    },
    orders: {
      list: list("/v1/orders"),
      get: read("/v1/orders/{orderId}"),
      return: sendTo("POST", "/v1/orders/{orderId}:return"),
    },
    events: list("/v1/events"),
    operation: {
      idempotency: read("/v1/idempotency/{key}"),
      projections: look("/v1/projections/status"),
      rebuild: async (options?: CallOptions): Promise<Body> =>
        (await request<Body>("POST", "/v1/projections/rebuild", options)).body,
      deadLetters: list("/v1/dlt"),
      replay: send("POST", "/v1/dlt/replay"),
      recovery: look("/v1/recovery"),
      approveRecovery: async (options?: CallOptions): Promise<Body> =>
        (await request<Body>("POST", "/v1/recovery:approve", options)).body,
      audit: list("/v1/audit"),
    },
  };
}

const at = (path: string, id: string) => path.replace(/\{\w+\}/, () => encodeURIComponent(id));
