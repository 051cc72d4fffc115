import { corruptAnswer, type Decision, learnTime, type Model, refuse, stockOf } from "../model.ts";
import type { Answer, ReadStocks } from "../requests.ts";
import { candidates } from "./stock-changes.ts";

export const readStocksWords = ["STOCKS", "CORRUPT"];

export function readStocks(model: Model, { sku }: ReadStocks, said: Answer): Decision {
  model.stores_noticed = candidates(model);
  const stocks = model.stores_noticed.map((store_id) => stockOf(model, { sku, store_id }));
  const corrupt = corruptAnswer(model, stocks);
  if (corrupt) return corrupt;
  const found = stocks.filter(({ known }) => known);
  const counts = found.map(({ store_id, available, held, version, changed }) => ({
    store_id,
    available,
    held,
    version,
    changed_at: changed ? learnTime(changed, changedAt(said, store_id)) : null,
  }));
  return refuse("STOCKS", { counts });
}

function changedAt({ counts }: Answer, store_id: string): unknown {
  if (!Array.isArray(counts)) return undefined;
  return counts.find((stock) => stock.store_id === store_id)?.changed_at;
}
