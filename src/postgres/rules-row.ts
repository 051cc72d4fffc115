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
 * @param skus the condition on hold_lines.sku, as SQL
 */
export const countsOfCustomers = (skus: string) =>
  `select sku, user_id, sum(quantity)::bigint as units,
     count(*) filter (where status = 'ACTIVE') as active
   from hold_lines join holds using (hold_id)
   where sku ${skus} and status in ('ACTIVE', 'CONFIRMED') and user_id <> ''
   group by sku, user_id`;
