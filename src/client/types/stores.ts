// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type StoresCalls = {
  /** Make a store, or change one. */
  "POST /v1/stores": {
    body: {
      /** A shop or warehouse. */
      storeId: string;
      name: string;
      /** 0 is the nearest: a purchase by `lowest-latency` takes from there first. */
      latencyRank?: number | undefined;
    };
    answer: {
      /** A shop or warehouse. */
      storeId: string;
      name: string;
      /** 0 is the nearest: a purchase by `lowest-latency` takes from there first. */
      latencyRank: number;
      /** Null for a default store nobody has named. */
      createdAt: string | null;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** All stores. */
  "GET /v1/stores": {
    answer: {
      items: Array<{
        /** A shop or warehouse. */
        storeId: string;
        name: string;
        /** 0 is the nearest: a purchase by `lowest-latency` takes from there first. */
        latencyRank: number;
        /** Null for a default store nobody has named. */
        createdAt: string | null;
      }>;
    };
  };
};
