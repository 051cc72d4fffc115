import type { BookHold, Books } from "../../scripts/drill/books.ts";
import type { Evidence } from "../../scripts/drill/evidence.ts";
import type { Fault } from "../../scripts/drill/faults.ts";
import type { Answer, Entry, Request } from "../../scripts/drill/journal.ts";

/** When the sale opened. */
export const OPEN = 1_800_000_000_000;
export const SKU = "tea";
const TTL_MS = 20_000;

export type Scene = Omit<Evidence, "told">;

/** Seconds after the sale's opening. */
export const at = (seconds: number) => OPEN + seconds * 1000;

/**
 * A small sale in which every promise is kept: of three units, ann's is paid, bob's cancelled, cid's left to
 * expire, and dan gets none. Meanwhile Postgres is killed once.
 */
export function openScene(): Scene {
  const ann = reserves("ann", 1);
  const bob = reserves("bob", 1.1);
  const cid = reserves("cid", 1.2);
  const sold_out = { status: 409, code: "SOLD_OUT", replayed: false };
  const reused = { status: 422, code: "IDEMPOTENCY_KEY_REUSED", replayed: false };
  const paid = { ...answers(200), order_id: "O-ann", confirmed_at: at(2) + 5 };
  return {
    journal: [
      ann,
      { ...ann, sent_at: at(1.5), ended_at: at(1.51) },
      { ...ann, ...attempt(1.6, reused), request: reserveOf("ann", 2) },
      bob,
      cid,
      entry("dan-reserve", reserveOf("dan"), 1.3, sold_out),
      entry("ann-pay", payOf("ann"), 2, paid),
      entry("bob-cancel", cancelOf("bob"), 3, answers(200, "CANCELLED")),
      entry("cid-pay", payOf("cid"), 22, { status: 410, code: "HOLD_EXPIRED", replayed: false }),
    ],
    books: openBooks(),
    faults: [fault("postgres", 2.5, { back: 3.5, accepted: 3.01 })],
    sale: { opened_at: OPEN, last_came_at: at(20), closed_at: at(22), came: 4 },
  };
}

function openBooks(): Books {
  const held = [
    bookHold("ann", 1, { status: "CONFIRMED", ended_at: at(2) + 5, order_id: "O-ann" }),
    bookHold("bob", 1.1, { status: "CANCELLED", ended_at: at(3) + 5 }),
    bookHold("cid", 1.2, { status: "EXPIRED", ended_at: at(21.3) }),
  ];
  const holds = () => new Map(held.map((hold) => [hold.hold_id, structuredClone(hold)]));
  const stocks = () => new Map([[SKU, { available: 2, held: 0, version: 7 }]]);
  const event = (seq: number, type: string, who: string) => ({ seq, type, hold_id: `H-${who}` });
  const taking = (seq: number, available_delta: number) => ({ seq, sku: SKU, available_delta });
  return {
    stocked: new Map([[SKU, 3]]),
    limited: new Map(),
    redis: { holds: holds(), stocks: stocks(), seq: 7, unrecorded: 0 },
    postgres: {
      holds: holds(),
      stocks: stocks(),
      events: [
        { seq: 1, type: "STOCK_COUNTED", hold_id: null },
        event(2, "HOLD_CREATED", "ann"),
        event(3, "HOLD_CREATED", "bob"),
        event(4, "HOLD_CREATED", "cid"),
        event(5, "HOLD_CONFIRMED", "ann"),
        event(6, "HOLD_CANCELLED", "bob"),
        event(7, "HOLD_EXPIRED", "cid"),
      ],
      takings: [2, 3, 4].map((seq) => taking(seq, -1)).concat(taking(6, 1), taking(7, 1)),
      orders: [{ order_id: "O-ann", hold_id: "H-ann", payment_ref: "payment-ann" }],
      history: new Map([[SKU, { available: 2, held: 0 }]]),
      ...{ story: [], unfulfilled: [], returns: [], waiters: new Map() },
      alarmed: new Set(),
      dead_letters: 0,
      losses: [],
      drifts: [],
      audits: 2,
    },
  };
}

export function bookHold(who: string, seconds: number, more: Partial<BookHold>): BookHold {
  return {
    hold_id: `H-${who}`,
    status: "ACTIVE",
    user_id: who,
    lines: [{ sku: SKU, quantity: 1 }],
    created_at: at(seconds) + 5,
    expires_at: at(seconds) + TTL_MS,
    ended_at: null,
    order_id: null,
    payment_ref: more.status === "CONFIRMED" ? `payment-${who}` : null,
    late: false,
    ...more,
  };
}

/** @param times seconds after the sale's opening */
export function fault(
  kind: Fault["kind"],
  struck: number,
  times: { back: number; accepted: number | null },
): Fault {
  const accepted_at = times.accepted === null ? null : at(times.accepted);
  return { kind, struck_at: at(struck), back_at: at(times.back), accepted_at };
}

export const reserveOf = (user_id: string, units = 1): Request => ({
  ...{ action: "RESERVE", user_id, sku: SKU, units, ttl_seconds: TTL_MS / 1000 },
});
export const payOf = (who: string, payment_ref = `payment-${who}`): Request => ({
  ...{ action: "CONFIRM", hold_id: `H-${who}`, payment_ref },
});
export const cancelOf = (who: string): Request => ({ action: "CANCEL", hold_id: `H-${who}` });

const answers = (status: number, hold_status?: string): Answer => ({
  ...{ status, replayed: false, hold_status },
});

function reserves(who: string, seconds: number): Entry {
  const hold = { hold_id: `H-${who}`, expires_at: at(seconds) + TTL_MS };
  return entry(`${who}-reserve`, reserveOf(who), seconds, { ...answers(201, "ACTIVE"), ...hold });
}

/** One attempt, answered after 10 ms. */
export const entry = (key: string, request: Request, seconds: number, answer: Answer): Entry => ({
  ...{ shopper: 1, key, request },
  ...attempt(seconds, answer),
});

export const attempt = (seconds: number, answer: Answer) => ({
  ...{ sent_at: at(seconds), ended_at: at(seconds) + 10, frozen_ms: 0 },
  outcome: { end: "ANSWERED" as const, answer },
});
