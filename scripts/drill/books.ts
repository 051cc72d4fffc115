import type { HoldStatus } from "../../src/domain/hold.ts";
import type { LimitedSale } from "./limited-sale.ts";
import type { Moment } from "./story.ts";

/** A hold as one of the two stores has it. Times are ms since 1970. */
export type BookHold = {
  hold_id: string;
  status: HoldStatus;
  user_id: string;
  lines: { sku: string; quantity: number }[];
  created_at: number;
  expires_at: number;
  ended_at: number | null;
  order_id: string | null;
  payment_ref: string | null;
  /** It was sold after its deadline. */
  late: boolean;
};

export type Stock = { available: number; held: number; version: number };

/** What one of the stores says when everything is over. Stocks by SKU, holds by id. */
export type Book = { holds: Map<string, BookHold>; stocks: Map<string, Stock> };

/** Both sides, and what Postgres has beside: an event a row, and what came of it. */
export type Books = {
  /** How many units of each SKU were put on sale. */
  stocked: Map<string, number>;
  /** Those of them that were sold by rules, and the rules. */
  limited: LimitedSale;
  redis: Book & {
    /** The number of the newest event, which counts without gaps. */
    seq: number;
    /** Events that wait to be recorded. */
    unrecorded: number;
  };
  postgres: Book & {
    /** By seq. */
    events: {
      seq: number;
      type: string;
      hold_id: string | null;
      /** What the request's idempotency key is remembered by. */
      key?: string | null | undefined;
    }[];
    /** Of what was sold by rules, all that has happened, by seq. */
    story: Moment[];
    /** What holds and returns did to stocks, by seq: units that were taken (negative) or came back. */
    takings: { seq: number; sku: string; available_delta: number }[];
    orders: { order_id: string; hold_id: string; payment_ref: string | null }[];
    unfulfilled: { payment_id: string; hold_id: string; payment_ref: string }[];
    /** What came back of each line of an order, and how much was sold of it. */
    returns: {
      return_id: string;
      order_id: string;
      sku: string;
      units: number;
      sold: number;
      restock: boolean;
      /** Whether Redis has done it, and that is recorded. */
      done: boolean;
    }[];
    /** Everybody who has joined a queue. */
    waiters: Map<string, { user_id: string; status: string; hold_id: string | null }>;
    /** What the history of each stock adds up to. */
    history: Map<string, { available: number; held: number }>;
    /** Seqs that were noticed to be missing. */
    alarmed: Set<number>;
    dead_letters: number;
    /** What each recovery says of what was lost: so many events, or so many at least. */
    losses: { events_lost: number; exact: boolean }[];
    /** What the audit tells of, without stock that was set by hand. */
    drifts: { sku: string; kind: string }[];
    /** How often the audit has looked at all stocks since everything was recorded. */
    audits: number;
  };
};
