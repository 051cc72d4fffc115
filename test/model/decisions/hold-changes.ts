import { expect } from "@jest/globals";
import type { Line } from "../../../src/domain/hold.ts";
import {
  addFact,
  changeStock,
  corruptAnswer,
  type Decision,
  type Fact,
  type Model,
  type ModelHold,
  refuse,
  stockOf,
} from "../model.ts";
import type { Request } from "../requests.ts";
import { countCustomer, forgetOwnHold } from "./customers.ts";

// What the decisions about holds have in common.

const ENDING_STATUSES = {
  HOLD_CONFIRMED: "CONFIRMED",
  HOLD_CANCELLED: "CANCELLED",
  HOLD_EXPIRED: "EXPIRED",
} as const;
export type Ending = keyof typeof ENDING_STATUSES;

type OfHold = Extract<Request, { does: string; hold_id: string; late?: unknown }>;

/** What a request about a hold is told before anybody looks at the hold's state. */
export function openingAnswer(model: Model, { late, hold_id }: OfHold): Decision | undefined {
  if (late) return refuse("LATE");
  return corruptAnswer(model, model.holds.get(hold_id)?.lines ?? []);
}

export const NOT_ALIVE_WORDS = [
  "HOLD_NOT_FOUND",
  "HOLD_ALREADY_CONFIRMED",
  "HOLD_CANCELLED",
  "HOLD_EXPIRED",
];

/** Why a hold can't be had more time or other lines. */
export function notAliveAnswer(hold: ModelHold | undefined, now: number): Decision | undefined {
  if (!hold) return refuse("HOLD_NOT_FOUND");
  const { hold_id } = hold;
  if (hold.status === "CONFIRMED") return refuse("HOLD_ALREADY_CONFIRMED", { hold_id });
  if (hold.status === "CANCELLED") return refuse("HOLD_CANCELLED", { hold_id });
  if (hold.status === "ACTIVE" && now < hold.expires_at) return undefined;
  return refuse("HOLD_EXPIRED", { hold_id, expires_at: new Date(hold.expires_at).toISOString() });
}

export function newHold(
  model: Model,
  given: Pick<ModelHold, "hold_id" | "lines" | "user_id" | "created" | "expires_at">,
): ModelHold {
  const hold: ModelHold = {
    ...given,
    status: "ACTIVE",
    version: 1,
    ended: undefined,
    extensions: 0,
    order_id: undefined,
    payment_ref: "",
    late: false,
    partial: false,
    due: { from: given.expires_at, to: given.expires_at },
  };
  model.holds.set(hold.hold_id, hold);
  hold.created.payload = payloadOf(hold);
  return hold;
}

/** What each event of a hold says of it. */
export const payloadOf = (hold: ModelHold) => {
  const { hold_id, status, user_id, created, expires_at, version, extensions } = hold;
  const extended = { extensions: extensions || undefined };
  return { hold_id, status, user_id, created_at: created.at, expires_at, version, ...extended };
};

/** Ends a hold and moves all of its units: back among those available, unless they are sold. */
export function end(model: Model, hold: ModelHold, type: Ending): Fact {
  const fact = addEnding(model, hold, type);
  const back = type === "HOLD_CONFIRMED" ? 0 : 1;
  fact.lines = hold.lines.map((line) => {
    const { sku, quantity } = line;
    countCustomer(model, sku, hold.user_id, -back * quantity, -1);
    forgetOwnHold(model, sku, hold.user_id, hold.hold_id);
    const stock = stockOf(model, line);
    return { quantity, ...changeStock(model, stock, fact, back * quantity, -quantity) };
  });
  return fact;
}

/** The same, of which the units move otherwise. */
export function addEnding(model: Model, hold: ModelHold, type: Ending): Fact {
  hold.status = ENDING_STATUSES[type];
  hold.version += 1;
  hold.ended = addFact(model, type);
  hold.ended.payload = payloadOf(hold);
  return hold.ended;
}

/** A line of a hold's event that does something else to its stock than the event's type says. */
export function moveLine(
  model: Model,
  fact: Fact,
  { sku, store_id, quantity }: Line,
  deltas: { available_delta: number; held_delta: number },
) {
  const stock = stockOf(model, { sku, store_id });
  const { available_delta, held_delta } = deltas;
  const after = changeStock(model, stock, fact, available_delta, held_delta);
  return { quantity, deltas, ...after };
}

/** An id that nobody has had before. */
export function newId(said: unknown, pattern: RegExp, model: Model): string {
  expect(said).toMatch(pattern);
  const holds = [...model.holds.values()];
  expect(holds.some(({ hold_id, order_id }) => said === hold_id || said === order_id)).toBe(false);
  return String(said);
}
