import type { KeptRules } from "../domain/rules.ts";
import type { Pool } from "./client.ts";
import { type ListPage, pageOf } from "./history-page.ts";
import { RULES_COLUMNS, type RulesRow, rulesOf } from "./rules-row.ts";

/** Skus with rules, as recorded, in the order of their skus. @param page.after only those behind this one */
export async function listRules(
  pool: Pool,
  page: { paused: boolean; limit: number; after?: string | undefined },
): Promise<ListPage<KeptRules & { sku: string }, string>> {
  const { paused, limit, after = "" } = page;
  const { rows } = await pool.query<RulesRow & { sku: string }>({
    name: paused ? "list_paused_rules" : "list_rules",
    text: `select sku, ${RULES_COLUMNS} from sale_rules
           where rules is not null and sku > $1 ${paused ? "and (rules ->> 'paused')::boolean" : ""}
           order by sku limit $2`,
    values: [after, limit + 1],
  });
  const items = rows.map((row) => ({ sku: row.sku, ...rulesOf(row) }));
  return pageOf(items, limit, ({ sku }) => sku);
}
