import { z } from "zod";
import type { LimitedSale } from "./limited-sale.ts";

/**
 * What an event did to one thing that is sold by rules, as the ledger tells it. Times are ms since 1970.
 */
export type Moment = {
  seq: number;
  type: string;
  at: number;
  sku: string;
  user_id: string;
  /** "" where there is none. */
  hold_id: string;
  /** Whose place in the queue it is about: of an offer, too. */
  waiter_id: string;
  /** Where that place is. */
  joined_seq: number;
  quantity: number;
  /** Units that somebody took (or gave back, below zero), and how many were available then. */
  taken: number;
  available: number;
  /** Units that count no more against what the customer may have, though they were sold. */
  freed: number;
  created_at: number;
  expires_at: number;
};

const number = z.number().default(0);
const name = z.string().default("");
const line = z.object({
  sku: z.string(),
  quantity: number,
  available: number,
  available_delta: z.number().optional(),
  freed: z.boolean().default(false),
});
const payload = z.object({
  occurred_at: z.number(),
  user_id: name,
  hold_id: name,
  created_at: number,
  expires_at: number,
  lines: z.array(line).default([]),
  waiter: z.object({ waiter_id: z.string(), joined_seq: z.number() }).optional(),
  // Of somebody who joins or leaves a queue.
  sku: name,
  quantity: number,
  waiter_id: name,
  joined_seq: number,
});

/** How many units of a line become available by an event that does not say so. */
const GIVES_BACK: Record<string, 1 | -1> = {
  HOLD_CREATED: -1,
  HOLD_PURCHASED: -1,
  HOLD_CANCELLED: 1,
  HOLD_EXPIRED: 1,
};

/** @param events in the order of their seq */
export function readStory(
  events: { seq: number; type: string; payload: unknown }[],
  sale: LimitedSale,
): Moment[] {
  return events
    .flatMap(({ seq, type, payload: json }) => {
      if (!/^(HOLD|WAITER|ORDER)_/.test(type)) return [];
      const { occurred_at: at, lines, waiter, ...said } = payload.parse(json);
      const { user_id, hold_id, created_at, expires_at } = said;
      const place = waiter ?? said;
      const common = { seq, type, at, user_id, hold_id, created_at, expires_at };
      const of = { waiter_id: place.waiter_id, joined_seq: place.joined_seq };
      const nothing = { taken: 0, available: 0, freed: 0 };
      const { sku, quantity } = said;
      if (type.startsWith("WAITER_")) return [{ ...common, ...of, sku, quantity, ...nothing }];
      return lines.map((moved) => ({
        ...{ ...common, ...of, sku: moved.sku, quantity: moved.quantity },
        taken: -(moved.available_delta ?? (GIVES_BACK[type] ?? 0) * moved.quantity),
        available: moved.available,
        freed: moved.freed ? moved.quantity : 0,
      }));
    })
    .filter(({ sku }) => sale.has(sku));
}
