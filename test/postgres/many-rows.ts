import { query } from "../worker/query.ts";

/** How many of everything there are. */
export const MANY = 50_000;
/** What half of all holds, movements and events are of. */
export const HOT_SKU = "hot";
/** Who has more holds than anybody else, one in fifty. */
export const HOT_USER = "bot";

/** Who has half of the oldest holds, and none since: likewise only those expired. */
export const PAST_USER = "gone";
const PAST = MANY / 10;

/** The id of the i-th hold (`H`) or order (`O`). */
export const idOf = (prefix: "H" | "O", i: number) =>
  `${prefix}-${i.toString(16).padStart(12, "0")}`;
export const eventIdOf = (i: number) =>
  `00000000-0000-7000-8000-${i.toString(16).padStart(12, "0")}`;
export const timeOf = (i: number) => Date.UTC(2026, 4, 1) + i * 120_000;

/** Fills a database as a long time of selling would: few skus, users and states have most of the rows. */
export async function fillWithMany(databaseUrl: string): Promise<void> {
  await query(databaseUrl, "select make_movement_partitions('2026-05-01', 3)");
  for (const statement of STATEMENTS) await query(databaseUrl, statement);
  await query(databaseUrl, "vacuum analyze");
}

// As good as random, and the same each time; `salt` makes one fact independent of the other.
const random = (salt: number) => `abs(hashint4((i * 10 + ${salt})::integer)::bigint)`;
const SKU = `case when ${random(1)} % 2 = 0 then '${HOT_SKU}' else 'sku-' || ${random(2)} % 1000 end`;
const USER = `case when i <= ${PAST} and ${random(9)} % 2 = 0 then '${PAST_USER}'
  when ${random(3)} % 50 = 0 then '${HOT_USER}' else 'user-' || ${random(4)} % 3000 end`;
const STORE = `'shop-' || ${random(5)} % 20`;
// The few active ones are the newest.
const STATUS = `case when i > ${MANY - 500} and ${random(6)} % 2 = 0 then 'ACTIVE'
  when ${random(7)} % 10 = 0 then 'CANCELLED'
  when i <= ${PAST} and ${random(8)} % 2 = 0 then 'EXPIRED'
  else 'CONFIRMED' end`;
const TIME = "'2026-05-01 00:00Z'::timestamptz + i * interval '2 minutes'";
const id = (prefix: string) => `'${prefix}-' || lpad(to_hex(i), 12, '0')`;
const NUMBERS = `generate_series(1, ${MANY}) as i`;

const STATEMENTS = [
  `insert into products (sku, name) select 'sku-' || i, 'Product ' || md5(i::text) from ${NUMBERS}`,
  `insert into stock_levels (sku, store_id, available, held, version, updated_at)
   select case when i < 20 then '${HOT_SKU}' else 'sku-' || i / 20 - 1 end, 'shop-' || i % 20, 10, 1, 1,
     now()
   from generate_series(0, ${MANY}) as i`,
  `insert into holds (hold_id, status, user_id, created_at, expires_at, ended_at, order_id, version)
   select ${id("H")}, status, ${USER}, ${TIME}, ${TIME}, case when status <> 'ACTIVE' then ${TIME} end,
     case when status = 'CONFIRMED' then ${id("O")} end, 1
   from (select i, ${STATUS} as status from ${NUMBERS}) as numbered`,
  `insert into hold_lines (hold_id, sku, store_id, quantity)
   select ${id("H")}, ${SKU}, store_id, 1
   from ${NUMBERS} cross join lateral (values ('main'), (${STORE})) as s (store_id)`,
  `insert into orders (order_id, hold_id, user_id, confirmed_at)
   select order_id, hold_id, user_id, ended_at from holds where status = 'CONFIRMED'`,
  `insert into processed_events (event_id, partition, seq, type, occurred_at, recorded_at, payload)
   select ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 0, i, 'HOLD_CREATED', ${TIME},
     ${TIME}, '{}'
   from ${NUMBERS} order by i`,
  `insert into stock_movements (occurred_at, sku, store_id, kind, available_delta, held_delta, event_id,
     recorded_id)
   select ${TIME}, ${SKU}, ${STORE}, 'HOLD_CREATED', -1, 1, event_id, recorded_id
   from (select seq as i, event_id, recorded_id from processed_events) as numbered order by i`,
  `insert into audit_log (done_at, who, what, subject, request_id)
   select ${TIME}, case when i % 2 = 0 then 'hot' else 'who-' || ${random(1)} % 20 end,
     case when i % 2 = 0 then 'STOCK_COUNTED' when i % 5000 = 1 then 'KEY_CREATED' else 'STOCK_ADJUSTED' end,
     'tea@main', 'r'
   from ${NUMBERS} order by i`,
  `insert into unmoved_stocks (recorded_id, sku, store_id)
   select recorded_id, ${SKU}, ${STORE}
   from (select seq as i, recorded_id from processed_events where seq % 4 = 0) as numbered order by i`,
];
