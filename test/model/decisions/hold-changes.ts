import { expect } from "@jest/globals";
import {
  addFact,
  changeStock,
  corruptAnswer,
  type Fact,
  type Model,
  type ModelHold,
  refuse,
  stockOf,
} from "../model.ts";
import type { Cancel, Confirm, Expire, Span } from "../requests.ts";

// What the decisions about holds have in common.

const ENDING_STATUSES = {
  HOLD_CONFIRMED: "CONFIRMED",
  HOLD_CANCELLED: "CANCELLED",
  HOLD_EXPIRED: "EXPIRED",
} as const;

/** What an ending is told before anybody looks at the hold's state. */
export function endingAnswer(model: Model, { late, hold_id }: Confirm | Cancel | Expire) {
  if (late) return refuse("LATE");
  return corruptAnswer(model, model.holds.get(hold_id)?.lines ?? []);
}

export function end(
  model: Model,
  hold: ModelHold,
  type: keyof typeof ENDING_STATUSES,
  span: Span,
): Fact {
  hold.status = ENDING_STATUSES[type];
  hold.version += 1;
  hold.ended = addFact(model, type, span);
  moveUnits(model, hold, hold.ended, hold.status === "CONFIRMED" ? 0 : 1, -1);
  return hold.ended;
}

/** Its units come (1), go (-1) or stay (0) among those available, and among those held. */
export function moveUnits(
  model: Model,
  hold: ModelHold,
  fact: Fact,
  available: number,
  held: number,
) {
  fact.lines = hold.lines.map((line) => {
    const { quantity } = line;
    const stock = stockOf(model, line);
    return { quantity, ...changeStock(stock, fact, available * quantity, held * quantity) };
  });
  const { hold_id, status, user_id, created, expires_at, version } = hold;
  fact.payload = { hold_id, status, user_id, created_at: created.at, expires_at, version };
}

/** An id that nobody has had before. */
export function newId(said: unknown, pattern: RegExp, model: Model): string {
  expect(said).toMatch(pattern);
  const holds = [...model.holds.values()];
  expect(holds.some(({ hold_id, order_id }) => said === hold_id || said === order_id)).toBe(false);
  return String(said);
}
