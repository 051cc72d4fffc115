import type { Line } from "../../../src/domain/hold.ts";
import { ORDER_ID_PATTERN } from "../../../src/domain/ids.ts";
import { remember } from "../keyed.ts";
import { type Decision, learnTime, type Model, type ModelHold, refuse } from "../model.ts";
import type { Answer, Confirm, Part, Settle } from "../requests.ts";
import { countCustomer, forgetOwnHold } from "./customers.ts";
import { addEnding, end, moveLine, newId } from "./hold-changes.ts";

// How a hold is sold, all or a part of it, in time or late: what confirming and settling have in common.

/** How many units of each line are sold; or why these can't be. */
export function chooseSold(lines: Line[], parts: Part[]): number[] | Decision {
  if (parts.length === 0) return lines.map(({ quantity }) => quantity);
  const wanted = new Map(parts.map(({ sku, quantity }) => [sku, quantity]));
  const sold = lines.map(({ sku, quantity }) => {
    const units = Math.min(quantity, wanted.get(sku) ?? 0);
    wanted.set(sku, (wanted.get(sku) ?? 0) - units);
    return units;
  });
  const missed = parts.find(({ sku }) => (wanted.get(sku) ?? 0) > 0);
  if (!missed) return sold;
  const of_sku = lines.filter(({ sku }) => sku === missed.sku);
  const held = of_sku.reduce((sum, { quantity }) => sum + quantity, 0);
  const detail = `The hold has ${held} of ${missed.sku}, and ${missed.quantity} are to be sold.`;
  return refuse("INVALID_REQUEST", { errors: [{ pointer: "#/lines", detail }] });
}

/** What a hold that was sold says to who asks again. */
export const saleOf = ({ order_id, ended, late, partial, lines }: ModelHold) => ({
  order_id,
  confirmed_at: ended?.at,
  late: late || undefined,
  lines: partial ? lines : undefined,
});

const lineText = ({ sku, store_id, quantity }: Line) => `${sku}@${store_id}=${quantity}`;

/** Sells so many units of each line: held ones while it is active, else such as are available. */
export function sell(
  model: Model,
  request: Confirm | Settle,
  hold: ModelHold,
  sold: number[],
  { said, now }: { said: Answer; now: number },
): Decision {
  const is_held = hold.status === "ACTIVE";
  const late = !is_held || now >= hold.expires_at;
  const partial = hold.lines.some(({ quantity }, i) => sold[i] !== quantity);
  const kept = hold.lines
    .map((line, i) => ({ ...line, quantity: sold[i] ?? 0 }))
    .filter(({ quantity }) => quantity > 0);
  const { order_id, confirmed_at } = said;
  const says = {
    ...{ order_id, confirmed_at, late: late || undefined },
    lines: partial ? kept : undefined,
  };
  const term = late ? "LATE" : "IN_TIME";
  const how = late || partial ? [term, ...(partial ? kept.map(lineText) : [])] : [];
  const effect = () => {
    hold.order_id = newId(order_id, ORDER_ID_PATTERN, model);
    hold.payment_ref = request.payment_ref || hold.payment_ref;
    const as_usual = is_held && !partial;
    const fact = as_usual
      ? end(model, hold, "HOLD_CONFIRMED")
      : sellSome(model, hold, sold, is_held);
    Object.assign(hold, { late, partial, lines: kept });
    fact.payload.order_id = hold.order_id;
    fact.payload.payment_ref = hold.payment_ref || undefined;
    fact.payload.late = late || undefined;
    fact.payload.partial = partial || undefined;
    learnTime(fact, confirmed_at);
    remember(model, request, fact, says, [order_id, confirmed_at, ...how]);
  };
  const seen = `${late ? "late" : "in time"}, ${partial ? "a part" : "all"}`;
  return { word: "CONFIRMED", says, effect, seen };
}

function sellSome(model: Model, hold: ModelHold, sold: number[], is_held: boolean) {
  const fact = addEnding(model, hold, "HOLD_CONFIRMED");
  fact.lines = hold.lines.flatMap((line, i) => {
    const units = sold[i] ?? 0;
    if (!is_held && units === 0) return [];
    const available_delta = is_held ? line.quantity - units : -units;
    countCustomer(model, line.sku, hold.user_id, -available_delta, is_held ? -1 : 0);
    if (is_held) forgetOwnHold(model, line.sku, hold.user_id, hold.hold_id);
    const held_delta = is_held ? -line.quantity : 0;
    const deltas = { available_delta, held_delta };
    return [moveLine(model, fact, { ...line, quantity: units }, deltas)];
  });
  return fact;
}
