// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type RulesCalls = {
  /** Skus with rules, in the order of their skus. */
  "GET /v1/rules": {
    query: {
      /** Only those that are paused. */
      paused?: "true" | undefined;
      limit?: number | undefined;
      /** `nextCursor` of the page before. */
      cursor?: string | undefined;
    };
    answer: {
      items: Array<{
        /** The code of what is sold. */
        sku: string;
        /** Units in one reservation or purchase. */
        maxPerOrder?: number;
        /** Units a customer has in live reservations and orders. */
        maxPerCustomer?: number;
        /** Live reservations a customer has at a time. */
        maxActiveHolds?: number;
        /** Nobody takes any before. */
        opensAt?: string;
        /** Nobody takes any from then on; what is reserved can still be confirmed. */
        closesAt?: string;
        /** Nobody takes any. */
        paused?: boolean;
        /** How long a reservation lasts when nobody says. */
        holdSeconds?: number;
        /** How long one lasts at most, extended or not. */
        maxHoldSeconds?: number;
        /** How often one may be extended. */
        maxExtensions?: number;
        /** What a customer returns may be bought again: it counts no more. */
        returnsFree?: boolean;
        version: number;
      }>;
      /** Send it as `cursor` to get the next page. Null: this is the last one. */
      nextCursor: string | null;
    };
  };
  /** Set the rules of a sale. */
  "PUT /v1/rules/{sku}": {
    body: {
      /** Units in one reservation or purchase. */
      maxPerOrder?: number | undefined;
      /** Units a customer has in live reservations and orders. */
      maxPerCustomer?: number | undefined;
      /** Live reservations a customer has at a time. */
      maxActiveHolds?: number | undefined;
      /** Nobody takes any before. */
      opensAt?: string | undefined;
      /** Nobody takes any from then on; what is reserved can still be confirmed. */
      closesAt?: string | undefined;
      /** Nobody takes any. */
      paused?: boolean | undefined;
      /** How long a reservation lasts when nobody says. */
      holdSeconds?: number | undefined;
      /** How long one lasts at most, extended or not. */
      maxHoldSeconds?: number | undefined;
      /** How often one may be extended. */
      maxExtensions?: number | undefined;
      /** What a customer returns may be bought again: it counts no more. */
      returnsFree?: boolean | undefined;
    };
    answer: {
      /** The code of what is sold. */
      sku: string;
      /** Units in one reservation or purchase. */
      maxPerOrder?: number;
      /** Units a customer has in live reservations and orders. */
      maxPerCustomer?: number;
      /** Live reservations a customer has at a time. */
      maxActiveHolds?: number;
      /** Nobody takes any before. */
      opensAt?: string;
      /** Nobody takes any from then on; what is reserved can still be confirmed. */
      closesAt?: string;
      /** Nobody takes any. */
      paused?: boolean;
      /** How long a reservation lasts when nobody says. */
      holdSeconds?: number;
      /** How long one lasts at most, extended or not. */
      maxHoldSeconds?: number;
      /** How often one may be extended. */
      maxExtensions?: number;
      /** What a customer returns may be bought again: it counts no more. */
      returnsFree?: boolean;
      version: number;
      changedAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** The rules of a sale. */
  "GET /v1/rules/{sku}": {
    answer: {
      /** The code of what is sold. */
      sku: string;
      /** Units in one reservation or purchase. */
      maxPerOrder?: number;
      /** Units a customer has in live reservations and orders. */
      maxPerCustomer?: number;
      /** Live reservations a customer has at a time. */
      maxActiveHolds?: number;
      /** Nobody takes any before. */
      opensAt?: string;
      /** Nobody takes any from then on; what is reserved can still be confirmed. */
      closesAt?: string;
      /** Nobody takes any. */
      paused?: boolean;
      /** How long a reservation lasts when nobody says. */
      holdSeconds?: number;
      /** How long one lasts at most, extended or not. */
      maxHoldSeconds?: number;
      /** How often one may be extended. */
      maxExtensions?: number;
      /** What a customer returns may be bought again: it counts no more. */
      returnsFree?: boolean;
      version: number;
    };
  };
  /** Take the rules of a sale away. */
  "DELETE /v1/rules/{sku}": {
    answer: {
      /** The code of what is sold. */
      sku: string;
      changedAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
};
