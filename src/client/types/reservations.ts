// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type ReservationsCalls = {
  /** Give more time. */
  "POST /v1/reservations/{id}:extend": {
    body: {
      /** From now on. */
      ttlSeconds: number;
    };
    answer: {
      reservationId: string;
      status: "CREATED";
      expiresAt: string;
      maxExpiresAt: string;
      /** How often it may be extended yet. */
      extensionsLeft: number;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Take units of several skus out of a store's stock, for a time. */
  "POST /v1/reservations": {
    body: {
      /** A shop or warehouse. */
      storeId?: string | undefined;
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** Units. */
        qty: number;
      }>;
      /** `partial` takes what there is and what the rules allow, at least one unit. */
      mode?: "all" | "partial" | undefined;
      /**
       * Takes the place of the customer's own live hold of that sku in one step; refused, it leaves
       * it be.
       */
      replace?: boolean | undefined;
      /** Else as the sale's rules say, or 900. */
      ttlSeconds?: number | undefined;
      /** Who buys, in your words. */
      customerId?: string | undefined;
    };
    answer: {
      reservationId: string;
      /** A shop or warehouse. */
      storeId: string;
      status: "CREATED" | "CONFIRMED" | "CANCELLED" | "EXPIRED";
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** With `mode: partial` it may be 0. */
        qty: number;
        /** With `mode: partial`: what you asked for. */
        requested?: number;
      }>;
      expiresAt: string;
      createdAt: string;
      /** One more with each change; for If-Match. */
      version: number;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Reservations, newest first. */
  "GET /v1/reservations": {
    query: {
      /** Who buys, in your words. */
      customerId?: string | undefined;
      /** The code of what is sold. */
      sku?: string | undefined;
      status?: "CREATED" | "CONFIRMED" | "CANCELLED" | "EXPIRED" | undefined;
      limit?: number | undefined;
      /** `nextCursor` of the page before. */
      cursor?: string | undefined;
    };
    answer: {
      items: Array<{
        reservationId: string;
        /** A shop or warehouse. */
        storeId: string;
        status: "CREATED" | "CONFIRMED" | "CANCELLED" | "EXPIRED";
        lines: Array<{
          /** The code of what is sold. */
          sku: string;
          qty: number;
        }>;
        expiresAt: string;
        createdAt: string;
        /** One more with each change; for If-Match. */
        version: number;
        /** Who buys, in your words. */
        customerId?: string;
        endedAt?: string;
        orderId?: string;
        /** Your name of the payment. Another one for the same hold is refused. */
        paymentRef?: string;
        /** It was sold after its deadline. */
        late?: true;
      }>;
      /** Send it as `cursor` to get the next page. Null: this is the last one. */
      nextCursor: string | null;
    };
  };
  /** Sell what is reserved. */
  "POST /v1/reservations/{id}:confirm": {
    body: {
      /** Your name of the payment. Another one for the same hold is refused. */
      paymentRef?: string | undefined;
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
      onExpired?: "refuse" | "reacquire" | undefined;
    };
    answer: {
      reservationId: string;
      status: "CONFIRMED";
      orderId: string;
      /** Your name of the payment. Another one for the same hold is refused. */
      paymentRef?: string;
      confirmedAt: string;
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
  /** Give back what is reserved. */
  "POST /v1/reservations/{id}:cancel": {
    body: {
      reason?: "timeout" | "user_cancel" | "payment_failed" | undefined;
    };
    answer: {
      reservationId: string;
      status: "CANCELLED" | "EXPIRED";
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Look a reservation up. */
  "GET /v1/reservations/{id}": {
    answer: {
      reservationId: string;
      /** A shop or warehouse. */
      storeId: string;
      status: "CREATED" | "CONFIRMED" | "CANCELLED" | "EXPIRED";
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        qty: number;
      }>;
      expiresAt: string;
      createdAt: string;
      /** One more with each change; for If-Match. */
      version: number;
      /** Who buys, in your words. */
      customerId?: string;
      endedAt?: string;
      orderId?: string;
      /** Your name of the payment. Another one for the same hold is refused. */
      paymentRef?: string;
      /** It was sold after its deadline. */
      late?: true;
    };
  };
  /** Change how many units are reserved. */
  "PATCH /v1/reservations/{id}": {
    body: {
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** Units it is to have; 0 takes the sku out. */
        qty: number;
      }>;
    };
    answer: {
      reservationId: string;
      status: "CREATED" | "CANCELLED";
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        qty: number;
      }>;
      expiresAt: string;
      /** One more with each change; for If-Match. */
      version: number;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Pick a store and sell from it, in one step. */
  "POST /v1/purchase": {
    body: {
      /** The code of what is sold. */
      sku: string;
      /** Units. */
      qty: number;
      /** Who buys, in your words. */
      customerId?: string | undefined;
      policy?: "highest-available" | "lowest-latency" | "round-robin" | undefined;
    };
    answer: {
      reservationId: string;
      orderId: string;
      /** The code of what is sold. */
      sku: string;
      /** Units. */
      qty: number;
      /** The store it was sold from. */
      storeId: string;
      /** Who buys, in your words. */
      customerId?: string;
      status: "CONFIRMED";
      purchasedAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
};
