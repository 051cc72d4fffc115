import type { Redis } from "ioredis";
import pg from "pg";
import { parseLines } from "../../src/domain/hold.ts";
import { parseHold } from "../../src/redis/hold-hash.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { isDrained, readGroup } from "../bench/recorded.ts";
import type { Book, BookHold, Books, Stock } from "./books.ts";
import type { Stack } from "./stack.ts";

const STORE = "main";
const keys = createKeys(STORE);
const AT_ONCE = 500;

/** Reads all there is on both sides, to be called when nothing changes any more. */
export async function readBooks(
  stack: Pick<Stack, "database_url" | "withRedis">,
  stocked: Map<string, number>,
  audits: number,
): Promise<Books> {
  const postgres = new pg.Client({ connectionString: stack.database_url });
  await postgres.connect();
  try {
    return {
      stocked,
      redis: await stack.withRedis((redis) => readRedis(redis, [...stocked.keys()])),
      postgres: { ...(await readPostgres(postgres)), audits },
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
      const { ended_at = null, order_id = null, payment_ref = null } = hold;
      holds.set(hold_id, { ...hold, ended_at, order_id, payment_ref });
    }
  }
  return holds;
}

async function readPostgres(postgres: pg.Client): Promise<Omit<Books["postgres"], "audits">> {
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
  return {
    holds: await readHoldRows(rowsOf),
    stocks: new Map(stocks.map(({ sku, ...stock }) => [sku, stock])),
    events: await rowsOf(
      "select seq::int, type, hold_id from processed_events order by seq, recorded_id",
    ),
    takings: await rowsOf(
      `select seq::int, sku, available_delta::int
       from stock_movements join processed_events using (event_id)
       where kind like 'HOLD%' order by seq`,
    ),
    orders: await rowsOf("select order_id, hold_id, payment_ref from orders"),
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
       order_id, payment_ref,
       (select string_agg(sku || '@' || store_id || '=' || quantity, ' ')
        from hold_lines where hold_lines.hold_id = holds.hold_id) as lines
     from holds`,
  );
  return new Map(rows.map((row) => [row.hold_id, { ...row, lines: parseLines(row.lines) ?? [] }]));
}
