import type { Redis } from "ioredis";
import pg from "pg";
import { parseLines } from "../../src/domain/hold.ts";
import { parseHold } from "../../src/redis/hold-hash.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { isDrained, readGroup } from "../bench/recorded.ts";
import type { Book, BookHold, Books, Stock } from "./books.ts";
import type { LimitedSale } from "./limited-sale.ts";
import type { Stack } from "./stack.ts";
import { readStory } from "./story.ts";

const STORE = "main";
const keys = createKeys(STORE);
const AT_ONCE = 500;

/** Reads all there is on both sides, to be called when nothing changes any more. */
export async function readBooks(
  stack: Pick<Stack, "database_url" | "withRedis">,
  stocked: Map<string, number>,
  audits: number,
  limited: LimitedSale = new Map(),
): Promise<Books> {
  const postgres = new pg.Client({ connectionString: stack.database_url });
  await postgres.connect();
  try {
    return {
      ...{ stocked, limited },
      redis: await stack.withRedis((redis) => readRedis(redis, [...stocked.keys()])),
      postgres: { ...(await readPostgres(postgres, limited)), audits },
    };
  } finally {
    await postgres.end();
  }
}

async function readRedis(redis: Redis, skus: string[]): Promise<Books["redis"]> {
  const stocks = new Map<string, Stock>();
  for (const sku of skus) {
    const available = await redis.get(keys.stock(sku, STORE));
    const item = await redis.hgetall(keys.item(sku, STORE));
    if (available === null && item.version === undefined) continue;
    stocks.set(sku, {
      available: Number(available ?? 0),
      held: Number(item.held ?? 0),
      version: Number(item.version ?? 0),
    });
  }
  // Not by the lag alone: a Redis that was loaded from a file that it has written anew may count it wrong.
  const group = (await isDrained(redis)) ? null : await readGroup(redis);
  return {
    stocks,
    holds: await readHoldHashes(redis),
    seq: Number((await redis.get(keys.seq)) ?? 0),
    unrecorded: group ? group.pending + group.undelivered : 0,
  };
}

async function readHoldHashes(redis: Redis): Promise<Book["holds"]> {
  const names = new Set<string>(); // SCAN may name a key twice
  let cursor = "0";
  do {
    const [next, some] = await redis.scan(cursor, "MATCH", keys.hold("*"), "COUNT", AT_ONCE);
    for (const name of some) names.add(name);
    cursor = next;
  } while (cursor !== "0");

  const holds = new Map<string, BookHold>();
  const all = [...names];
  for (let i = 0; i < all.length; i += AT_ONCE) {
    const some = all.slice(i, i + AT_ONCE);
    const hashes = await Promise.all(some.map((name) => redis.hgetall(name)));
    for (const [j, name] of some.entries()) {
      const hold_id = name.slice(keys.hold("").length);
      const hold = parseHold(hold_id, ["HOLD", ...Object.entries(hashes[j] ?? {}).flat()]);
      if (!hold) throw new Error(`${name} in Redis is no hold`);
      const { ended_at = null, order_id = null, payment_ref = null, late = false } = hold;
      holds.set(hold_id, { ...hold, ended_at, order_id, payment_ref, late });
    }
  }
  return holds;
}

async function readPostgres(
  postgres: pg.Client,
  limited: LimitedSale,
): Promise<Omit<Books["postgres"], "audits">> {
  const rowsOf = async (sql: string) => (await postgres.query(sql)).rows;
  const [dead] = await rowsOf("select count(*)::int as count from dead_events");
  const stocks = await rowsOf(
    "select sku, available::int, held::int, version::int from stock_levels",
  );
  const history = await rowsOf(
    `select sku, sum(available_delta)::int as available, sum(held_delta)::int as held
     from stock_movements group by sku`,
  );
  const alarmed = await rowsOf(
    `select generate_series(lower(gap), upper(gap) - 1)::int as seq
     from seq_gaps, unnest(still_missing) as gap`,
  );
  const events = await rowsOf(
    `select seq::int, type, hold_id, payload->'record'->>0 as key, payload
     from processed_events order by seq, recorded_id`,
  );
  const waiters = await rowsOf("select waiter_id, user_id, status, hold_id from waiters");
  return {
    holds: await readHoldRows(rowsOf),
    stocks: new Map(stocks.map(({ sku, ...stock }) => [sku, stock])),
    events: events.map(({ seq, type, hold_id, key }) => ({ seq, type, hold_id, key })),
    story: readStory(events, limited),
    takings: await rowsOf(
      `select seq::int, sku, available_delta::int
       from stock_movements join processed_events using (event_id)
       where kind like 'HOLD%' or kind = 'ORDER_RETURNED' order by seq`,
    ),
    orders: await rowsOf("select order_id, hold_id, payment_ref from orders"),
    unfulfilled: await rowsOf("select payment_id, hold_id, payment_ref from unfulfilled_payments"),
    returns: await rowsOf(
      `select event_id as return_id, order_id, sku, line.quantity as units, restock,
         coalesce(hold_lines.quantity, 0) as sold, returned_at is not null as done
       from order_returns join order_return_lines as line using (event_id) join orders using (order_id)
       left join hold_lines using (hold_id, sku, store_id)`,
    ),
    waiters: new Map(waiters.map(({ waiter_id, ...waiter }) => [waiter_id, waiter])),
    history: new Map(history.map(({ sku, ...sums }) => [sku, sums])),
    alarmed: new Set(alarmed.map(({ seq }) => seq)),
    dead_letters: dead?.count ?? 0,
    losses: await rowsOf(
      `select events_lost::int, (report->>'heard_all')::boolean as exact
       from recoveries order by recovery_id`,
    ),
    drifts: await rowsOf(
      "select sku, kind from audit_findings where gone_at is null and kind <> 'CHANGED_OUTSIDE'",
    ),
  };
}

async function readHoldRows(
  rowsOf: (sql: string) => Promise<(BookHold & { lines: string })[]>,
): Promise<Book["holds"]> {
  const ms = (column: string) => `round(extract(epoch from ${column}) * 1000)::float8 as ${column}`;
  const rows = await rowsOf(
    `select hold_id, status, user_id, ${["created_at", "expires_at", "ended_at"].map(ms).join(", ")},
       order_id, payment_ref, late,
       (select string_agg(sku || '@' || store_id || '=' || quantity, ' ')
        from hold_lines where hold_lines.hold_id = holds.hold_id) as lines
     from holds`,
  );
  return new Map(rows.map((row) => [row.hold_id, { ...row, lines: parseLines(row.lines) ?? [] }]));
}
