import type { Doer } from "../domain/deed.ts";
import {
  recountOf,
  type SaleDrift,
  type SaleName,
  type SaleSides,
  saleKeyOf,
} from "../domain/sale-audit.ts";
import { SALE_OPEN_MAX } from "./audit-findings.ts";
import { keepDeed } from "./audit-log.ts";
import type { Connection, Statement } from "./client.ts";
import type { Transaction } from "./transaction.ts";

export type SaleFinding = SaleName & SaleSides;

/** What is told so far of some names, by their keys, and whether somebody asked for a recount. */
export async function readTold(
  client: Connection,
  of: SaleName[],
): Promise<Map<string, { recount: boolean }>> {
  const column = (name: keyof SaleName) => of.map((named) => named[name]);
  const { rows } = await client.query<SaleName & { recount: boolean }>({
    name: "audit_told",
    text: `select kind, sku, store_id, user_id, waiter_id, recount_requested_at is not null as recount
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
             as wanted (about, sku, store_id, user_id, waiter_id)
           join audit_findings using (about, sku, store_id, user_id, waiter_id)
           where gone_at is null`,
    values: (["kind", "sku", "store_id", "user_id", "waiter_id"] as const).map(column),
  });
  return new Map(rows.map((row) => [saleKeyOf(row), row]));
}

/** Those that are told at the moment, of which the look is longest ago. */
export async function readOpenSales(client: Connection, count: number): Promise<SaleName[]> {
  const { rows } = await client.query<SaleName>({
    name: "audit_open_sales",
    text: `select kind, sku, store_id, user_id, waiter_id from audit_findings
           where gone_at is null and about <> 'STOCK' order by last_seen_at limit $1`,
    values: [count],
  });
  return rows;
}

/** Writes down what was found. It answers with those that were: there may be too many. */
export function writeSaleFindings(findings: SaleFinding[]): Statement[] {
  if (findings.length === 0) return [];
  return [
    { name: "audit_find_sales", text: FIND, values: [JSON.stringify(findings), SALE_OPEN_MAX] },
  ];
}

const FIND = `
  with open as materialized (
    select about, count(*) as n from audit_findings where gone_at is null group by about
  )
  insert into audit_findings (kind, sku, store_id, user_id, waiter_id, ledger_says, redis_says)
  select kind, sku, store_id, user_id, waiter_id, ledger, redis
  from json_to_recordset($1) as found (kind text, sku text, store_id text, user_id text,
    waiter_id text, ledger text, redis text)
  where coalesce((select n from open where open.about = found.kind), 0) < $2
    or exists (
      select from audit_findings as known
      where known.sku = found.sku and known.store_id = found.store_id
        and known.user_id = found.user_id and known.waiter_id = found.waiter_id
        and known.about = found.kind and gone_at is null
    )
  on conflict (sku, store_id, user_id, waiter_id, about) where gone_at is null do update
  set last_seen_at = now(), ledger_says = excluded.ledger_says, redis_says = excluded.redis_says
  returning kind, sku, store_id, user_id, waiter_id`;

/** Ends what was told of these so far. */
export function closeSaleFindings(of: SaleName[]): Statement[] {
  if (of.length === 0) return [];
  return [
    {
      name: "audit_close_sales",
      text: `update audit_findings set gone_at = now()
             from json_to_recordset($1) as fine (kind text, sku text, store_id text, user_id text,
               waiter_id text)
             where audit_findings.about = fine.kind and audit_findings.sku = fine.sku
               and audit_findings.store_id = fine.store_id and audit_findings.user_id = fine.user_id
               and audit_findings.waiter_id = fine.waiter_id and gone_at is null`,
      values: [JSON.stringify(of)],
    },
  ];
}

/**
 * Has Redis add to its counts what they lack: to be told like what customers had before they were counted,
 * each once. The lock on the recorder's row keeps the places in the order of their commits, and a recovery,
 * which gives back all counts, waits for it or has come before.
 */
export function writeRecounts(
  partition: number,
  generation: number,
  findings: SaleFinding[],
): Statement[] {
  const lacking = findings.flatMap(({ sku, user_id, ...sides }) => {
    const recount = recountOf(sides);
    return recount ? [{ sku, user_id, ...recount }] : [];
  });
  if (lacking.length === 0) return [];
  return [
    {
      name: "audit_recount",
      text: `with mine as materialized (
               select from recorder_progress where partition = $1 and generation = $2 for share
             ), told as (
               insert into customer_bases (sku, user_id, units, active)
               select sku, user_id, units, active
               from json_to_recordset($3) as lacking (sku text, user_id text, units bigint, active bigint)
               where exists (select from mine)
               returning sku, user_id
             )
             update audit_findings set recount_requested_at = null from told
             where about = 'CUSTOMER_COUNT' and audit_findings.sku = told.sku
               and audit_findings.user_id = told.user_id and gone_at is null`,
      values: [partition, generation, JSON.stringify(lacking)],
    },
  ];
}

/**
 * Asks the audit to put right what Redis counts for a customer, or for all of a sku of whom a drift is told.
 * Returns for how many it is asked.
 */
export async function requestRecount(
  to: Transaction,
  by: Doer,
  { sku, user_id }: { sku: string; user_id?: string | undefined },
): Promise<number> {
  const { rows } = await to.query<{ is_first: boolean }>({
    text: `update audit_findings set recount_requested_at = coalesce(recount_requested_at, now())
           where gone_at is null and about = 'CUSTOMER_COUNT' and sku = $1
             and ($2::text is null or user_id = $2)
           returning recount_requested_at = now() as is_first`,
    values: [sku, user_id ?? null],
  });
  const first = rows.filter(({ is_first }) => is_first).length;
  const after = { customer: user_id ?? null, customers: first };
  const deed = { what: "RECOUNT_REQUESTED", subject: sku, before: null, after } as const;
  if (first > 0) await keepDeed(to, by, deed);
  return rows.length;
}

/** What limits sales and differs at the moment. Times are ms since 1970. */
export type OpenSaleFinding = SaleSides & {
  kind: SaleDrift;
  finding_id: number;
  sku: string;
  store_id: string;
  user_id: string;
  found_at: number;
  last_seen_at: number;
  recount_requested: boolean;
};
