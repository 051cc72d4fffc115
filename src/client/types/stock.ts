// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type StockCalls = {
  /** What there is of one sku or several, in each store. */
  "GET /v1/availability": {
    query: {
      /** Only this store. */
      storeId?: string | undefined;
      /** The code of what is sold. */
      sku?: string | undefined;
      /** Several skus with commas between them, at most 100. */
      skus?: string | undefined;
    };
    answer:
      | {
          /** The code of what is sold. */
          sku: string;
          /** Units that may be sold. */
          totalAvailable: number;
          /**
           * For a shop's page: LOW is `LOW_STOCK_UNITS` or fewer, ALL_HELD none but those that others
           * hold.
           */
          level: "IN_STOCK" | "LOW" | "ALL_HELD" | "SOLD_OUT";
          /** With ALL_HELD: no unit comes back before, unless somebody ends a reservation early. */
          earliestReleaseAt?: string;
          perStore: Array<{
            /** The code of what is sold. */
            sku: string;
            /** A shop or warehouse. */
            storeId: string;
            /** Units that are there: reserved + available. */
            onHand: number;
            /** Units that reservations hold. */
            reserved: number;
            /** Units that may be sold. */
            available: number;
            /** One more with each change. */
            version: number;
            /**
             * For a shop's page: LOW is `LOW_STOCK_UNITS` or fewer, ALL_HELD none but those that others
             * hold.
             */
            level: "IN_STOCK" | "LOW" | "ALL_HELD" | "SOLD_OUT";
            /** Null: nothing but somebody's redis-cli has ever changed it. */
            lastEventAt: string | null;
          }>;
        }
      | {
          items: Array<{
            /** The code of what is sold. */
            sku: string;
            /** Units that may be sold. */
            totalAvailable: number;
            /**
             * For a shop's page: LOW is `LOW_STOCK_UNITS` or fewer, ALL_HELD none but those that others
             * hold.
             */
            level: "IN_STOCK" | "LOW" | "ALL_HELD" | "SOLD_OUT";
            /** With ALL_HELD: no unit comes back before, unless somebody ends a reservation early. */
            earliestReleaseAt?: string;
            perStore: Array<{
              /** The code of what is sold. */
              sku: string;
              /** A shop or warehouse. */
              storeId: string;
              /** Units that are there: reserved + available. */
              onHand: number;
              /** Units that reservations hold. */
              reserved: number;
              /** Units that may be sold. */
              available: number;
              /** One more with each change. */
              version: number;
              /**
               * For a shop's page: LOW is `LOW_STOCK_UNITS` or fewer, ALL_HELD none but those that others
               * hold.
               */
              level: "IN_STOCK" | "LOW" | "ALL_HELD" | "SOLD_OUT";
              /** Null: nothing but somebody's redis-cli has ever changed it. */
              lastEventAt: string | null;
            }>;
          }>;
        };
  };
  /** What there is of a sku, in each store. */
  "GET /v1/items/{sku}/availability": {
    query: {
      /** Only this store. */
      storeId?: string | undefined;
    };
    answer: {
      /** The code of what is sold. */
      sku: string;
      /** Units that may be sold. */
      totalAvailable: number;
      /**
       * For a shop's page: LOW is `LOW_STOCK_UNITS` or fewer, ALL_HELD none but those that others
       * hold.
       */
      level: "IN_STOCK" | "LOW" | "ALL_HELD" | "SOLD_OUT";
      /** With ALL_HELD: no unit comes back before, unless somebody ends a reservation early. */
      earliestReleaseAt?: string;
      perStore: Array<{
        /** The code of what is sold. */
        sku: string;
        /** A shop or warehouse. */
        storeId: string;
        /** Units that are there: reserved + available. */
        onHand: number;
        /** Units that reservations hold. */
        reserved: number;
        /** Units that may be sold. */
        available: number;
        /** One more with each change. */
        version: number;
        /**
         * For a shop's page: LOW is `LOW_STOCK_UNITS` or fewer, ALL_HELD none but those that others
         * hold.
         */
        level: "IN_STOCK" | "LOW" | "ALL_HELD" | "SOLD_OUT";
        /** Null: nothing but somebody's redis-cli has ever changed it. */
        lastEventAt: string | null;
      }>;
    };
  };
  /** Whether there is any of a sku, for a shop's page. */
  "GET /v1/items/{sku}/level": {
    query: {
      /** Only this store. */
      storeId?: string | undefined;
    };
    answer: {
      /** The code of what is sold. */
      sku: string;
      /**
       * For a shop's page: LOW is `LOW_STOCK_UNITS` or fewer, ALL_HELD none but those that others
       * hold.
       */
      level: "IN_STOCK" | "LOW" | "ALL_HELD" | "SOLD_OUT";
    };
  };
  /** Add units to a store's stock, or take them away. */
  "POST /v1/adjustments": {
    body: {
      /** A shop or warehouse. */
      storeId?: string | undefined;
      /** The code of what is sold. */
      sku: string;
      /** Units to add, or to take away. */
      delta: number;
      reason: "sale" | "damage" | "count" | "manual" | "receipt" | "return";
      /** Your name of what caused it. Kept in the history. */
      reference?: string | undefined;
      /** Kept in the history. */
      notes?: string | undefined;
      /** Kept with the event. */
      traceId?: string | undefined;
    };
    answer: {
      eventId: string;
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId: string;
      /** Units that are there: reserved + available. */
      onHand: number;
      /** Units that reservations hold. */
      reserved: number;
      /** Units that may be sold. */
      available: number;
      /** One more with each change. */
      version: number;
      occurredAt: string;
      /** Units to add, or to take away. */
      delta: number;
      reason: "sale" | "damage" | "count" | "manual" | "receipt" | "return";
      /** Your name of what caused it. Kept in the history. */
      reference?: string;
      /** Kept in the history. */
      notes?: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Set a store's stock to what was counted. */
  "POST /v1/items:set-absolute": {
    body: {
      /** A shop or warehouse. */
      storeId?: string | undefined;
      /** The code of what is sold. */
      sku: string;
      /** Units that are there, held ones among them. */
      onHand: number;
      /** Your name of what caused it. Kept in the history. */
      countRef?: string | undefined;
    };
    answer: {
      eventId: string;
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId: string;
      /** Units that are there: reserved + available. */
      onHand: number;
      /** Units that reservations hold. */
      reserved: number;
      /** Units that may be sold. */
      available: number;
      /** One more with each change. */
      version: number;
      occurredAt: string;
      /** What this changed on hand. */
      difference: number;
      /** How many more are reserved than were counted. */
      shortfall: number;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Move units from one store to another. */
  "POST /v1/transfers": {
    body: {
      /** A shop or warehouse. */
      fromStore: string;
      /** A shop or warehouse. */
      toStore: string;
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** Units. */
        qty: number;
      }>;
      /** Kept with the event. */
      traceId?: string | undefined;
    };
    answer: {
      transferId: string;
      /** A shop or warehouse. */
      fromStore: string;
      /** A shop or warehouse. */
      toStore: string;
      lines: Array<{
        /** The code of what is sold. */
        sku: string;
        /** Units. */
        qty: number;
      }>;
      occurredAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Compare a store with what was counted there, and set it right. */
  "POST /v1/reconciliations": {
    body: {
      /** A shop or warehouse. */
      storeId?: string | undefined;
      /** What was counted of each sku, reserved units included. */
      snapshotOnHand: { [name in string]?: number };
      /** Your name of what caused it. Kept in the history. */
      source?: string | undefined;
    };
    query: {
      dryRun?: "true" | "false" | undefined;
    };
    answer: {
      /** A shop or warehouse. */
      storeId: string;
      dryRun: boolean;
      /** Your name of what caused it. Kept in the history. */
      source?: string;
      items: Array<
        | {
            /** The code of what is sold. */
            sku: string;
            counted: number;
            /** Units that were thought to be there. */
            onHand: number;
            /** counted - onHand. */
            difference: number;
            /** Units that reservations hold. */
            reserved: number;
            /** Units that may be sold after it. */
            available: number;
            /** How many more are reserved than were counted. */
            shortfall: number;
            /** One more with each change. */
            version: number;
          }
        | {
            /** The code of what is sold. */
            sku: string;
            counted: number;
            code: string;
            detail: string;
          }
      >;
      /** Skus whose stock was set. */
      applied: number;
      /** Skus with a difference. */
      differing: number;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Set or change many stocks. */
  "POST /v1/stock:bulk": {
    body: Array<{
      /** The code of what is sold. */
      sku: string;
      /** A shop or warehouse. */
      storeId?: string | undefined;
      /** Units that are there, held ones among them. */
      onHand?: number | undefined;
      /** Units to add, or to take away. */
      delta?: number | undefined;
    }>;
    answer: string;
  };
};
