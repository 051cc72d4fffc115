import { type KeptRules, rulesFromJson } from "../domain/rules.ts";

/** Of sale_rules, for `rulesOf`. */
export const RULES_COLUMNS = "rules, version, counts";
export type RulesRow = { rules: Record<string, unknown> | null; version: number; counts: boolean };

export const rulesOf = ({ rules, version, counts }: RulesRow): KeptRules => ({
  rules: rules && rulesFromJson(rules),
  version,
  counts,
});

/**
 * A query for what customers have of some skus, as lua/lib/rules.lua counts it.
 * @param skus the condition on a line's sku, as SQL
 */
export const countsOfCustomers = (skus: string) =>
  `select sku, user_id, sum(units)::bigint as units, sum(active)::bigint as active
   from (
     select sku, user_id, quantity as units, (status = 'ACTIVE')::integer as active
     from hold_lines join holds using (hold_id)
     where sku ${skus} and status in ('ACTIVE', 'CONFIRMED') and user_id <> ''
     union all
     select sku, user_id, -quantity, 0
     from order_return_lines join order_returns using (event_id) join orders using (order_id)
     where sku ${skus} and freed and user_id <> ''
   ) as counted
   group by sku, user_id having sum(units) <> 0 or sum(active) <> 0`;
