import { type AnyDrift, type Counts, type Disagreement, stopsSale } from "../domain/audit.ts";
import type { StockName } from "./audit-rows.ts";
import type { Connection, Statement } from "./client.ts";

/** So many are told at most. Further ones are told when some of these are gone. */
const OPEN_MAX = 10_000;
/** Likewise of each kind of what limits sales: there are more customers than stocks. */
export const SALE_OPEN_MAX = 2_000;
/** How long those that are gone are kept. */
const KEPT_DAYS = 90;

export type Finding = StockName & Disagreement;

/** Writes down what was found. It answers with those that were: there may be too many. */
export function writeFindings(findings: Finding[]): Statement[] {
  if (findings.length === 0) return [];
  const rows = findings.map(({ sku, store_id, kind, ledger, level, redis }) => ({
    ...{ sku, store_id, kind },
    ...side("ledger", ledger),
    ...side("level", level),
    ...side("redis", redis),
  }));
  return [{ name: "audit_find", text: FIND, values: [JSON.stringify(rows), OPEN_MAX] }];
}

function side(name: string, counts: Counts | null) {
  return {
    [`${name}_available`]: counts?.available ?? null,
    [`${name}_held`]: counts?.held ?? null,
    [`${name}_version`]: counts?.version ?? null,
  };
}

/** Ends what was told of these stocks so far. */
export function closeFindings(stocks: StockName[]): Statement[] {
  if (stocks.length === 0) return [];
  return [
    {
      name: "audit_close",
      text: `update audit_findings set gone_at = now()
             from unnest($1::text[], $2::text[]) as fine (sku, store_id)
             where audit_findings.sku = fine.sku and audit_findings.store_id = fine.store_id
               and about = 'STOCK' and gone_at is null`,
      values: [stocks.map(({ sku }) => sku), stocks.map(({ store_id }) => store_id)],
    },
  ];
}

/** Open findings by kind, the stocks among them, and of which skus are those that stop a sale. */
export async function readOpen(
  client: Connection,
): Promise<{ counts: Map<AnyDrift, number>; stocks: StockName[]; stopping_skus: string[] }> {
  const { rows } = await client.query<StockName & { kind: AnyDrift; about: string }>({
    name: "audit_open",
    text: `select sku, store_id, kind, about from audit_findings where gone_at is null
           order by last_seen_at limit $1`,
    values: [OPEN_MAX + 5 * SALE_OPEN_MAX], // all that may be told
  });
  const counts = new Map<AnyDrift, number>();
  for (const { kind } of rows) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const stopping = rows.filter(({ kind }) => stopsSale(kind)).map(({ sku }) => sku);
  const stocks = rows.filter(({ about }) => about === "STOCK");
  return { counts, stocks, stopping_skus: [...new Set(stopping)] };
}

export const forgetFindings = (): Statement => ({
  name: "audit_forget",
  text: "delete from audit_findings where gone_at < now() - make_interval(days => $1)",
  values: [KEPT_DAYS],
});

const COLUMNS = ["ledger", "level", "redis"].flatMap((name) =>
  ["available", "held", "version"].map((count) => `${name}_${count}`),
);
const FIND = `
  insert into audit_findings (sku, store_id, kind, ${COLUMNS.join(", ")})
  select sku, store_id, kind, ${COLUMNS.join(", ")}
  from json_to_recordset($1)
    as found (sku text, store_id text, kind text, ${COLUMNS.join(" bigint, ")} bigint)
  where (select count(*) from audit_findings where gone_at is null and about = 'STOCK') < $2
    or exists (
      select from audit_findings as known
      where known.sku = found.sku and known.store_id = found.store_id and known.about = 'STOCK'
        and gone_at is null
    )
  on conflict (sku, store_id, user_id, waiter_id, about) where gone_at is null do update
  set last_seen_at = now(), ${COLUMNS.map((name) => `${name} = excluded.${name}`).join(", ")}
  returning sku, store_id`;
