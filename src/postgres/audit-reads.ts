import type { Account, Counts, Disagreement, Drift } from "../domain/audit.ts";
import type { Pool } from "./client.ts";
import { type ListPage, pageOf } from "./history-page.ts";
import type { OpenSaleFinding } from "./sale-findings.ts";

/** How far the audit is. Times are ms since 1970. */
export type AuditProgress = {
  looked_at: number | null;
  rounds: number;
  /** Through all that limits sales. */
  sale_rounds: number;
  round_began_at: number | null;
  round_stocks: number;
  last_round_began_at: number | null;
  last_round_ended_at: number | null;
  last_round_stocks: number | null;
};

/** A disagreement that is so at the moment. */
export type OpenFinding =
  | (OpenStockFinding & { about: "STOCK" })
  | (OpenSaleFinding & { about: "SALE" });

export type OpenStockFinding = Disagreement & {
  finding_id: number;
  sku: string;
  store_id: string;
  found_at: number;
  last_seen_at: number;
};

/** What the audit has made of a stock's movements; `summed_at` is when it last had to add something. */
export type StockAccount = Account & { store_id: string; summed_at: number };

export async function readAuditProgress(pool: Pool, partition = 0): Promise<AuditProgress> {
  const { rows } = await pool.query<AuditProgress>({
    name: "read_audit_progress",
    text: `select rounds, sale_rounds, round_stocks, last_round_stocks, ${inMs("looked_at")},
             ${inMs("round_began_at")}, ${inMs("last_round_began_at")}, ${inMs("last_round_ended_at")}
           from audit_progress where partition = $1`,
    values: [partition],
  });
  return rows[0] ?? NEVER;
}

/**
 * Oldest first.
 * @param list.after only those that were found behind this one: the `next` of the page before
 */
export async function listOpenFindings(
  pool: Pool,
  {
    sku,
    limit,
    after = 0,
  }: { sku?: string | undefined; limit: number; after?: number | undefined },
): Promise<ListPage<OpenFinding, number>> {
  const { rows } = await pool.query<FindingRow>({
    text: `select finding_id, sku, store_id, kind, ledger_available, ledger_held, ledger_version,
             level_available, level_held, level_version, redis_available, redis_held, redis_version,
             case about when 'STOCK' then about else 'SALE' end as about, user_id,
             ledger_says, redis_says, recount_requested_at is not null as recount_requested,
             ${inMs("found_at")}, ${inMs("last_seen_at")}
           from audit_findings
           where gone_at is null and finding_id > $1 ${sku === undefined ? "" : "and sku = $3"}
           order by finding_id limit $2`,
    values: [after, limit + 1, ...(sku === undefined ? [] : [sku])],
  });
  return pageOf(rows.map(findingOf), limit, ({ finding_id }) => finding_id);
}

/** Of each store that ever had some of it. */
export async function readAccounts(pool: Pool, sku: string): Promise<StockAccount[]> {
  const { rows } = await pool.query<StockAccount>({
    name: "read_audit_accounts",
    text: `select store_id, version, stocked, adjusted, returned, sold, available, held, held_outside,
             ${inMs("summed_at")}
           from audited_stocks where sku = $1 order by store_id`,
    values: [sku],
  });
  return rows;
}

const NEVER: AuditProgress = {
  ...{ looked_at: null, rounds: 0, sale_rounds: 0, round_began_at: null, round_stocks: 0 },
  ...{ last_round_began_at: null, last_round_ended_at: null, last_round_stocks: null },
};

type Side = "ledger" | "level" | "redis";
type StockRow = Omit<OpenStockFinding, "kind" | Side> & { about: "STOCK"; kind: Drift } & Record<
    `ledger_${keyof Counts}`,
    number
  > &
  Record<`${Exclude<Side, "ledger">}_${keyof Counts}`, number | null>;
type SaleRow = Omit<OpenSaleFinding, "ledger" | "redis"> & {
  about: "SALE";
  ledger_says: string | null;
  redis_says: string | null;
};
type FindingRow = StockRow | SaleRow;

function findingOf(row: FindingRow): OpenFinding {
  const { finding_id, sku, store_id, found_at, last_seen_at } = row;
  const found = { finding_id, sku, store_id, found_at, last_seen_at };
  if (row.about === "SALE") {
    const { about, kind, user_id, recount_requested, ledger_says, redis_says } = row;
    const says = { ledger: ledger_says, redis: redis_says };
    return { ...found, ...says, about, kind, user_id, recount_requested };
  }
  return {
    ...found,
    ...{ about: row.about, kind: row.kind },
    ledger: { available: row.ledger_available, held: row.ledger_held, version: row.ledger_version },
    level: countsOf(row.level_available, row.level_held, row.level_version),
    redis: countsOf(row.redis_available, row.redis_held, row.redis_version),
  };
}

const countsOf = (available: number | null, held: number | null, version: number | null) =>
  available === null || held === null || version === null ? null : { available, held, version };

const inMs = (column: string) => `floor(extract(epoch from ${column}) * 1000)::bigint as ${column}`;
