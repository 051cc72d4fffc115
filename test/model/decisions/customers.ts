import type { SaleRules } from "../../../src/domain/rules.ts";
import { type Decision, type Model, refuse } from "../model.ts";

// What the rules of a sale let whom take, and what each customer has.

const NO_RULES: SaleRules = {};
export const rulesOf = (model: Model, sku: string): SaleRules =>
  model.rules.get(sku)?.rules ?? NO_RULES;

/** What a customer has, as far as it is counted. */
export const countOf = ({ customers }: Model, sku: string, user_id: string) =>
  customers.get(`${sku} ${user_id}`) ?? { units: 0, active: 0 };

/** Counts what a customer takes, or gives back: from the sku's first limit per customer on. */
export function countCustomer(
  model: Model,
  sku: string,
  user_id: string,
  units: number,
  active: number,
) {
  if (!model.rules.get(sku)?.counts || user_id === "") return;
  const count = countOf(model, sku, user_id);
  model.customers.set(`${sku} ${user_id}`, {
    units: count.units + units,
    active: count.active + active,
  });
}

/** This hold is the customer's own from now on. */
export function setOwnHold(model: Model, sku: string, user_id: string, hold_id: string) {
  if (user_id !== "") model.own_holds.set(`${sku} ${user_id}`, hold_id);
}

export function forgetOwnHold({ own_holds }: Model, sku: string, user_id: string, hold_id: string) {
  if (own_holds.get(`${sku} ${user_id}`) === hold_id) own_holds.delete(`${sku} ${user_id}`);
}

/** Why nobody may take any now. When a sale opens or closes is far away here, before or behind. */
export function closedAnswer(model: Model, sku: string): Decision | undefined {
  const { paused, opens_at = 0, closes_at = Infinity } = rulesOf(model, sku);
  const now = model.span.to;
  if (paused) return refuse("SALE_PAUSED", { sku });
  if (now < opens_at) {
    return refuse("SALE_NOT_OPEN", { sku, opens_at: new Date(opens_at).toISOString() });
  }
  if (now >= closes_at) {
    return refuse("SALE_CLOSED", { sku, closes_at: new Date(closes_at).toISOString() });
  }
  return undefined;
}

export type Taking = { sku: string; user_id: string; units: number; holds: number };
/** What the customer's own hold would give back to make room. */
export type Room = { units: number; holds: number };

/** Why a customer may not have so many more units, in so many more holds. */
export function limitAnswer(
  model: Model,
  { sku, user_id, units, holds }: Taking,
  room: Room = { units: 0, holds: 0 },
): Decision | undefined {
  const { max_per_customer, max_active_holds } = rulesOf(model, sku);
  const is_personal = max_per_customer !== undefined || max_active_holds !== undefined;
  if (is_personal && user_id === "") return refuse("INVALID_REQUEST");
  return passedLimit(model, { sku, user_id, units, holds }, room);
}

/** The first limit that is passed by this. */
export function passedLimit(
  model: Model,
  { sku, user_id, units, holds }: Taking,
  room: Room = { units: 0, holds: 0 },
): Decision | undefined {
  const { max_per_order, max_per_customer, max_active_holds } = rulesOf(model, sku);
  const had = countOf(model, sku, user_id);
  const of_customer = had.units - room.units;
  return (
    limitPassed(sku, "maxPerOrder", max_per_order, 0, units) ??
    limitPassed(sku, "maxActiveHolds", max_active_holds, had.active - room.holds, holds) ??
    limitPassed(sku, "maxPerCustomer", max_per_customer, of_customer, units)
  );
}

/** LIMIT_EXCEEDED when `more` are beyond it, of which `used` are had. */
export function limitPassed(
  sku: string,
  rule: string,
  limit: number | undefined,
  used: number,
  more: number,
): Decision | undefined {
  if (limit === undefined) return undefined;
  const left = Math.max(0, limit - used);
  if (more <= left) return undefined;
  return { ...refuse("LIMIT_EXCEEDED", { sku, rule, limit, left }), seen: `passes ${rule}` };
}
