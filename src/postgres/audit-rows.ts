import type { Account, AuditLook, Counts, Drift } from "../domain/audit.ts";
import { CHANGED_OUTSIDE_NOTE } from "../domain/batch-plan.ts";
import type { Connection, Statement } from "./client.ts";

export type StockName = { sku: string; store_id: string };

/** Movements that one look adds up, of all its stocks together: so many take a tenth of a second. */
const MOVEMENTS_MAX = 100_000;

/** Of what has just moved so much is looked at; the rest is left to the round. */
const MOVED_STOCKS_MAX = 2_000;
const MOVED_MOVEMENTS_MAX = 10_000; // of each store

/** What the ledger says of a stock, beside what Redis said before. */
export type LedgerLook = StockName &
  AuditLook & {
    account: KeptAccount | null;
    /** How many have come since the account was kept. */
    movements: number;
    /** There were too many of them to add up all. */
    is_behind: boolean;
    /** What is told of the stock so far. */
    open_kind: Drift | null;
  };

/** An account, and the newest movement in it. */
export type KeptAccount = Account & { recorded_id: number };

/** How far the ledger is, at the moment at which it is compared. */
export type LedgerMoment = { applied_seq: number; generation: number };

/** Stocks that moved behind `after` and up to `newest_id`: all of them, or some when they are too many. */
export async function readMoved(
  client: Connection,
  after: number,
  newest_id: number,
): Promise<StockName[]> {
  const { rows } = await client.query<StockName>({
    name: "audit_moved",
    text: MOVED,
    values: [after, newest_id, MOVED_MOVEMENTS_MAX, MOVED_STOCKS_MAX],
  });
  return rows;
}

// A range of an index, as in LOOKS, and its order: of all stores in one, Postgres might go through all skus.
const MOVED = `
  select distinct moved.sku, moved.store_id
  from stores cross join lateral (
    select sku, store_id from stock_movements
    where (store_id, recorded_id) > (stores.store_id, $1)
      and (store_id, recorded_id) <= (stores.store_id, $2)
    order by store_id, recorded_id limit $3
  ) as moved
  limit $4`;

/**
 * Looks at stocks in one statement, which sees everything as of one moment.
 * @param stocks what Redis said of each before; null where its keys could not be read
 * @param newest_id the newest movement there was before Redis was asked
 */
export async function readLooks(
  client: Connection,
  partition: number,
  stocks: (StockName & { redis: Counts | null })[],
  newest_id: number,
): Promise<{ moment: (LedgerMoment & { is_open: boolean }) | null; looks: LedgerLook[] }> {
  const of_each = Math.ceil(MOVEMENTS_MAX / Math.max(1, stocks.length));
  const { rows } = await client.query<LookRow>({
    name: "audit_looks",
    text: LOOKS,
    values: [
      stocks.map(({ sku }) => sku),
      stocks.map(({ store_id }) => store_id),
      stocks.map(({ redis }) => redis?.version ?? null),
      newest_id,
      of_each,
      CHANGED_OUTSIDE_NOTE,
      partition,
    ],
  });
  const looks = stocks.flatMap(({ redis }, i) => {
    const row = rows[i];
    return row ? [lookOf(row, redis, of_each)] : [];
  });
  return { moment: rows[0] ?? null, looks };
}

// Which movements make up which column of audited_stocks.
const SUMS = {
  stocked: ["available_delta + held_delta", "kind = 'EXTERNAL'"],
  adjusted: ["available_delta + held_delta", "kind like 'STOCK%'"],
  returned: ["available_delta + held_delta", "kind = 'ORDER_RETURNED'"],
  sold: ["- available_delta - held_delta", "kind in ('HOLD_CONFIRMED', 'HOLD_PURCHASED')"],
  available: ["available_delta", "true"],
  held: ["held_delta", "true"],
  held_outside: ["held_delta", "kind = 'EXTERNAL' and notes = $6"],
} as const;
type Sum = keyof typeof SUMS;
const ALL = Object.keys(SUMS) as Sum[]; // Object.keys forgets the literals
const THEN = ["available", "held", "held_outside"] as const;

const sumOf = (name: Sum, when = "true") =>
  `coalesce(sum(${SUMS[name][0]}) filter (where ${SUMS[name][1]} and ${when}), 0)`;
const grown = (name: string, by = name) =>
  `(coalesce(audited.${name}, 0) + coalesce(newer.${by}, 0))::bigint as ${by}`;

// `then_id` is the last movement up to Redis's version: what was recorded before Redis was asked is no later
// than that, and of what was recorded since, the versions tell. The movements of a stock are asked for as a
// range of the index that begins with the sku. By conditions column by column Postgres may take another one
// as long as a partition is empty, or was when it planned, and that goes through what all stocks have moved.
const LOOKS = `
  select wanted.sku, wanted.store_id,
    level.available as level_available, level.held as level_held, level.version as level_version,
    audited.sku is not null or newer.movements > 0 as is_known,
    ${ALL.map((name) => grown(name)).join(", ")},
    ${THEN.map((name) => grown(name, `${name}_then`)).join(", ")},
    greatest(audited.recorded_id, newer.recorded_id, 0) as recorded_id,
    greatest(audited.version, newer.version, 0) as version,
    greatest(audited.version, newer.known_version, 0) as known_version,
    newer.movements, coalesce(newer.has_version, false) as has_version, finding.kind as open_kind,
    progress.applied_seq, progress.generation, coalesce(admission.state, 'OPEN') = 'OPEN' as is_open
  from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality
    as wanted (sku, store_id, redis_version, n)
  join recorder_progress as progress on progress.partition = $7
  left join admissions as admission on admission.partition = $7
  left join stock_levels as level on level.sku = wanted.sku and level.store_id = wanted.store_id
  left join audited_stocks as audited on audited.sku = wanted.sku and audited.store_id = wanted.store_id
  left join lateral (
    select kind from audit_findings
    where sku = wanted.sku and store_id = wanted.store_id and about = 'STOCK' and gone_at is null
    limit 1
  ) as finding on true
  cross join lateral (
    select count(*) as movements, max(recorded_id) as recorded_id, max(version) as version,
      max(version) filter (where recorded_id <= $4) as known_version,
      bool_or(version = wanted.redis_version) as has_version,
      ${ALL.map((name) => `${sumOf(name)} as ${name}`).join(", ")},
      ${THEN.map((name) => `${sumOf(name, "recorded_id <= then_id")} as ${name}_then`).join(", ")}
    from (
      select since.*,
        greatest($4, max(recorded_id) filter (where version = wanted.redis_version) over ()) as then_id
      from (
        select recorded_id, version, kind, notes, available_delta, held_delta from stock_movements
        where (sku, store_id, recorded_id)
            > (wanted.sku, wanted.store_id, coalesce(audited.recorded_id, -1))
          and (sku, store_id, recorded_id) <= (wanted.sku, wanted.store_id, 9223372036854775807)
        order by sku, store_id, recorded_id fetch first $5 rows with ties
      ) as since
    ) as dated
  ) as newer
  order by wanted.n`;

type LookRow = StockName &
  KeptAccount &
  LedgerMoment & { is_open: boolean } & Record<`${(typeof THEN)[number]}_then`, number> & {
    level_available: number | null;
    level_held: number | null;
    level_version: number | null;
    is_known: boolean;
    known_version: number;
    movements: number;
    has_version: boolean;
    open_kind: Drift | null;
  };

function lookOf(row: LookRow, redis: Counts | null, of_each: number): LedgerLook {
  const { sku, store_id, known_version, open_kind } = row;
  const tells_then = row.has_version || redis?.version === known_version;
  return {
    ...{ sku, store_id, redis, known_version, open_kind },
    account: row.is_known ? accountOf(row) : null,
    level: levelOf(row),
    at_version: tells_then
      ? {
          available: row.available_then,
          held: row.held_then,
          held_outside: row.held_outside_then,
        }
      : null,
    movements: row.movements,
    is_behind: row.movements >= of_each,
  };
}

const accountOf = (row: LookRow): KeptAccount => ({
  ...{
    recorded_id: row.recorded_id,
    version: row.version,
    available: row.available,
    held: row.held,
  },
  ...{ stocked: row.stocked, adjusted: row.adjusted, returned: row.returned, sold: row.sold },
  held_outside: row.held_outside,
});

function levelOf({ level_available, level_held, level_version }: LookRow): Counts | null {
  if (level_available === null || level_held === null || level_version === null) return null;
  return { available: level_available, held: level_held, version: level_version };
}

/** Keeps what the movements of these stocks add up to, so that they need not be added up again. */
export function keepAccounts(looks: LedgerLook[]): Statement[] {
  const grown = looks.flatMap(({ sku, store_id, account, movements }) =>
    account && movements > 0 ? [{ sku, store_id, ...account }] : [],
  );
  if (grown.length === 0) return [];
  return [{ name: "audit_keep", text: KEEP, values: [JSON.stringify(grown)] }];
}

const KEPT = [
  "recorded_id",
  "version",
  "stocked",
  "adjusted",
  "returned",
  "sold",
  "available",
  "held",
];
const KEPT_COLUMNS = [...KEPT, "held_outside"];
const KEEP = `
  insert into audited_stocks (sku, store_id, ${KEPT_COLUMNS.join(", ")})
  select sku, store_id, ${KEPT_COLUMNS.join(", ")}
  from json_to_recordset($1) as grown (sku text, store_id text, ${KEPT_COLUMNS.join(" bigint, ")} bigint)
  order by sku, store_id
  on conflict (sku, store_id) do update
  set ${KEPT_COLUMNS.map((name) => `${name} = excluded.${name}`).join(", ")}, summed_at = now()`;
