// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type EventsCalls = {
  /** What happened, oldest first. */
  "GET /v1/events": {
    query: {
      /** A shop or warehouse. */
      storeId?: string | undefined;
      /** The code of what is sold. */
      sku?: string | undefined;
      /** An event's id: begin behind it. Or a time: begin with what was recorded then. */
      since?: string | undefined;
      limit?: number | undefined;
    };
    answer: Array<{
      eventId: string;
      eventType:
        | "HOLD_CREATED"
        | "HOLD_CONFIRMED"
        | "HOLD_CANCELLED"
        | "HOLD_EXPIRED"
        | "HOLD_PURCHASED"
        | "HOLD_CHANGED"
        | "HOLD_EXTENDED"
        | "STOCK_ADJUSTED"
        | "STOCK_COUNTED"
        | "STOCK_TRANSFERRED"
        | "ORDER_RETURNED"
        | "RULES_CHANGED"
        | "PAYMENT_UNFULFILLED"
        | "WAITER_JOINED"
        | "WAITER_LEFT";
      occurredAt: string;
      aggregate: {
        type: "reservation" | "stock" | "rules" | "payment" | "waiter";
        /**
         * A reservation's or a waiter's id, `sku@storeId` of the first line of a change of stock, the
         * sku of rules, or the id of an unfulfilled payment.
         */
        id: string;
        version: number;
      };
      /** What happened, whole, in the words in which it is stored. */
      payload: { [name in string]?: unknown };
    }>;
  };
};
