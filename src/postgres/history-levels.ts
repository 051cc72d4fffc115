import type { StockCounts } from "../domain/stock.ts";
import type { Pool } from "./client.ts";

export function createLevelReads(pool: Pool) {
  /**
   * What the ledger last heard of these skus, by store. Every sku asked for is a key of the answer, with an
   * empty list when it has no stock on record.
   */
  async function readLevels(
    skus: string[],
    store_id?: string,
  ): Promise<Map<string, StockCounts[]>> {
    const { rows } = await pool.query<LevelRow>({
      name: store_id === undefined ? "read_stock_levels" : "read_stock_levels_of_store",
      text: `select sku, store_id, available, held, version, updated_at from stock_levels
             where sku = any($1::text[]) ${store_id === undefined ? "" : "and store_id = $2"}
             order by sku, store_id`,
      values: store_id === undefined ? [skus] : [skus, store_id],
    });
    const levels = new Map<string, StockCounts[]>(skus.map((sku) => [sku, []]));
    for (const { sku, updated_at, ...counts } of rows) {
      levels.get(sku)?.push({ ...counts, changed_at: updated_at.getTime() });
    }
    return levels;
  }

  return { readLevels };
}

type LevelRow = Omit<StockCounts, "changed_at"> & { sku: string; updated_at: Date };
