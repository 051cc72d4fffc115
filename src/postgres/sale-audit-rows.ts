import { keptRulesText } from "../domain/rules.ts";
import {
  countSaid,
  rulesSaid,
  type SaleDrift,
  type SaleName,
  saleNameOf,
  waiterSaid,
} from "../domain/sale-audit.ts";
import type { Connection } from "./client.ts";
import { RULES_COLUMNS, type RulesRow, rulesOf } from "./rules-row.ts";

/** Rows of one step through a table. */
const PAGE_MAX = 500;
/** Of a customer with more holds than these nothing can be told: they would have to be read all. */
const HOLDS_MAX = 5_000;
/** While more than these have yet to be told to Redis, counts are left alone: counting has just begun. */
const BASES_MAX = 2_000;
/** Events since Redis was asked that are looked through. */
const EVENTS_MAX = 20_000;
/** Of the newest events so many are looked at for whose counts moved; the rest is left to the round. */
const MOVED_MAX = 500;

/** All that the ledger has of what limits sales, a step at a time. */
export async function* readSaleNames(client: Connection): AsyncGenerator<SaleName[]> {
  for (let sku: string | undefined = ""; sku !== undefined; ) {
    const rows: { sku: string }[] = await pageAfter(client, RULES_PAGE, [sku]);
    yield rows.map((row) => saleNameOf("RULES", row));
    sku = rows.length === PAGE_MAX ? rows.at(-1)?.sku : undefined;
  }
  for (let sku = await nextCounted(client, ""); sku; sku = await nextCounted(client, sku)) {
    yield* customersOf(client, sku);
  }
  for (let seq: number | undefined = 0; seq !== undefined; ) {
    const rows: (SaleName & { joined_seq: number })[] = await pageAfter(client, WAITERS_PAGE, [
      seq,
    ]);
    yield rows.map((row) => saleNameOf("QUEUE", { sku: row.sku, store_id: row.store_id }));
    yield rows.map(({ joined_seq: _, ...row }) => saleNameOf("WAITER", row));
    seq = rows.length === PAGE_MAX ? rows.at(-1)?.joined_seq : undefined;
  }
}

async function* customersOf(client: Connection, sku: string): AsyncGenerator<SaleName[]> {
  for (let hold_id: string | undefined = ""; hold_id !== undefined; ) {
    const rows: CustomerRow[] = await pageAfter(client, CUSTOMERS_PAGE, [sku, hold_id]);
    const counted = rows.filter(({ user_id, has_units }) => has_units && user_id !== "");
    const users = new Set(counted.map(({ user_id }) => user_id));
    yield [...users].map((user_id) => saleNameOf("CUSTOMER_COUNT", { sku, user_id }));
    hold_id = rows.length === PAGE_MAX ? rows.at(-1)?.hold_id : undefined;
  }
}

type CustomerRow = { hold_id: string; user_id: string; has_units: boolean };
const RULES_PAGE = "select sku from sale_rules where sku > $1 order by sku limit $2";
const CUSTOMERS_PAGE = `
  select hold_id, user_id, status in ('ACTIVE', 'CONFIRMED') as has_units
  from (
    select hold_id from hold_lines where sku = $1 and hold_id > $2 order by hold_id limit $3
  ) as page join holds using (hold_id)
  where holds.hold_id > $2 -- or a merge join begins with the first hold there is
  order by hold_id`;
const WAITERS_PAGE = `
  select sku, store_id, user_id, waiter_id, joined_seq from waiters
  where status = 'WAITING' and joined_seq > $1 order by joined_seq limit $2`;

async function pageAfter<Row extends object>(
  client: Connection,
  text: string,
  after: unknown[],
): Promise<Row[]> {
  return (await client.query<Row>(text, [...after, PAGE_MAX])).rows;
}

async function nextCounted(client: Connection, after: string): Promise<string | undefined> {
  const { rows } = await client.query<{ sku: string }>(
    "select sku from sale_rules where counts and sku > $1 order by sku limit 1",
    [after],
  );
  return rows[0]?.sku;
}

/** Whose counts have moved by the newest of these events. Without a counted sku nobody's events are read. */
export async function readMovedCustomers(
  client: Connection,
  after: number,
  newest_id: number,
): Promise<SaleName[]> {
  const { rows } = await client.query<{ sku: string; user_id: string }>({
    name: "audit_moved_customers",
    text: `select distinct line->>'sku' as sku, payload->>'user_id' as user_id
           from (
             select payload from processed_events
             where recorded_id > $1 and recorded_id <= $2 and payload is not null
               and (type like 'HOLD%' or type = 'ORDER_RETURNED')
               and exists (select from sale_rules where counts)
             order by recorded_id desc limit $3
           ) as moved
           cross join lateral json_array_elements(payload->'lines') as line
           join sale_rules on sale_rules.sku = line->>'sku' and counts
           where payload->>'user_id' <> ''`,
    values: [Math.max(after, newest_id - MOVED_MAX), newest_id, MOVED_MAX],
  });
  return rows.map((row) => saleNameOf("CUSTOMER_COUNT", row));
}

/** What the ledger says; undefined when it can't be told. */
export type LedgerSaid = string | null | undefined;

/**
 * What the ledger says now of names of one kind, in their order.
 * @param redis.place up to which Redis has added customers' bases; null when that can't be read
 * @param redis.said what it said of each
 */
export async function readLedgerSaid(
  client: Connection,
  kind: SaleDrift,
  of: SaleName[],
  redis: { place: number | null; said: (string | null)[] },
): Promise<LedgerSaid[]> {
  const column = (name: keyof SaleName) => of.map((named) => named[name]);
  switch (kind) {
    case "RULES": {
      const { rows } = await client.query<RulesRow & { is_there: boolean }>({
        ...{ name: "audit_rules", text: RULES, values: [column("sku")] },
      });
      return rows.map((row) => (row.is_there ? rulesSaid(keptRulesText(rulesOf(row))) : null));
    }
    case "CUSTOMER_COUNT": {
      const { rows } = await client.query<CountRow>({
        ...{ name: "audit_customers", text: CUSTOMERS },
        values: [column("sku"), column("user_id"), redis.place, HOLDS_MAX, BASES_MAX + 1],
      });
      return rows.map(countOf);
    }
    case "OWN_HOLD": {
      const values = [column("sku"), column("user_id"), redis.said];
      const { rows } = await client.query<{ hold_id: string | null }>({
        ...{ name: "audit_own_holds", text: OWN_HOLDS, values },
      });
      return rows.map(({ hold_id }) => hold_id);
    }
    case "QUEUE": {
      const values = [column("sku"), column("store_id"), redis.said];
      const { rows } = await client.query<{ waiting: number | null }>({
        ...{ name: "audit_queues", text: QUEUES, values },
      });
      return rows.map(({ waiting }) => (waiting === null ? null : `${waiting} wait`));
    }
    case "WAITER": {
      const values = ["sku", "store_id", "user_id", "waiter_id"] as const;
      const { rows } = await client.query<{ waiter_id: string; joined_seq: number | null }>({
        ...{ name: "audit_waiters", text: WAITERS, values: values.map(column) },
      });
      return rows.map(({ waiter_id, joined_seq }) =>
        joined_seq === null ? null : waiterSaid(waiter_id, joined_seq),
      );
    }
  }
}

const RULES = `
  select ${RULES_COLUMNS}, sale_rules.sku is not null as is_there
  from unnest($1::text[]) with ordinality as wanted (sku, n) left join sale_rules using (sku) order by n`;

type CountRow = { counts: boolean; units: number; active: number; is_whole: boolean };
const countOf = ({ counts, units, active, is_whole }: CountRow): LedgerSaid =>
  !is_whole ? undefined : counts ? countSaid(units, active) : null;

// As countsOfCustomers (rules-row.ts) has it, but of single customers: by their holds, which are few. What
// Redis has yet to add is not among its counts.
const CUSTOMERS = `
  with pending as materialized (
    select sku, user_id, sum(units) as units, sum(active) as active
    from (select * from customer_bases where place > $3 order by place limit $5) as pending_bases
    group by sku, user_id
  )
  select coalesce(rules.counts, false) as counts,
    (had.units - coalesce(pending.units, 0))::bigint as units,
    (had.active - coalesce(pending.active, 0))::bigint as active,
    $3::bigint is not null and mine.holds < $4 and (select count(*) from (
      select from customer_bases where place > $3 limit $5
    ) as pending_bases) < $5 as is_whole
  from unnest($1::text[], $2::text[]) with ordinality as wanted (sku, user_id, n)
  left join sale_rules as rules on rules.sku = wanted.sku
  left join pending on pending.sku = wanted.sku and pending.user_id = wanted.user_id
  cross join lateral (
    select count(*) as holds from (select from holds where user_id = wanted.user_id limit $4) as few
  ) as mine
  cross join lateral (
    select coalesce(sum(units), 0) as units, coalesce(sum(active), 0) as active
    from (
      select line.quantity as units, (hold.status = 'ACTIVE')::integer as active
      from (
        select hold_id, status from holds where user_id = wanted.user_id order by hold_id limit $4
      ) as hold
      join hold_lines as line on line.hold_id = hold.hold_id and line.sku = wanted.sku
      where hold.status in ('ACTIVE', 'CONFIRMED')
      union all
      select -line.quantity, 0
      from (
        select order_id from orders where user_id = wanted.user_id order by order_id limit $4
      ) as sold
      join order_returns as back on back.order_id = sold.order_id
      join order_return_lines as line on line.event_id = back.event_id and line.sku = wanted.sku
      where line.freed
    ) as lines
  ) as had
  order by wanted.n`;

const OWN_HOLDS = `
  select hold.hold_id
  from unnest($1::text[], $2::text[], $3::text[]) with ordinality as wanted (sku, user_id, hold_id, n)
  left join holds as hold on hold.hold_id = wanted.hold_id and hold.user_id = wanted.user_id
    and hold.status = 'ACTIVE'
    and exists (
      select from hold_lines as line where line.hold_id = hold.hold_id and line.sku = wanted.sku
    )
  order by n`;

// Only of those whose numbers differ.
const QUEUES = `
  select case when wanted.said is not null then (
    select count(*) from waiters
    where status = 'WAITING' and waiters.sku = wanted.sku and waiters.store_id = wanted.store_id
  ) end as waiting
  from unnest($1::text[], $2::text[], $3::text[]) with ordinality as wanted (sku, store_id, said, n)
  order by n`;

const WAITERS = `
  select wanted.waiter_id, waiters.joined_seq
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
    as wanted (sku, store_id, user_id, waiter_id, n)
  left join waiters on waiters.waiter_id = wanted.waiter_id and waiters.status = 'WAITING'
    and waiters.sku = wanted.sku and waiters.store_id = wanted.store_id
    and waiters.user_id = wanted.user_id
  order by n`;

/**
 * Which of some names have moved by what was recorded behind `newest_id`; all, when that is too much to look
 * through.
 */
export async function readMovedSince(
  client: Connection,
  newest_id: number,
  of: SaleName[],
): Promise<(name: SaleName) => boolean> {
  const { rows } = await client.query<{ events: number; users: string[]; skus: string[] }>({
    name: "audit_moved_since",
    text: `select count(*) as events,
             coalesce(array_agg(distinct payload->>'user_id')
               filter (where payload->>'user_id' = any($3)), '{}') as users,
             coalesce(array_agg(distinct payload->>'sku')
               filter (where type = 'RULES_CHANGED'), '{}') as skus
           from (
             select type, payload from processed_events where recorded_id > $1
             order by recorded_id limit $2
           ) as since`,
    values: [newest_id, EVENTS_MAX, of.map(({ user_id }) => user_id)],
  });
  const [since] = rows;
  if (!since || since.events >= EVENTS_MAX) return () => true;
  const [users, skus] = [new Set(since.users), new Set(since.skus)];
  return ({ sku, user_id }) => skus.has(sku) || (user_id !== "" && users.has(user_id));
}
