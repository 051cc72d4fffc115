/** What a shopper asked for. Under one key it is always the same, unless the shopper misuses it. */
export type Request =
  | {
      action: "RESERVE";
      user_id: string;
      sku: string;
      units: number;
      /** Else as the rules of the sale say. */
      ttl_seconds?: number;
    }
  | {
      action: "CONFIRM";
      hold_id: string;
      payment_ref: string;
      /** The money has moved: whatever the hold has come to, this payment has an outcome. */
      money_has_moved?: true;
      /** When not all of it is paid for. */
      part?: { sku: string; units: number };
    }
  | { action: "CANCEL"; hold_id: string }
  | { action: "EXTEND"; hold_id: string; ttl_seconds: number }
  | { action: "RETURN"; order_id: string; sku: string; units: number; restock: boolean }
  | { action: "JOIN"; user_id: string; sku: string; units: number; offer_seconds: number }
  /** At one's place in a queue, which changes nothing. */
  | { action: "LOOK"; waiter_id: string; sku: string; units: number }
  | { action: "LEAVE"; waiter_id: string };

/** What an answer said, as far as it concerns the account. Times are ms since 1970. */
export type Answer = {
  status: number;
  /** Of a problem. */
  code?: string | undefined;
  replayed: boolean;
  hold_id?: string | undefined;
  hold_status?: string | undefined;
  order_id?: string | undefined;
  expires_at?: number | undefined;
  confirmed_at?: number | undefined;
  /** Of a payment: it was sold after its deadline. */
  late?: boolean | undefined;
  /** Of a payment that could not be fulfilled. */
  payment_id?: string | undefined;
  why?: string | undefined;
  waiter_id?: string | undefined;
  waiter_status?: string | undefined;
  return_id?: string | undefined;
  returned_at?: number | undefined;
  opens_at?: number | undefined;
};

/**
 * How one attempt ended. CUT: the shopper cut the connection. BROKEN: it broke, or could not be made. HUNG:
 * there was no answer within the time in which every request must be answered.
 */
export type Outcome = { end: "ANSWERED"; answer: Answer } | { end: "CUT" | "BROKEN" | "HUNG" };

/** One attempt of one request. Times are ms since 1970 on the shopper's clock. */
export type Entry = {
  shopper: number;
  /** The idempotency key. */
  key: string;
  request: Request;
  sent_at: number;
  ended_at: number;
  /** How much of that time the API itself was frozen by the drill. */
  frozen_ms: number;
  outcome: Outcome;
};

export type Journal = ReturnType<typeof createJournal>;

/** Everything that the shoppers were told. */
export function createJournal() {
  const entries: Entry[] = [];
  const waiting = new Set<{ struck_at: number; resolve: (at: number) => void }>();

  function note(entry: Entry): void {
    entries.push(entry);
    if (!isAccepted(entry.outcome) || !isDecision(entry)) return;
    for (const waiter of waiting) {
      if (entry.sent_at < waiter.struck_at) continue;
      waiting.delete(waiter);
      waiter.resolve(entry.ended_at);
    }
  }

  /** When the first request that was sent after `struck_at` was accepted. It may never happen. */
  function firstAcceptedAfter(struck_at: number): Promise<number> {
    return new Promise((resolve) => waiting.add({ struck_at, resolve }));
  }

  return { entries, note, firstAcceptedAfter };
}

export const isAccepted = (outcome: Outcome) =>
  outcome.end === "ANSWERED" && outcome.answer.status < 300;

/** Who only looks is answered by whatever remembers, also while nothing can be decided. */
export const isDecision = ({ request }: Entry) => request.action !== "LOOK";

/** There is not as much as was asked for. */
export const isShort = (code: string | undefined) => code === "SOLD_OUT" || code === "ALL_HELD";

/** Nothing was decided, or nobody knows: the request is to be made again with the same key. */
export const isUnavailable = ({ status }: Answer) => [503, 504, 408].includes(status);
