// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type ProductsCalls = {
  /** Make a product, with stock to begin with. */
  "POST /v1/products": {
    body: {
      /** The code of what is sold. */
      sku: string;
      name: string;
      /** Units that are there, held ones among them. */
      initialOnHand?: number | undefined;
      description?: string | undefined;
      /** With at most 2 decimals, in your currency. */
      price?: number | undefined;
      category?: string | undefined;
      /** Where it lies, in your words. */
      location?: string | undefined;
    };
    answer: {
      /** The code of what is sold. */
      sku: string;
      name: string;
      description?: string;
      /** With at most 2 decimals, in your currency. */
      price?: number;
      category?: string;
      /** Where it lies, in your words. */
      location?: string;
      /** One more with each change. */
      version: number;
      createdAt: string;
      updatedAt: string;
      /** Where `initialOnHand` went: to the store that had the least. */
      initialStock?: {
        /** A shop or warehouse. */
        storeId: string;
        /** Units that are there, held ones among them. */
        onHand: number;
      };
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Products, in the order of their skus. */
  "GET /v1/products": {
    query: {
      /** Only those in whose sku or name it occurs, in capitals or not. */
      q?: string | undefined;
      limit?: number | undefined;
      offset?: number | undefined;
    };
    answer: {
      items: Array<{
        /** The code of what is sold. */
        sku: string;
        name: string;
        description?: string;
        /** With at most 2 decimals, in your currency. */
        price?: number;
        category?: string;
        /** Where it lies, in your words. */
        location?: string;
        /** One more with each change. */
        version: number;
        createdAt: string;
        updatedAt: string;
      }>;
      /** On all pages together. */
      total: number;
      limit: number;
      offset: number;
    };
  };
  /** What all stores have of each product together. */
  "GET /v1/products/totals": {
    query: {
      /** Only those in whose sku or name it occurs, in capitals or not. */
      q?: string | undefined;
      page?: number | undefined;
      size?: number | undefined;
    };
    answer: {
      items: Array<{
        /** The code of what is sold. */
        sku: string;
        name: string;
        /** Units that are there: reserved + available. */
        totalOnHand: number;
        /** Units that reservations hold. */
        totalReserved: number;
        /** Units that may be sold. */
        totalAvailable: number;
      }>;
      page: number;
      size: number;
      /** On all pages together. */
      total: number;
    };
  };
  /** Look a product up, with its stock. */
  "GET /v1/products/{sku}": {
    answer: {
      /** The code of what is sold. */
      sku: string;
      name: string;
      description?: string;
      /** With at most 2 decimals, in your currency. */
      price?: number;
      category?: string;
      /** Where it lies, in your words. */
      location?: string;
      /** One more with each change. */
      version: number;
      createdAt: string;
      updatedAt: string;
      stock: {
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
  };
  /** Replace what is known of a product. */
  "PUT /v1/products/{sku}": {
    body: {
      name: string;
      description?: string | undefined;
      /** With at most 2 decimals, in your currency. */
      price?: number | undefined;
      category?: string | undefined;
      /** Where it lies, in your words. */
      location?: string | undefined;
    };
    answer: {
      /** The code of what is sold. */
      sku: string;
      name: string;
      description?: string;
      /** With at most 2 decimals, in your currency. */
      price?: number;
      category?: string;
      /** Where it lies, in your words. */
      location?: string;
      /** One more with each change. */
      version: number;
      createdAt: string;
      updatedAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Delete a product that has no stock. */
  "DELETE /v1/products/{sku}": {
    answer: {
      /** The code of what is sold. */
      sku: string;
      deleted: true;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Every change of a sku's stock, newest first. */
  "GET /v1/products/{sku}/movements": {
    query: {
      /** A shop or warehouse. */
      storeId?: string | undefined;
      limit?: number | undefined;
      /** `nextCursor` of the page before. */
      cursor?: string | undefined;
    };
    answer: {
      items: Array<{
        /** The code of what is sold. */
        sku: string;
        /** A shop or warehouse. */
        storeId: string;
        /** The event that moved it. EXTERNAL is what no event of ours explains. */
        kind:
          | "HOLD_CREATED"
          | "HOLD_CONFIRMED"
          | "HOLD_CANCELLED"
          | "HOLD_EXPIRED"
          | "HOLD_PURCHASED"
          | "HOLD_CHANGED"
          | "STOCK_ADJUSTED"
          | "STOCK_COUNTED"
          | "STOCK_TRANSFERRED"
          | "ORDER_RETURNED"
          | "EXTERNAL";
        availableDelta: number;
        heldDelta: number;
        /** The sum of the two. */
        onHandDelta: number;
        /** The stock's, after it. */
        version: number | null;
        reason: string | null;
        /** The reservation, or what the change of stock named. */
        reference: string | null;
        notes: string | null;
        /**
         * Who: the customer, the name of the caller that changed the stock (`api` with `AUTH=off`),
         * `worker` when time ran out, `outside` for EXTERNAL.
         */
        actor: string | null;
        eventId: string;
        occurredAt: string;
      }>;
      /** Send it as `cursor` to get the next page. Null: this is the last one. */
      nextCursor: string | null;
    };
  };
};
