import type { Redis } from "ioredis";
import type pg from "pg";
import { createKeys } from "../../src/redis/keys.ts";
import { STORE } from "./deciding-side.ts";
import { isDrained } from "./recorded.ts";

const keys = createKeys(STORE);
const SKUS_AT_ONCE = 5_000;
const DIFFERENCES_MAX = 5;

/** Both sides of the books. */
export type Sides = { redis: Redis; postgres: pg.Client };

/**
 * Whether Postgres says what Redis says, and each unit is where it should be, for millions of holds. To be
 * asked when everything is recorded and nothing changes. Returns a sentence for each kind of difference.
 *
 * @param seeded the SKUs, in any order, and how many units each of them had
 */
export async function compareBooks(
  sides: Sides,
  seeded: { skus: string[]; units: number },
): Promise<string[]> {
  return [
    ...(await compareEvents(sides)),
    ...(await compareUnits(sides, seeded.units)),
    ...(await compareMovements(sides)),
    ...(await compareOrders(sides)),
    ...(await compareStocks(sides, seeded)),
    ...(await compareCounts(sides, seeded.skus.length)),
  ];
}

// Redis counts its events: each of them is recorded, once and in order.
async function compareEvents({ redis, postgres }: Sides): Promise<string[]> {
  const { rows } = await postgres.query(
    `select count(*) as recorded, count(distinct seq) as seqs, coalesce(max(seq), 0) as last,
       (select count(*) from dead_events) as dead,
       (select count(*) from seq_gaps where not isempty(still_missing)) as gaps
     from processed_events`,
  );
  const { recorded, seqs, last, dead, gaps } = rows[0];
  const seq = (await redis.get(keys.seq)) ?? "0";
  return [
    recorded === seq ? [] : `${recorded} of ${seq} events are recorded`,
    seqs === recorded && last === seq ? [] : `${recorded} events have ${seqs} seqs up to ${last}`,
    dead === "0" ? [] : `${dead} events are dead`,
    gaps === "0" ? [] : `${gaps} gaps in seq are open`,
    (await isDrained(redis)) ? [] : "entries of the stream are pending",
  ].flat();
}

// What was put in is there, held or sold, and what is held is held by active holds.
async function compareUnits({ postgres }: Sides, units: number): Promise<string[]> {
  const { rows } = await postgres.query(
    `with lines as (
       select sku, store_id,
         coalesce(sum(quantity) filter (where status = 'ACTIVE'), 0) as held,
         coalesce(sum(quantity) filter (where status = 'CONFIRMED'), 0) as sold
       from hold_lines join holds using (hold_id)
       group by sku, store_id
     )
     select sku, level.available, level.held, lines.held as held_by_holds, sold
     from stock_levels as level full join lines using (sku, store_id)
     where (level.available + level.held + sold = $1 and level.held = lines.held) is not true
     limit $2`,
    [units, DIFFERENCES_MAX],
  );
  return rows.map(
    ({ sku, available, held, held_by_holds, sold }) =>
      `of ${units} ${sku}, ${available} are available, ${held} held (${held_by_holds} by holds), ${sold} sold`,
  );
}

async function compareMovements({ postgres }: Sides): Promise<string[]> {
  const { rows } = await postgres.query(
    `with sums as (
       select sku, store_id, sum(available_delta) as available, sum(held_delta) as held
       from stock_movements group by sku, store_id
     )
     select sku, level.available, level.held, sums.available as available_sum, sums.held as held_sum
     from stock_levels as level full join sums using (sku, store_id)
     where (level.available, level.held) is distinct from (sums.available, sums.held)
     limit $1`,
    [DIFFERENCES_MAX],
  );
  return rows.map(
    ({ sku, available, held, available_sum, held_sum }) =>
      `movements of ${sku} add up to ${available_sum} and ${held_sum} held, its level is ${available} ` +
      `and ${held} held`,
  );
}

async function compareOrders({ postgres }: Sides): Promise<string[]> {
  const { rows } = await postgres.query(
    `select count(*) as odd from holds full join orders using (hold_id)
     where (status = 'CONFIRMED') is distinct from (orders.order_id is not null)
       or holds.order_id is distinct from orders.order_id`,
  );
  return rows[0].odd === "0" ? [] : [`${rows[0].odd} holds and orders do not belong together`];
}

// Stock by stock, some at a time.
async function compareStocks(
  sides: Sides,
  { skus, units }: { skus: string[]; units: number },
): Promise<string[]> {
  const differences: string[] = [];
  for (let i = 0; i < skus.length; i += SKUS_AT_ONCE) {
    const some = skus.slice(i, i + SKUS_AT_ONCE);
    const [inRedis, inPostgres] = await Promise.all([
      readStocks(sides.redis, some),
      readLevels(sides.postgres, some),
    ]);
    for (const sku of some) {
      const here = inRedis.get(sku);
      // What nobody has asked for has no level.
      const there = inPostgres.get(sku) ?? `${units} available, 0 held, version 0`;
      if (here !== there) differences.push(`${sku}: ${here} in Redis, ${there} in Postgres`);
    }
  }
  return differences.slice(0, DIFFERENCES_MAX);
}

async function readStocks(redis: Redis, skus: string[]): Promise<Map<string, string>> {
  const pipeline = redis.pipeline();
  for (const sku of skus) pipeline.hmget(keys.item(sku, STORE), "held", "version");
  const [stocks, items] = await Promise.all([
    redis.mget(skus.map((sku) => keys.stock(sku, STORE))),
    pipeline.exec(),
  ]);
  return new Map(
    skus.map((sku, i) => {
      const [held, version] = (items?.[i]?.[1] ?? []) as (string | null)[]; // what HMGET replies
      return [sku, `${stocks[i]} available, ${held ?? 0} held, version ${version ?? 0}`];
    }),
  );
}

async function readLevels(postgres: pg.Client, skus: string[]): Promise<Map<string, string>> {
  const { rows } = await postgres.query(
    `select sku, format('%s available, %s held, version %s', available, held, version) as level
     from stock_levels where sku = any($1) and store_id = $2`,
    [skus, STORE],
  );
  return new Map(rows.map(({ sku, level }) => [sku, level]));
}

// Every hold has its key and its idempotency record, every active one its deadline, and there is no other.
async function compareCounts({ redis, postgres }: Sides, skus: number): Promise<string[]> {
  const { rows } = await postgres.query(
    `select count(*)::int as holds, (count(*) filter (where status = 'ACTIVE'))::int as active,
       (select count(*)::int from stock_levels) as levels
     from holds`,
  );
  const { holds, active, levels } = rows[0];
  const deadlines = await redis.zcard(keys.deadlines);
  const shared = await redis.exists(
    ...[...keys.shared, keys.admission, keys.dead, keys.stores, keys.turns],
  );
  const expected = skus + levels + 2 * holds + shared;
  const found = await redis.dbsize();
  return [
    deadlines === active
      ? []
      : `${active} active holds in Postgres, ${deadlines} deadlines in Redis`,
    found === expected
      ? []
      : `${found} keys in Redis, not ${expected}: ${skus} stocks, ${levels} items, ${holds} holds, ` +
        `each with its idempotency record, and ${shared} more`,
  ].flat();
}
