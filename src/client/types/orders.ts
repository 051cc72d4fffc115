// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type OrdersCalls = {
  /** Take back what was sold. */
  "POST /v1/orders/{orderId}:return": {
    body: {
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** Units. */
        qty: number;
      }>;
      /** Whether the units may be sold again. Else they came back and are gone. */
      restock?: boolean | undefined;
      /** Why, in your words. Kept in the history. */
      reason?: string | undefined;
    };
    answer: {
      returnId: string;
      orderId: string;
      /** Whether the units may be sold again. Else they came back and are gone. */
      restock: boolean;
      /** Why, in your words. Kept in the history. */
      reason?: string;
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** A shop or warehouse. */
        storeId: string;
        qty: number;
      }>;
      returnedAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Orders, newest first. */
  "GET /v1/orders": {
    query: {
      /** Who buys, in your words. */
      customerId?: string | undefined;
      limit?: number | undefined;
      /** `nextCursor` of the page before. */
      cursor?: string | undefined;
    };
    answer: {
      items: Array<{
        orderId: string;
        reservationId: string;
        /** Who buys, in your words. */
        customerId?: string;
        /** Your name of the payment. Another one for the same hold is refused. */
        paymentRef?: string;
        confirmedAt: string;
        /** Whether it was sold after the reservation's deadline, for a payment that came late. */
        late: boolean;
        lines: Array<{
          /** The code of what is sold. */
          sku: string;
          /** A shop or warehouse. */
          storeId: string;
          /** Units sold. */
          qty: number;
          /** Units of them that came back. */
          returned: number;
          returns: Array<{
            returnId: string;
            qty: number;
            /** Whether the units may be sold again. Else they came back and are gone. */
            restock: boolean;
            /** Why, in your words. Kept in the history. */
            reason?: string;
            /** Missing until it is recorded. */
            returnedAt?: string;
          }>;
        }>;
      }>;
      /** Send it as `cursor` to get the next page. Null: this is the last one. */
      nextCursor: string | null;
    };
  };
  /** Look an order up. */
  "GET /v1/orders/{orderId}": {
    answer: {
      orderId: string;
      reservationId: string;
      /** Who buys, in your words. */
      customerId?: string;
      /** Your name of the payment. Another one for the same hold is refused. */
      paymentRef?: string;
      confirmedAt: string;
      /** Whether it was sold after the reservation's deadline, for a payment that came late. */
      late: boolean;
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** A shop or warehouse. */
        storeId: string;
        /** Units sold. */
        qty: number;
        /** Units of them that came back. */
        returned: number;
        returns: Array<{
          returnId: string;
          qty: number;
          /** Whether the units may be sold again. Else they came back and are gone. */
          restock: boolean;
          /** Why, in your words. Kept in the history. */
          reason?: string;
          /** Missing until it is recorded. */
          returnedAt?: string;
        }>;
      }>;
    };
  };
};
