import { STORES_MAX } from "./limits.ts";

/** Every expected no, as the contract names them. `http/problem.ts` gives each its status and words. */
export type RejectionCode =
  | "ALL_HELD"
  | "ALREADY_WAITING"
  | "BODY_TOO_LARGE"
  | "FORBIDDEN"
  | "HEADERS_TOO_LARGE"
  | "HOLD_ALREADY_CONFIRMED"
  | "HOLD_CANCELLED"
  | "HOLD_EXPIRED"
  | "HOLD_NOT_FOUND"
  | "IDEMPOTENCY_KEY_MISSING"
  | "IDEMPOTENCY_KEY_REUSED"
  | "INVALID_REQUEST"
  | "KEY_EXISTS"
  | "LIMIT_EXCEEDED"
  | "METHOD_NOT_ALLOWED"
  | "NOT_FOUND"
  | "PAYMENT_ALREADY_RESOLVED"
  | "PAYMENT_UNFULFILLED"
  | "PRODUCT_EXISTS"
  | "PRODUCT_IN_USE"
  | "PRODUCT_NOT_FOUND"
  | "RATE_LIMITED"
  | "REQUEST_TIMEOUT"
  | "RETURN_EXCEEDS_SOLD"
  | "RULES_NOT_FOUND"
  | "SALE_CLOSED"
  | "SALE_NOT_OPEN"
  | "SALE_PAUSED"
  | "SOLD_OUT"
  | "STOCK_AVAILABLE"
  | "STORE_NOT_FOUND"
  | "UNAUTHENTICATED"
  | "UNKNOWN_SKU"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "VERSION_CONFLICT"
  | "WAITER_NOT_FOUND"
  | "WAITING_LIST_FULL"
  | "WOULD_GO_NEGATIVE";

/**
 * An expected no. Not an Error on purpose: a sale refuses a hundred times more than it grants, and a stack
 * trace for each would cost more than the refusal.
 */
export class Rejection {
  readonly code: RejectionCode;
  readonly detail: string;
  readonly members: Record<string, unknown>;

  /**
   * @param detail what happened and what the caller may do, in a sentence for people
   * @param members further facts for programs, shown beside the standard problem members
   */
  constructor(code: RejectionCode, detail: string, members: Record<string, unknown> = {}) {
    this.code = code;
    this.detail = detail;
    this.members = members;
  }
}

export const tooManyStores = () =>
  new Rejection("INVALID_REQUEST", `There are ${STORES_MAX} stores already, and no room for more.`);
