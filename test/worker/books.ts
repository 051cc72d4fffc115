import type { Redis } from "ioredis";
import pg from "pg";
import { isDrained, readGroup } from "../../scripts/bench/recorded.ts";
import { until } from "../../scripts/until.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { compareWaiters } from "./books-waiting.ts";
import { compareDeeds } from "./deed-books.ts";
import { compareReturns } from "./return-books.ts";
import { compareRules } from "./rules-books.ts";

const keys = createKeys("main");
const AT_ONCE = 200;

/**
 * Counts, row by row, whether Postgres says what Redis says. To be asked when everything is recorded
 * (`untilRecorded`) and nothing changes. Returns a sentence for each difference: none means that the books
 * balance.
 */
export async function compareBooks(redis: Redis, databaseUrl: string): Promise<string[]> {
  const postgres = new pg.Client({ connectionString: databaseUrl });
  await postgres.connect();
  try {
    return await compareBooksIn(redis, postgres);
  } finally {
    await postgres.end();
  }
}

/** The same as seen by one connection, in its transaction if it has one. */
export async function compareBooksIn(redis: Redis, postgres: pg.Client): Promise<string[]> {
  const holds = await readHoldHashes(redis);
  return [
    ...compareRows("hold", holds, await readHoldRows(postgres)),
    ...(await compareStocks(redis, postgres)),
    ...(await compareDeadlines(redis, holds)),
    ...(await compareLines(postgres)),
    ...(await compareOrders(postgres)),
    ...(await compareReturns(postgres)),
    ...(await compareMovements(postgres)),
    ...(await compareEvents(redis, postgres)),
    ...(await compareWaiters(redis, postgres)),
    ...(await comparePending(redis)),
    ...(await comparePayments(redis, postgres)),
    ...compareHeld(holds, await readStockKeys(redis)),
    ...(await compareRules(redis, postgres)),
    ...(await compareDeeds(postgres)),
  ];
}

/** Waits until every entry of the stream was delivered, recorded (or buried) and acknowledged. */
export async function untilRecorded(redis: Redis, databaseUrl: string, ms_max = 30_000) {
  const postgres = new pg.Client({ connectionString: databaseUrl });
  await postgres.connect();
  try {
    await until(
      "everything is recorded",
      async () => {
        const { rows } = await postgres.query("select applied_seq from recorder_progress");
        const recorded = Number(rows[0]?.applied_seq ?? 0);
        const decided = Number((await redis.get(keys.seq)) ?? 0);
        return recorded >= decided && (await isDrained(redis)) ? true : undefined;
      },
      ms_max,
    );
  } finally {
    await postgres.end();
  }
}

/** A row as text, field by field, so that both sides can be laid beside each other. */
type Row = Record<string, string>;
type Rows = Map<string, Row>;

function compareRows(what: string, redis: Rows, postgres: Rows): string[] {
  const ids = new Set([...redis.keys(), ...postgres.keys()]);
  return [...ids].flatMap((id) => {
    const [here, there] = [redis.get(id), postgres.get(id)];
    if (!there) return [`${what} ${id} is not in Postgres`];
    if (!here) return [`${what} ${id} is not in Redis`];
    const fields = [...new Set([...Object.keys(here), ...Object.keys(there)])];
    return fields
      .filter((field) => here[field] !== there[field])
      .map((field) => `${what} ${id}: ${field} is ${here[field]} in Redis, ${there[field]} not`);
  });
}

async function readHoldHashes(redis: Redis): Promise<Rows> {
  const found = await keysLike(redis, keys.hold("*"));
  const holds: Rows = new Map();
  for (let i = 0; i < found.length; i += AT_ONCE) {
    const some = found.slice(i, i + AT_ONCE);
    const hashes = await Promise.all(some.map((key) => redis.hgetall(key)));
    for (const [j, { lines = "", ...hash }] of hashes.entries()) {
      const hold_id = some[j]?.slice(keys.hold("").length) ?? "";
      holds.set(hold_id, { ...hash, lines: sortedLines(lines) });
    }
  }
  return holds;
}

async function readHoldRows(postgres: pg.Client): Promise<Rows> {
  const { rows } = await postgres.query(
    `select holds.hold_id, status, user_id, created_at, expires_at, ended_at, ending.event_id as ended_by,
       order_id, payment_ref, version, nullif(extensions, 0) as extensions,
       case when late then '1' end as late, case when partial then '1' end as partial,
       (select string_agg(sku || '@' || store_id || '=' || quantity, ' ')
        from hold_lines where hold_lines.hold_id = holds.hold_id) as lines
     from holds
     left join processed_events as ending
       on ending.hold_id = holds.hold_id and status <> 'ACTIVE'
         and (type = 'HOLD_' || status or type = 'HOLD_PURCHASED')`,
  );
  return new Map(
    rows.map(({ hold_id, lines, ...row }) => [
      hold_id,
      { ...textOf(row), lines: sortedLines(lines ?? "") },
    ]),
  );
}

type Stocks = Map<string, { available: string; held: string; version: string }>;

async function readStockKeys(redis: Redis): Promise<Stocks> {
  const stocks: Stocks = new Map();
  for (const key of await keysLike(redis, "item:*")) {
    const name = key.slice("item:".length);
    const [sku = "", store_id = "main"] = name.split("@");
    const { held = "0", version = "0" } = await redis.hgetall(key);
    const available = (await redis.get(keys.stock(sku, store_id))) ?? "0";
    stocks.set(`${sku}@${store_id}`, { available, held, version });
  }
  return stocks;
}

// A stock that was only ever SET has no item key and, rightly, no level.
async function compareStocks(redis: Redis, postgres: pg.Client): Promise<string[]> {
  const { rows } = await postgres.query(
    "select sku || '@' || store_id as stock, available, held, version from stock_levels",
  );
  const levels = new Map(rows.map(({ stock, ...level }) => [stock, textOf(level)]));
  return compareRows("stock", await readStockKeys(redis), levels);
}

async function compareMovements(postgres: pg.Client): Promise<string[]> {
  const { rows } = await postgres.query(
    `select coalesce(levels.stock, sums.stock) as stock, levels.available, levels.held,
       sums.available as available_sum, sums.held as held_sum
     from (select sku || '@' || store_id as stock, available, held from stock_levels) as levels
     full join (
       select sku || '@' || store_id as stock, sum(available_delta) as available, sum(held_delta) as held
       from stock_movements group by sku, store_id
     ) as sums using (stock)
     where levels.available is distinct from sums.available or levels.held is distinct from sums.held`,
  );
  return rows.map(
    (row) =>
      `movements of ${row.stock} add up to ${row.available_sum} and ${row.held_sum} held, ` +
      `its level is ${row.available} and ${row.held} held`,
  );
}

// What no constraint says, for its price (sql/0002_lighter_ledger.sql).
async function compareLines(postgres: pg.Client): Promise<string[]> {
  const { rows } = await postgres.query(
    "select distinct hold_id from hold_lines left join holds using (hold_id) where holds is null",
  );
  return rows.map(({ hold_id }) => `lines of hold ${hold_id}, which is not in Postgres`);
}

async function compareOrders(postgres: pg.Client): Promise<string[]> {
  const { rows } = await postgres.query(
    `select hold_id, holds.status, holds.order_id, array_agg(orders.order_id) as orders
     from holds full join orders using (hold_id)
     group by hold_id, holds.status, holds.order_id
     having array_agg(orders.order_id) is distinct from array[holds.order_id]
       or (holds.status = 'CONFIRMED') is distinct from (min(orders.order_id) is not null)
       or min(orders.payment_ref) is distinct from min(holds.payment_ref)
       or min(orders.confirmed_at) is distinct from
         min(holds.ended_at) filter (where status = 'CONFIRMED')`,
  );
  return rows.map(
    ({ hold_id, status, orders }) => `hold ${hold_id} is ${status}, orders ${orders}`,
  );
}

// Redis counts its events: each of them is recorded once, or in the dead letters, or was reported as lost.
async function compareEvents(redis: Redis, postgres: pg.Client): Promise<string[]> {
  const { rows } = await postgres.query(
    `select (select count(*) from processed_events) as recorded,
       (select count(distinct seq) from processed_events) as seqs,
       (select count(*) from dead_events where not outdated) as dead,
       (select coalesce(max(applied_seq), 0) from recorder_progress) as applied_seq,
       (select count(*) from seq_gaps where not isempty(still_missing) and recovery_id is null) as gaps,
       (select count(*) from (
         select seq from processed_events
         union select seq from dead_events where seq is not null
         union select generate_series(lower(seqs), upper(seqs) - 1) from seq_gaps
           where recovery_id is not null
       ) as known) as known`,
  );
  const { recorded, seqs, dead, applied_seq, gaps, known } = textOf(rows[0]);
  const seq = (await redis.get(keys.seq)) ?? "0";
  return [
    [known !== seq, `${known} of ${seq} events are recorded, dead, or known to be lost`],
    [recorded !== seqs, `${recorded} events share ${seqs} seqs`],
    [applied_seq !== seq, `applied_seq is ${applied_seq}, Redis is at ${seq}`],
    [gaps !== "0", `${gaps} gaps in seq are open`],
    [dead !== "0", `${dead} events are dead`],
  ].flatMap(([wrong, sentence]) => (wrong ? [String(sentence)] : []));
}

async function comparePending(redis: Redis): Promise<string[]> {
  const { pending = 0 } = (await readGroup(redis)) ?? {};
  return pending === 0 ? [] : [`${pending} entries are pending`];
}

// Every payment that Redis remembers as unfulfilled is written down, under the id that it has there.
async function comparePayments(redis: Redis, postgres: pg.Client): Promise<string[]> {
  const { rows } = await postgres.query(
    "select hold_id || ' ' || payment_ref as key, payment_id, why from unfulfilled_payments",
  );
  const recorded = new Map(rows.map(({ key, payment_id, why }) => [key, `${payment_id} ${why}`]));
  const differences: string[] = [];
  for (const name of await keysLike(redis, keys.idem("payment", "*"))) {
    const [, payment_id, why] = ((await redis.get(name)) ?? "").split(" ");
    const there = recorded.get(name.slice(keys.idem("payment", "").length));
    if (there === `${payment_id} ${why}`) continue;
    differences.push(`${name} is ${payment_id} ${why} in Redis, and ${there} in Postgres`);
  }
  return differences;
}

// Within Redis: units are held by holds, and by nothing else.
function compareHeld(holds: Rows, stocks: Stocks): string[] {
  const held = new Map<string, number>();
  for (const { status, lines } of holds.values()) {
    if (status !== "ACTIVE") continue;
    for (const line of lines?.split(" ") ?? []) {
      const [stock = "", quantity] = line.split("=");
      held.set(stock, (held.get(stock) ?? 0) + Number(quantity));
    }
  }
  return [...stocks].flatMap(([stock, { held: said }]) => {
    const found = held.get(stock) ?? 0;
    return found === Number(said) ? [] : [`${said} of ${stock} are held, by holds of ${found}`];
  });
}

// Within Redis: every active hold has its deadline, and no other has one.
async function compareDeadlines(redis: Redis, holds: Rows): Promise<string[]> {
  const deadlines = new Set(await redis.zrange(keys.deadlines, "0", "-1"));
  const active = [...holds].flatMap(([id, { status }]) => (status === "ACTIVE" ? [id] : []));
  return [
    ...active.filter((id) => !deadlines.has(id)).map((id) => `hold ${id} has no deadline`),
    ...[...deadlines]
      .filter((id) => !active.includes(id))
      .map((id) => `deadline ${id} has no active hold`),
  ];
}

async function keysLike(redis: Redis, pattern: string): Promise<string[]> {
  const found = new Set<string>(); // SCAN may name a key twice
  let cursor = "0";
  do {
    const [next, some] = await redis.scan(cursor, "MATCH", pattern, "COUNT", 1_000);
    for (const key of some) found.add(key);
    cursor = next;
  } while (cursor !== "0");
  return [...found];
}

const sortedLines = (lines: string) => lines.split(" ").toSorted().join(" ");

// Times as ms since 1970, as Redis keeps them; what is null has no field.
function textOf(row: Record<string, unknown>): Row {
  const set = Object.entries(row).filter(([, value]) => value !== null);
  return Object.fromEntries(
    set.map(([field, value]) => [field, String(value instanceof Date ? value.getTime() : value)]),
  );
}
