// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type OperationCalls = {
  /** What an idempotency key did in the last 24 hours. */
  "GET /v1/idempotency/{key}": {
    answer: {
      key: string;
      items: Array<{
        /** What was asked under this key. */
        route: string;
        recordedAt: string;
        /** What came of it. Of a request of many lines: what came of its first line. */
        result: { [name in string]?: unknown };
      }>;
    };
  };
  /** How far the ledger is behind, and how the last rebuild went. */
  "GET /v1/projections/status": {
    answer: {
      partitions: Array<{
        partition: number;
        /** The newest event that is recorded. */
        appliedSeq: number;
        /** The newest event there is. Null while Redis is away. */
        decidedSeq: number | null;
        /** Events yet to be recorded. */
        backlog: number | null;
        /** How old the oldest of them is. While Redis is away: since when there may be some. */
        lagMs: number;
        /** When something was last recorded. */
        updatedAt: string | null;
      }>;
      rebuild: {
        requestedAt: string | null;
        startedAt: string | null;
        finishedAt: string | null;
        /** About how many, until it is done. Null before it has begun. */
        stocksTotal: number | null;
        stocksDone: number;
        /** Those whose counts were not the sum of their movements. */
        stocksCorrected: number;
        state: "NONE" | "REQUESTED" | "RUNNING" | "DONE";
      };
    };
  };
  /** Sum up all movements anew, in the background. */
  "POST /v1/projections/rebuild": {
    body: Record<string, never>;
    answer: {
      requestedAt: string | null;
      startedAt: string | null;
      finishedAt: string | null;
      /** About how many, until it is done. Null before it has begun. */
      stocksTotal: number | null;
      stocksDone: number;
      /** Those whose counts were not the sum of their movements. */
      stocksCorrected: number;
      state: "NONE" | "REQUESTED" | "RUNNING" | "DONE";
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Dead letters, newest first. */
  "GET /v1/dlt": {
    query: {
      limit?: number | undefined;
      /** `nextCursor` of the page before. */
      cursor?: string | undefined;
    };
    answer: {
      items: Array<{
        /** The id of the stream's entry. */
        messageId: string;
        /** Null when it has none. */
        seq: number | null;
        error: string;
        attempts: number;
        failedAt: string;
        /** When somebody asked for it to be tried again; null when nobody has since it failed. */
        replayRequestedAt: string | null;
        /** The entry as it was read. */
        entry: { [name in string]?: string };
      }>;
      /** Send it as `cursor` to get the next page. Null: this is the last one. */
      nextCursor: string | null;
    };
  };
  /** Try dead letters again. */
  "POST /v1/dlt/replay": {
    body: {
      /** Which ones. Left out: all there are. */
      messageIds?: Array<string> | undefined;
    };
    answer: {
      /** How many will be tried again. */
      requested: number;
      messageIds: Array<string>;
      /** Those that name no dead letter: it may have been recorded since. */
      unknown: Array<string>;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Whether the store is open, and what it had lost when it last was not. */
  "GET /v1/recovery": {
    answer: {
      state:
        | "CLOSED"
        | "REDIS_AWAY"
        | "OPEN"
        | "DRAINING"
        | "WAITING_FOR_APPROVAL"
        | "RESTORING"
        | "CHECKING";
      /** Null before the first worker came. */
      since: string | null;
      /** Counts the openings. */
      generation: number;
      /** Null when nothing was ever lost. */
      report: {
        /**
         * What Redis was found to be. TAIL_LOST: behind what was recorded or seen. ENTRIES_LOST:
         * ahead, since events were gone before they were recorded. DIVERGED: a former master that went
         * on by itself. INTACT: it was mended while it waited.
         */
        finding: "INTACT" | "EMPTY" | "TAIL_LOST" | "ENTRIES_LOST" | "DIVERGED";
        /** Null while it waits. */
        generation: number | null;
        beganAt: string;
        approvedAt: string | null;
        finishedAt: string | null;
        /** The newest event that Redis knew. */
        redisSeq: number;
        /** The newest that was recorded. */
        appliedSeq: number;
        /** The newest that anybody knows of. */
        seenSeq: number;
        /**
         * What nobody knows any more. Of events that were not recorded the number is all there is,
         * unless they were dead letters: then their holds are named.
         */
        lost: {
          events: number;
          /**
           * Whether these are all. Else they are what is known of, and there may be more: nobody has
           * listened to Redis without a break, as after a restart of it.
           */
          exact: boolean;
          holds: Array<string>;
          /** In those holds. */
          units: number;
        };
        /** What Redis was given back. Null until it is done. */
        restored: {
          stocks: number;
          /** On hand in these stocks. */
          units: number;
          activeHolds: number;
          endedHolds: number;
          /** Of idempotency keys. */
          records: number;
          /** Skus whose rules were given back. */
          rules: number;
          /** Customers of skus limited per customer, counted anew. */
          customers: number;
          /** Who waits for units of a stock. */
          waiters: number;
        } | null;
        /** Stocks with held units, and those whose holds add up to something else. */
        checked: {
          stocks: number;
          differing: number;
          differences: Array<{
            /** The code of what is sold. */
            sku: string;
            /** A shop or warehouse. */
            storeId: string;
            held: number;
            inHolds: number;
          }>;
        } | null;
        /** How long nothing was sold, without the wait for an approval. */
        seconds: number | null;
      } | null;
    };
  };
  /** Let a recovery go on that waits for it. */
  "POST /v1/recovery:approve": {
    body: Record<string, never>;
    answer: {
      /**
       * What Redis was found to be. TAIL_LOST: behind what was recorded or seen. ENTRIES_LOST:
       * ahead, since events were gone before they were recorded. DIVERGED: a former master that went
       * on by itself. INTACT: it was mended while it waited.
       */
      finding: "INTACT" | "EMPTY" | "TAIL_LOST" | "ENTRIES_LOST" | "DIVERGED";
      approvedAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Stocks and sales on which Redis and the ledger disagree. */
  "GET /v1/audit": {
    query: {
      /** The code of what is sold. */
      sku?: string | undefined;
      limit?: number | undefined;
      /** `nextCursor` of the page before. */
      cursor?: string | undefined;
    };
    answer: {
      items: Array<
        | {
            /** The code of what is sold. */
            sku: string;
            /** A shop or warehouse. */
            storeId: string;
            /**
             * CORRUPT: A key of the stock in Redis holds something else than it should. LEDGER_SUM: The
             * ledger's level is not what the stock's movements add up to. CONSERVATION: Units came or went
             * in the ledger that were neither stocked, adjusted nor sold. REDIS_AHEAD: Redis has changes
             * of the stock that the ledger lacks, though all is recorded. REDIS_BEHIND: Redis has
             * forgotten changes of the stock that it once decided. HELD: Redis counts other units as held
             * than the stock's events have held. CHANGED_OUTSIDE: Other units are available than by the
             * last event: somebody has set them by hand.
             */
            kind:
              | "CORRUPT"
              | "LEDGER_SUM"
              | "CONSERVATION"
              | "REDIS_AHEAD"
              | "REDIS_BEHIND"
              | "HELD"
              | "CHANGED_OUTSIDE";
            /** False: it is a warning, and stops no sale. */
            alarm: boolean;
            /** What its movements add up to, at Redis's version if they have it. */
            ledger: {
              onHand: number;
              reserved: number;
              available: number;
              /** One more with each change. */
              version: number;
            };
            /** What reads of the ledger show. Null: it has none. */
            level: {
              onHand: number;
              reserved: number;
              available: number;
              /** One more with each change. */
              version: number;
            } | null;
            /** What is sold from. Null when its keys can't be read. */
            redis: {
              onHand: number;
              reserved: number;
              available: number;
              /** One more with each change. */
              version: number;
            } | null;
            foundAt: string;
            lastSeenAt: string;
            /** What you can do. */
            advice: string;
            /**
             * The body of a `POST /v1/adjustments` that makes on hand in Redis what the ledger says.
             * Nobody applies it but you; with `If-Match` and Redis's version only if nothing has moved
             * since. Null where an adjustment can't help.
             */
            proposal: {
              /** A shop or warehouse. */
              storeId: string;
              /** The code of what is sold. */
              sku: string;
              delta: number;
              reason: "sale" | "damage" | "count" | "manual" | "receipt" | "return";
              notes: string;
            } | null;
            /** The newest 20, newest first; `GET /v1/products/{sku}/movements` has all. */
            movements: Array<{
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
          }
        | {
            /** The code of what is sold. */
            sku: string;
            /** Null when it is about all stores. */
            storeId: string | null;
            /** Null when it is about nobody in particular. */
            customerId: string | null;
            /**
             * RULES: Redis enforces other rules of the sku's sale than were last decided. CUSTOMER_COUNT:
             * Redis counts other units or active holds of a customer than the ledger has. OWN_HOLD:
             * Redis's index of own holds names one that is no active hold of this customer and sku. QUEUE:
             * Redis's number of those who wait for a stock, their queue and their places differ. WAITER:
             * Somebody waits on one side only, or in another place of the queue.
             */
            kind: "RULES" | "CUSTOMER_COUNT" | "OWN_HOLD" | "QUEUE" | "WAITER";
            alarm: boolean;
            /** As Redis should have it: rules, `<units> <active holds>`, a place in a queue. */
            ledgerSays: string | null;
            /** Null: nothing. */
            redisSays: string | null;
            foundAt: string;
            lastSeenAt: string;
            /** What you can do. */
            advice: string;
            /** The body of a `POST /v1/audit:recount` that puts it right. Null: it can't. */
            recount: {
              /** The code of what is sold. */
              sku: string;
              /** Who buys, in your words. */
              customerId: string;
            } | null;
            recountRequested: boolean;
          }
      >;
      /** Send it as `cursor` to get the next page. Null: this is the last one. */
      nextCursor: string | null;
      /** When stocks were last looked at. Null: no worker ever has. */
      lookedAt: string | null;
      /** How often all stocks were looked at. */
      rounds: number;
      /** The same of rules, counts of customers, own holds and who waits. */
      saleRounds: number;
      /** The last time that all stocks were looked at. */
      lastRound: {
        beganAt: string;
        endedAt: string;
        stocks: number;
      } | null;
      /** How many it has looked at so far. Null between two rounds. */
      currentRound: {
        beganAt: string;
        stocks: number;
      } | null;
      /**
       * With `sku`, for each store: stocked + adjusted + returned − sold is available + reserved. As
       * the audit has last added it up.
       */
      accounts: Array<{
        /** A shop or warehouse. */
        storeId: string;
        /** By hand: EXTERNAL movements. */
        stocked: number;
        /** Adjustments, counts and transfers. */
        adjusted: number;
        returned: number;
        sold: number;
        available: number;
        reserved: number;
        version: number;
        /** When the audit last had to add something. */
        summedAt: string;
      }>;
    };
  };
  /** Put right what Redis counts for customers. */
  "POST /v1/audit:recount": {
    body: {
      /** The code of what is sold. */
      sku: string;
      /** Who buys, in your words. */
      customerId?: string | undefined;
    };
    answer: {
      /** The code of what is sold. */
      sku: string;
      customers: number;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** Who did what, newest first. */
  "GET /v1/audit-log": {
    query: {
      /**
       * The name of the API key, or the token's subject. `api` with `AUTH=off`, `cli:<user>` for
       * `npm run keys`, `seed` for `npm run seed`.
       */
      who?: string | undefined;
      what?:
        | "STOCK_ADJUSTED"
        | "STOCK_COUNTED"
        | "STOCK_TRANSFERRED"
        | "ORDER_RETURNED"
        | "RULES_CHANGED"
        | "PRODUCT_CREATED"
        | "PRODUCT_CHANGED"
        | "PRODUCT_DELETED"
        | "STORE_SET"
        | "PAYMENT_RESOLVED"
        | "REPLAY_REQUESTED"
        | "REBUILD_REQUESTED"
        | "RECOVERY_APPROVED"
        | "RECOUNT_REQUESTED"
        | "KEY_CREATED"
        | "KEY_ROTATED"
        | "KEY_REVOKED"
        | undefined;
      /** Only what was done then or later. */
      since?: string | undefined;
      limit?: number | undefined;
      /** `nextCursor` of the page before. */
      cursor?: string | undefined;
    };
    answer: {
      items: Array<{
        /**
         * The name of the API key, or the token's subject. `api` with `AUTH=off`, `cli:<user>` for
         * `npm run keys`, `seed` for `npm run seed`.
         */
        who: string;
        what:
          | "STOCK_ADJUSTED"
          | "STOCK_COUNTED"
          | "STOCK_TRANSFERRED"
          | "ORDER_RETURNED"
          | "RULES_CHANGED"
          | "PRODUCT_CREATED"
          | "PRODUCT_CHANGED"
          | "PRODUCT_DELETED"
          | "STORE_SET"
          | "PAYMENT_RESOLVED"
          | "REPLAY_REQUESTED"
          | "REBUILD_REQUESTED"
          | "RECOVERY_APPROVED"
          | "RECOUNT_REQUESTED"
          | "KEY_CREATED"
          | "KEY_ROTATED"
          | "KEY_REVOKED";
        /**
         * What it was done to: `sku@storeId` of the first line of a change of stock, an order, a sku,
         * a store, a payment, a key's name, or an id.
         */
        subject: string;
        /** As the answer's `X-Request-Id`. */
        requestId: string;
        doneAt: string;
        /** Of what is an event, too. */
        eventId: string | null;
        /** As it was, in the words in which it is stored. Null: there was nothing. */
        before: { [name in string]?: unknown } | null;
        /** As it is since. Null: there is nothing any more, or nothing to tell. */
        after: { [name in string]?: unknown } | null;
      }>;
      /** Send it as `cursor` to get the next page. Null: this is the last one. */
      nextCursor: string | null;
    };
  };
  /** Whether this process runs. */
  "GET /health": {
    answer: {
      status: "up";
    };
  };
  /** Whether everything is there. */
  "GET /ready": {
    answer:
      | {
          status: "ready";
        }
      | {
          status: "not ready";
          /** A sentence for each part that is missing. */
          missing: { [name in string]?: string };
        };
  };
  /** Metrics for Prometheus. */
  "GET /metrics": {
    answer: string;
  };
  /** This document. */
  "GET /openapi.json": {
    answer: { [name in string]?: unknown };
  };
};
