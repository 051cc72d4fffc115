// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type CheckoutCalls = {
  /** Give more time. */
  "POST /holds/extend": {
    body: {
      hold_id: string;
      /** From now on. */
      ttl_seconds: number;
    };
    answer: {
      hold_id: string;
      status: "ACTIVE";
      expires_at: string;
      max_expires_at: string;
      /** How often it may be extended yet. */
      extensions_left: number;
    };
  };
  /** Take units out of stock, for a time. */
  "POST /holds/reserve": {
    body: {
      /** The code of what is sold. */
      sku: string;
      /** Units. */
      qty: number;
      /** Who buys, in your words. */
      user_id: string;
      idempotency_key?: string | undefined;
      /** A shop or warehouse. */
      store_id?: string | undefined;
      /** `partial` takes what there is and what the rules allow, at least one unit. */
      mode?: "all" | "partial" | undefined;
      /**
       * Takes the place of the customer's own live hold of that sku in one step; refused, it leaves
       * it be.
       */
      replace?: boolean | undefined;
      /** Else as the sale's rules say, or 300. */
      ttl_seconds?: number | undefined;
    };
    answer: {
      hold_id: string;
      status: "ACTIVE";
      /** The code of what is sold. */
      sku: string;
      /** Units. */
      qty: number;
      /** With `mode: partial`: what you asked for. */
      requested?: number;
      /** Who buys, in your words. */
      user_id: string;
      expires_at: string;
    };
  };
  /** Sell what is held. */
  "POST /holds/confirm": {
    body: {
      hold_id: string;
      /** Your name of the payment. Another one for the same hold is refused. */
      payment_ref: string;
      /** What is sold, when it is not all that is held. The rest goes back. */
      lines?:
        | Array<{
            /** The code of what is sold. */
            sku: string;
            /** Units. */
            qty: number;
          }>
        | undefined;
      /**
       * What becomes of a payment after the deadline. `refuse` (the default) does nothing.
       * `reacquire`, when the money has moved: the units are taken again if they are there and the
       * limits allow, or the payment is written down as unfulfilled.
       */
      on_expired?: "refuse" | "reacquire" | undefined;
    };
    answer: {
      hold_id: string;
      status: "CONFIRMED";
      order_id: string;
      /** Your name of the payment. Another one for the same hold is refused. */
      payment_ref: string;
      confirmed_at: string;
      /** It was sold after its deadline. */
      late?: true;
      /** What was sold, when it was not all that was held. */
      lines?: Array<{
        /** The code of what is sold. */
        sku: string;
        qty: number;
      }>;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Give back what is held. */
  "POST /holds/cancel": {
    body: {
      hold_id: string;
      reason?: string | undefined;
    };
    answer: {
      hold_id: string;
      status: "CANCELLED" | "EXPIRED";
    };
  };
  /** Look a hold up. */
  "GET /holds/{hold_id}": {
    answer: {
      hold_id: string;
      status: "ACTIVE" | "CONFIRMED" | "CANCELLED" | "EXPIRED";
      /** The code of what is sold. */
      sku?: string;
      qty?: number;
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** A shop or warehouse. */
        store_id: string;
        qty: number;
      }>;
      user_id: string;
      created_at: string;
      expires_at: string;
      ended_at?: string;
      order_id?: string;
      /** Your name of the payment. Another one for the same hold is refused. */
      payment_ref?: string;
      /** It was sold after its deadline. */
      late?: true;
    };
  };
};
