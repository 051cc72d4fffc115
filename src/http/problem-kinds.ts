import type { RejectionCode } from "../domain/rejection.ts";

export type ProblemCode =
  | RejectionCode
  | "CORRUPT_STOCK"
  | "INTERNAL_ERROR"
  | "OUTCOME_UNKNOWN"
  | "OVERLOADED"
  | "RECOVERING"
  | "STORE_UNAVAILABLE";

type ProblemKind = {
  status: number;
  title: string;
  /** What the caller does about it, on the problem's page. */
  remedy: string;
};

/** Every problem there is. A code without a row here does not compile. */
export const PROBLEMS: Record<ProblemCode, ProblemKind> = {
  ALL_HELD: {
    status: 409,
    title: "All held",
    remedy:
      "Fewer units are available than you asked for, and others hold some: they may come back, not before `earliest_release_at`. The refusal is not remembered: the same key may try again.",
  },
  ALREADY_WAITING: {
    status: 409,
    title: "Already waiting",
    remedy:
      "The customer has a place in this queue: look up `waiterId`. To wait for another quantity, leave first.",
  },
  BODY_TOO_LARGE: {
    status: 413,
    title: "Body too large",
    remedy: "Send at most 16 kB, or 1 MB to a route that takes many lines.",
  },
  CORRUPT_STOCK: {
    status: 500,
    title: "Corrupt stock",
    remedy:
      "A Redis key holds something else than it should; nothing was changed. An operator must look at the key the log names, and set it right.",
  },
  FORBIDDEN: {
    status: 403,
    title: "Forbidden",
    remedy:
      "Call with a token that has one of the roles in `missing`. Without `missing`: a token of one customer can't act for another.",
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    title: "Headers too large",
    remedy: "Send less than 16 kB of request line and headers, and at most 100 headers.",
  },
  HOLD_ALREADY_CONFIRMED: {
    status: 409,
    title: "Hold already confirmed",
    remedy: "The units are sold. If you confirmed with another payment_ref, refund one of the two.",
  },
  HOLD_CANCELLED: {
    status: 409,
    title: "Hold cancelled",
    remedy: "The units went back. Reserve again, or refund.",
  },
  HOLD_EXPIRED: {
    status: 410,
    title: "Hold expired",
    remedy: "The deadline has passed and the units went back. Reserve again, or refund.",
  },
  HOLD_NOT_FOUND: {
    status: 404,
    title: "Hold not found",
    remedy: "Check the hold_id.",
  },
  IDEMPOTENCY_KEY_MISSING: {
    status: 400,
    title: "Idempotency key missing",
    remedy:
      "Send an Idempotency-Key header, or idempotency_key in the body: a value of your own, new for each purchase and the same for each retry of it.",
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    title: "Idempotency key reused",
    remedy:
      "The key belongs to another request of the last 24 hours. Use a new key for a new request.",
  },
  INTERNAL_ERROR: {
    status: 500,
    title: "Internal error",
    remedy: "This is a bug of ours. The log has it under the request id in `instance`.",
  },
  INVALID_REQUEST: {
    status: 400,
    title: "Invalid request",
    remedy: "Mend what `errors` or `detail` names. Nothing was done.",
  },
  KEY_EXISTS: {
    status: 409,
    title: "Key exists",
    remedy:
      "An API key of that name is live. Rotate it, delete it, or choose another name. The refusal is not remembered.",
  },
  LIMIT_EXCEEDED: {
    status: 409,
    title: "Limit exceeded",
    remedy:
      "A rule of the sale limits this: `rule` says which, `limit` how much it allows, `left` how much of that is left for you. The refusal is not remembered: the same key may try again.",
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    title: "Method not allowed",
    remedy: "Use a method that the Allow header names.",
  },
  NOT_FOUND: {
    status: 404,
    title: "Not found",
    remedy: "There is nothing at this address.",
  },
  OUTCOME_UNKNOWN: {
    status: 504,
    title: "Outcome unknown",
    remedy:
      "The request may or may not have been carried out. Ask again with the same idempotency key (confirm and cancel: the same body): it takes effect at most once, and you get its answer.",
  },
  OVERLOADED: {
    status: 503,
    title: "Overloaded",
    remedy: "Nothing was done. Ask again after Retry-After seconds, with the same key.",
  },
  PAYMENT_ALREADY_RESOLVED: {
    status: 409,
    title: "Payment already resolved",
    remedy: "Somebody has resolved it otherwise: `resolution` and `reference` say how.",
  },
  PAYMENT_UNFULFILLED: {
    status: 409,
    title: "Payment unfulfilled",
    remedy:
      "Nothing can be given for this payment any more; `why` says what was in the way. It is written down under `payment_id`, and the same payment gets this answer for good: give the money back, or send the goods otherwise, and resolve it.",
  },
  PRODUCT_EXISTS: {
    status: 409,
    title: "Product exists",
    remedy: "There is a product with this sku. Change it with PUT.",
  },
  PRODUCT_IN_USE: {
    status: 409,
    title: "Product in use",
    remedy:
      "The product still has stock, or live reservations. Take its stock out and let the reservations end first.",
  },
  PRODUCT_NOT_FOUND: {
    status: 404,
    title: "Product not found",
    remedy: "Check the sku. One that was only ever stocked has no product until you make it.",
  },
  RATE_LIMITED: {
    status: 429,
    title: "Rate limited",
    remedy:
      "Too many requests of one: `by` says whose limit it is, the caller's, the customer's, or that of the address which sent bad tokens. Nothing was done. Ask again after Retry-After seconds, with the same key.",
  },
  RECOVERING: {
    status: 503,
    title: "Recovering",
    remedy:
      "Nothing was done. The store may have lost data, and sells nothing until it was compared with the ledger: seconds, unless an operator has to agree. Ask again after Retry-After seconds, with the same key.",
  },
  REQUEST_TIMEOUT: {
    status: 408,
    title: "Request timeout",
    remedy: "The request came too slowly. Nothing was done.",
  },
  RETURN_EXCEEDS_SOLD: {
    status: 409,
    title: "Return exceeds sold",
    remedy:
      "The order has fewer units that could still come back: of each line that is refused, `sold` less `returned`. Nothing was done.",
  },
  RULES_NOT_FOUND: {
    status: 404,
    title: "Rules not found",
    remedy: "Check the sku. One without rules sells without limits.",
  },
  SALE_CLOSED: {
    status: 409,
    title: "Sale closed",
    remedy: "The sale ended at `closes_at`. What you hold by then can still be confirmed.",
  },
  SALE_NOT_OPEN: {
    status: 409,
    title: "Sale not open",
    remedy: "Come back at `opens_at`.",
  },
  SALE_PAUSED: {
    status: 409,
    title: "Sale paused",
    remedy:
      "The shop has stopped the sale of this sku for now. What you hold can still be confirmed.",
  },
  SOLD_OUT: {
    status: 409,
    title: "Sold out",
    remedy:
      "Fewer units are available than you asked for, and nobody holds any that could come back. The refusal is not remembered: the same key may try again, when there are more.",
  },
  STOCK_AVAILABLE: {
    status: 409,
    title: "Stock available",
    remedy: "Nobody waits and there are enough units: reserve instead.",
  },
  STORE_NOT_FOUND: {
    status: 404,
    title: "Store not found",
    remedy: "Check the store_id, or leave it out for the default store.",
  },
  STORE_UNAVAILABLE: {
    status: 503,
    title: "Store unavailable",
    remedy: "Nothing was done. Ask again after Retry-After seconds, with the same key.",
  },
  UNAUTHENTICATED: {
    status: 401,
    title: "Unauthenticated",
    remedy:
      "Send `Authorization: Bearer <token>` with an API key or a token of the issuer that is valid now. Nothing was done.",
  },
  UNKNOWN_SKU: {
    status: 404,
    title: "Unknown sku",
    remedy:
      "Nobody has stocked this sku. An operator does so with: redis-cli SET stock:<sku> <units>",
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: "Unsupported media type",
    remedy: "Send Content-Type: application/json, UTF-8, without Content-Encoding.",
  },
  VERSION_CONFLICT: {
    status: 409,
    title: "Version conflict",
    remedy:
      "It has changed since you read it: `version` is the one it has now. Read again, then decide.",
  },
  WAITER_NOT_FOUND: {
    status: 404,
    title: "Waiter not found",
    remedy: "Check the id.",
  },
  WAITING_LIST_FULL: {
    status: 409,
    title: "Waiting list full",
    remedy: "As many wait for this stock as can. Come back later.",
  },
  WOULD_GO_NEGATIVE: {
    status: 409,
    title: "Would go negative",
    remedy: "Fewer units are available than this takes away. Nothing was changed.",
  },
};

export const slugOf = (code: ProblemCode) => code.toLowerCase().replaceAll("_", "-");

/** Why units may not be taken, from one store. */
export const TAKING_PROBLEMS = [
  "ALL_HELD",
  "LIMIT_EXCEEDED",
  "SALE_CLOSED",
  "SALE_NOT_OPEN",
  "SALE_PAUSED",
  "SOLD_OUT",
  "UNKNOWN_SKU",
] as const satisfies ProblemCode[];

/** Why nothing becomes of a hold any more. */
export const ENDED_PROBLEMS = [
  "HOLD_ALREADY_CONFIRMED",
  "HOLD_CANCELLED",
  "HOLD_EXPIRED",
  "HOLD_NOT_FOUND",
] as const satisfies ProblemCode[];
