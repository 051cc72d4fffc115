// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type WaitingListCalls = {
  /** Wait for units of a stock that is out. */
  "POST /v1/waitlist": {
    body: {
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId?: string | undefined;
      /** Units. */
      qty: number;
      /** Who buys, in your words. */
      customerId: string;
      /** How long the offer is kept; no longer than the sale's maxHoldSeconds. */
      offerSeconds: number;
    };
    answer: {
      waiterId: string;
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId: string;
      /** Units. */
      qty: number;
      /** Who buys, in your words. */
      customerId: string;
      joinedAt: string;
      status: "WAITING";
      /** 1 is served next. */
      position: number;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** A place in the queue, or what became of it. */
  "GET /v1/waitlist/{id}": {
    answer: {
      waiterId: string;
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId: string;
      /** Units. */
      qty: number;
      /** Who buys, in your words. */
      customerId: string;
      joinedAt: string;
      status: "WAITING" | "OFFERED" | "TAKEN" | "EXPIRED" | "CANCELLED" | "LEFT" | "REFUSED";
      /** 1 is served next. */
      position?: number;
      /** The offer. */
      reservationId?: string;
      expiresAt?: string;
    };
  };
  /** Leave the queue. */
  "DELETE /v1/waitlist/{id}": {
    answer: {
      waiterId: string;
      status: "LEFT" | "CANCELLED" | "EXPIRED" | "REFUSED";
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
};
