// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type PaymentsCalls = {
  /** Payments for which nothing could be given, newest first. */
  "GET /v1/unfulfilled-payments": {
    query: {
      /** Only those that somebody has seen to, or only the others. */
      resolved?: "true" | "false" | undefined;
      limit?: number | undefined;
      /** `nextCursor` of the page before. */
      cursor?: string | undefined;
    };
    answer: {
      items: Array<{
        paymentId: string;
        reservationId: string;
        /** Your name of the payment. Another one for the same hold is refused. */
        paymentRef: string;
        /** What was in the way. */
        why:
          | "SOLD_OUT"
          | "LIMIT_EXCEEDED"
          | "HOLD_CANCELLED"
          | "HOLD_ALREADY_CONFIRMED"
          | "HOLD_NOT_FOUND";
        occurredAt: string;
        /** Who buys, in your words. */
        customerId?: string;
        /** What was paid for. Null when nobody knew the reservation. */
        lines: Array<{
          /** The code of what is sold. */
          sku: string;
          /** A shop or warehouse. */
          storeId: string;
          qty: number;
        }> | null;
        /** Null: nobody has seen to it yet. */
        resolution: "refunded" | "fulfilled" | null;
        reference: string | null;
        resolvedAt: string | null;
      }>;
      /** Send it as `cursor` to get the next page. Null: this is the last one. */
      nextCursor: string | null;
    };
  };
  /** Say what was done about an unfulfilled payment. */
  "POST /v1/unfulfilled-payments/{id}:resolve": {
    body: {
      /** What was done about it. */
      resolution: "refunded" | "fulfilled";
      /** Your name of what was done: of the refund, or of the order that was sent instead. */
      reference: string;
    };
    answer: {
      paymentId: string;
      /** What was done about it. */
      resolution: "refunded" | "fulfilled";
      /** Your name of what was done: of the refund, or of the order that was sent instead. */
      reference: string;
      resolvedAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Look an unfulfilled payment up. */
  "GET /v1/unfulfilled-payments/{id}": {
    answer: {
      paymentId: string;
      reservationId: string;
      /** Your name of the payment. Another one for the same hold is refused. */
      paymentRef: string;
      /** What was in the way. */
      why:
        | "SOLD_OUT"
        | "LIMIT_EXCEEDED"
        | "HOLD_CANCELLED"
        | "HOLD_ALREADY_CONFIRMED"
        | "HOLD_NOT_FOUND";
      occurredAt: string;
      /** Who buys, in your words. */
      customerId?: string;
      /** What was paid for. Null when nobody knew the reservation. */
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** A shop or warehouse. */
        storeId: string;
        qty: number;
      }> | null;
      /** Null: nobody has seen to it yet. */
      resolution: "refunded" | "fulfilled" | null;
      reference: string | null;
      resolvedAt: string | null;
    };
  };
};
