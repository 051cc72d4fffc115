// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

/** What a problem tells beside its code. */
export type ProblemMembers = {
  ALL_HELD: {
    /** The code of what is sold. */
    sku: string;
    /** Units you asked for. */
    requested: number;
    /** Units there are for you. */
    available: number;
    /** Units that others hold. */
    held: number;
    /** Units in all stores together. */
    total_available?: number;
    /** All lines that are short. */
    lines?: Array<{
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId: string;
      /** Units you asked for. */
      requested: number;
      /** Units there are for you. */
      available: number;
      /** Units that others hold. */
      held: number;
    }>;
    /** No unit comes back before, unless somebody ends a reservation early. */
    earliest_release_at?: string;
    /** Units in all stores together. */
    totalAvailable?: number;
    /** No unit comes back before, unless somebody ends a reservation early. */
    earliestReleaseAt?: string;
  };
  ALREADY_WAITING: {
    /** The code of what is sold. */
    sku: string;
    waiterId: string;
  };
  BODY_TOO_LARGE: Record<string, unknown>;
  CORRUPT_STOCK: Record<string, unknown>;
  FORBIDDEN: {
    /** Roles, of which one is needed. */
    missing?: Array<"checkout" | "inventory" | "operator" | "viewer">;
  };
  HEADERS_TOO_LARGE: Record<string, unknown>;
  HOLD_ALREADY_CONFIRMED: {
    hold_id?: string;
    reservationId?: string;
  };
  HOLD_CANCELLED: {
    hold_id?: string;
    reservationId?: string;
  };
  HOLD_EXPIRED: {
    hold_id?: string;
    expires_at?: string;
    reservationId?: string;
    expiresAt?: string;
  };
  HOLD_NOT_FOUND: Record<string, unknown>;
  IDEMPOTENCY_KEY_MISSING: Record<string, unknown>;
  IDEMPOTENCY_KEY_REUSED: Record<string, unknown>;
  INTERNAL_ERROR: Record<string, unknown>;
  INVALID_REQUEST: {
    /**
     * What is wrong with which members: a JSON pointer into the body, `?name` in the query,
     * `{name}` in the path.
     */
    errors?: Array<{
      pointer: string;
      detail: string;
    }>;
  };
  KEY_EXISTS: Record<string, unknown>;
  LIMIT_EXCEEDED: {
    /** The code of what is sold. */
    sku: string;
    /** Which rule of the sale. */
    rule: string;
    /** What it allows. */
    limit: number;
    /** How much of that is left. */
    left: number;
  };
  METHOD_NOT_ALLOWED: Record<string, unknown>;
  NOT_FOUND: {
    /** The event you named. */
    event_id?: string;
    /** The event you named. */
    eventId?: string;
  };
  OUTCOME_UNKNOWN: Record<string, unknown>;
  OVERLOADED: Record<string, unknown>;
  PAYMENT_ALREADY_RESOLVED: {
    paymentId: string;
    resolution: "refunded" | "fulfilled";
    reference: string;
  };
  PAYMENT_UNFULFILLED: {
    hold_id?: string;
    /** Your name of the payment. Another one for the same hold is refused. */
    payment_ref?: string;
    payment_id?: string;
    why:
      | "SOLD_OUT"
      | "LIMIT_EXCEEDED"
      | "HOLD_CANCELLED"
      | "HOLD_ALREADY_CONFIRMED"
      | "HOLD_NOT_FOUND";
    reservationId?: string;
    /** Your name of the payment. Another one for the same hold is refused. */
    paymentRef?: string;
    paymentId?: string;
  };
  PRODUCT_EXISTS: {
    /** The code of what is sold. */
    sku: string;
  };
  PRODUCT_IN_USE: {
    /** The code of what is sold. */
    sku: string;
    /** Units there are for you. */
    available: number;
    /** Units that reservations hold. */
    reserved: number;
    stocks: Array<{
      /** A shop or warehouse. */
      storeId: string;
      /** Units there are for you. */
      available: number;
      /** Units that reservations hold. */
      reserved: number;
    }>;
  };
  PRODUCT_NOT_FOUND: {
    /** The code of what is sold. */
    sku: string;
  };
  RATE_LIMITED: {
    /** Whose limit it is. */
    by: "caller" | "customer" | "address";
  };
  RECOVERING: Record<string, unknown>;
  REQUEST_TIMEOUT: Record<string, unknown>;
  RETURN_EXCEEDS_SOLD: {
    /** The code of what is sold. */
    sku: string;
    /** Units the order sold. */
    sold: number;
    /** Units of them that came back before. */
    returned: number;
    /** Units you asked for. */
    requested: number;
    /** All lines that ask for too many. */
    lines: Array<{
      /** The code of what is sold. */
      sku: string;
      /** Units the order sold. */
      sold: number;
      /** Units of them that came back before. */
      returned: number;
      /** Units you asked for. */
      requested: number;
    }>;
  };
  RULES_NOT_FOUND: {
    /** The code of what is sold. */
    sku: string;
  };
  SALE_CLOSED: {
    /** The code of what is sold. */
    sku: string;
    closes_at?: string;
    closesAt?: string;
  };
  SALE_NOT_OPEN: {
    /** The code of what is sold. */
    sku: string;
    opens_at?: string;
    opensAt?: string;
  };
  SALE_PAUSED: {
    /** The code of what is sold. */
    sku: string;
  };
  SOLD_OUT: {
    /** The code of what is sold. */
    sku: string;
    /** Units you asked for. */
    requested: number;
    /** Units there are for you. */
    available: number;
    /** Units that others hold. */
    held: number;
    /** Units in all stores together. */
    total_available?: number;
    /** All lines that are short. */
    lines?: Array<{
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId: string;
      /** Units you asked for. */
      requested: number;
      /** Units there are for you. */
      available: number;
      /** Units that others hold. */
      held: number;
    }>;
    /** Units in all stores together. */
    totalAvailable?: number;
  };
  STOCK_AVAILABLE: {
    /** The code of what is sold. */
    sku: string;
    /** Units there are for you. */
    available: number;
  };
  STORE_NOT_FOUND: {
    /** A shop or warehouse. */
    store_id?: string;
    /** A shop or warehouse. */
    storeId?: string;
  };
  STORE_UNAVAILABLE: Record<string, unknown>;
  UNAUTHENTICATED: Record<string, unknown>;
  UNKNOWN_SKU: {
    /** The code of what is sold. */
    sku: string;
  };
  UNSUPPORTED_MEDIA_TYPE: Record<string, unknown>;
  VERSION_CONFLICT: {
    /** The code of what is sold. */
    sku?: string;
    /** A shop or warehouse. */
    storeId?: string;
    reservationId?: string;
    /** The version it has now. */
    version: number;
  };
  WAITER_NOT_FOUND: Record<string, unknown>;
  WAITING_LIST_FULL: {
    /** The code of what is sold. */
    sku: string;
  };
  WOULD_GO_NEGATIVE: {
    /** The code of what is sold. */
    sku: string;
    /** A shop or warehouse. */
    storeId: string;
    /** Units you asked for. */
    requested: number;
    /** Units there are for you. */
    available: number;
    /** All lines that are short. */
    lines?: Array<{
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId: string;
      /** Units you asked for. */
      requested: number;
      /** Units there are for you. */
      available: number;
    }>;
  };
};
