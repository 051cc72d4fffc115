import { within } from "../within.ts";
import { connect, type Pool } from "./client.ts";
import { inTransaction, type Transaction } from "./transaction.ts";

// A rebuild goes through all stocks in the order of (sku, store_id), a chunk at a time. The sums of a chunk
// are read without any lock. Only stocks that differ are looked at again, behind the lock that every
// recording transaction takes; then only what was recorded since is added, so the recorder waits for a moment
// however long a stock's history is. Recorded_ids tell what was recorded since: they rise with each
// transaction.

/** Stocks of a chunk. Fewer would take longer in all; more say less often how far the rebuild is. */
const CHUNK_MAX = 1_000;
/** A stock may have many millions of movements. Nobody waits for their sum. */
const READ_MS_MAX = 10 * 60_000;
const CLOSE_MS_MAX = 2_000;

const SETTINGS = {
  // Else the plan for a chunk may read every movement there is, or be compiled for longer than it runs.
  enable_seqscan: "off",
  jit: "off",
  // A worker that was killed leaves no long statement behind.
  client_connection_check_interval: 5_000,
};

/** A stock that differed from its movements. */
export type Difference = {
  sku: string;
  store_id: string;
  /** IMPOSSIBLE: the movements add up to less than nothing, so the level was left as it is. */
  outcome: "CORRECTED" | "IMPOSSIBLE";
  /** What its movements add up to. */
  available: number;
  held: number;
};

/** What one chunk came to. */
export type Chunk = {
  rebuild_id: number;
  stocks: number;
  differences: Difference[];
  /** The chunk was the last one. */
  finished: boolean;
};

/**
 * Does the next chunk of the open rebuild; null when there is none, or another worker has just done it. How
 * far the rebuild is moves in the transaction that corrects, so it goes on wherever a worker ended.
 */
export async function rebuildChunk(
  pool: Pool,
  databaseUrl: string,
  chunk_max = CHUNK_MAX,
): Promise<Chunk | null> {
  const cursor = await startRebuild(pool);
  if (!cursor) return null;
  const stocks = await sumChunk(databaseUrl, cursor, chunk_max);
  const differing = stocks.filter(({ differs }) => differs);
  const finished = stocks.length < chunk_max;
  return inTransaction(pool, async (client) => {
    if (!(await lockRebuild(client, cursor))) return null;
    const differences = differing.length > 0 ? await correct(client, differing) : [];
    await moveCursor(client, cursor, stocks, differences, finished);
    return { rebuild_id: cursor.rebuild_id, stocks: stocks.length, differences, finished };
  });
}

/** Up to which stock a rebuild has come; null at its beginning. */
type Cursor = { rebuild_id: number; last_sku: string | null; last_store_id: string | null };

async function startRebuild(pool: Pool): Promise<Cursor | null> {
  const { rows } = await pool.query<Cursor & { started_at: Date | null }>(
    `select rebuild_id, last_sku, last_store_id, started_at from projection_rebuilds
     where finished_at is null`,
  );
  const [rebuild] = rows;
  if (rebuild && !rebuild.started_at) {
    // Levels are as many as stocks, but for what a rebuild may find.
    await pool.query(
      `update projection_rebuilds
       set started_at = now(), stocks_total = (select count(*) from stock_levels)
       where rebuild_id = $1 and started_at is null`,
      [rebuild.rebuild_id],
    );
  }
  return rebuild ?? null;
}

/** A stock's movements, added up, as of one moment. */
type Sums = {
  sku: string;
  store_id: string;
  /** Whether the level of that moment says something else. */
  differs: boolean;
  movements: number;
  available: number;
  held: number;
  version: number;
  versions_known: boolean;
  occurred_ms: number | null;
  recorded_id: number;
};

async function sumChunk(databaseUrl: string, cursor: Cursor, chunk_max: number): Promise<Sums[]> {
  const client = await connect(databaseUrl, { statement_ms: READ_MS_MAX }, SETTINGS);
  try {
    const { rows } = await client.query<Sums>(SUM_CHUNK, [
      cursor.last_sku ?? "",
      cursor.last_store_id ?? "",
      chunk_max,
    ]);
    return rows;
  } finally {
    await within(CLOSE_MS_MAX, client.end()).catch(() => {}); // it has only read
  }
}

// The version of a level is the highest that an event brought. Movements that were recorded before they had
// versions don't tell it: then the level's own stays when it is higher, or an old event that comes late would
// be taken for a newer one.
const versionOf = (sums: string, level: string) =>
  `case when ${sums}.versions_known then ${sums}.version
   else greatest(${sums}.version, ${level}.version) end`;

// Of movements there may be a thousand to a stock, so the stocks that have some are found by leaping in the
// index from each to the next one.
const SUM_CHUNK = `
  with recursive moved as (
    (select sku, store_id, 1 as n from stock_movements where (sku, store_id) > ($1, $2)
     order by sku, store_id limit 1)
    union all
    select next.sku, next.store_id, moved.n + 1
    from moved cross join lateral (
      select sku, store_id from stock_movements
      where (sku, store_id) > (moved.sku, moved.store_id)
      order by sku, store_id limit 1
    ) as next
    where moved.n < $3
  ), chunk as (
    select sku, store_id from moved
    union
    (select sku, store_id from stock_levels where (sku, store_id) > ($1, $2)
     order by sku, store_id limit $3)
    order by sku, store_id limit $3
  )
  select chunk.sku, chunk.store_id, sums.*,
    (level.sku is not null) <> (sums.movements > 0)
      or level.sku is not null and (level.available, level.held, level.version)
        is distinct from (sums.available, sums.held, ${versionOf("sums", "level")}) as differs
  from chunk
  left join stock_levels as level on level.sku = chunk.sku and level.store_id = chunk.store_id
  cross join lateral (
    select count(*) as movements,
      coalesce(sum(available_delta), 0)::bigint as available,
      coalesce(sum(held_delta), 0)::bigint as held,
      coalesce(max(version), 0) as version,
      coalesce(bool_and(version is not null) filter (where kind <> 'EXTERNAL'), true) as versions_known,
      (extract(epoch from max(occurred_at)) * 1000)::float8 as occurred_ms,
      coalesce(max(recorded_id), 0) as recorded_id
    from stock_movements where sku = chunk.sku and store_id = chunk.store_id
  ) as sums
  order by chunk.sku, chunk.store_id`;

async function correct(client: Transaction, differing: Sums[]): Promise<Difference[]> {
  // No event is recorded from here on, so what the next statement sees is how it stays.
  await client.query("select from recorder_progress order by partition for update");
  const { rows } = await client.query<Difference>(CORRECT, [JSON.stringify(differing)]);
  return rows;
}

const CORRECT = `
  with sums as (
    select known.sku, known.store_id, known.versions_known,
      known.movements + newer.movements as movements,
      known.available + newer.available as available,
      known.held + newer.held as held,
      greatest(known.version, newer.version) as version,
      greatest(to_timestamp(known.occurred_ms / 1000), newer.occurred_at) as occurred_at
    from json_to_recordset($1) as known (sku text, store_id text, movements bigint, available bigint,
      held bigint, version bigint, versions_known boolean, occurred_ms float8, recorded_id bigint)
    cross join lateral (
      select count(*) as movements,
        coalesce(sum(available_delta), 0)::bigint as available,
        coalesce(sum(held_delta), 0)::bigint as held,
        max(version) as version,
        max(occurred_at) as occurred_at
      from stock_movements
      where sku = known.sku and store_id = known.store_id and recorded_id > known.recorded_id
    ) as newer
  ), written as (
    insert into stock_levels (sku, store_id, available, held, version, updated_at)
    select sums.sku, sums.store_id, sums.available, sums.held, ${versionOf("sums", "level")}, occurred_at
    from sums left join stock_levels as level
      on level.sku = sums.sku and level.store_id = sums.store_id
    where movements > 0 and sums.available >= 0 and sums.held >= 0
    order by sums.sku, sums.store_id
    on conflict (sku, store_id) do update
    set available = excluded.available, held = excluded.held, version = excluded.version,
      updated_at = excluded.updated_at
    where (stock_levels.available, stock_levels.held, stock_levels.version)
      is distinct from (excluded.available, excluded.held, excluded.version)
    returning sku, store_id
  ), deleted as (
    delete from stock_levels using sums
    where movements = 0 and stock_levels.sku = sums.sku and stock_levels.store_id = sums.store_id
    returning stock_levels.sku, stock_levels.store_id
  ), changed as (select * from written union all select * from deleted)
  select sku, store_id, sums.available, sums.held,
    case when changed.sku is null then 'IMPOSSIBLE' else 'CORRECTED' end as outcome
  from sums left join changed using (sku, store_id)
  where changed.sku is not null or sums.available < 0 or sums.held < 0
  order by sku, store_id`;

async function lockRebuild(client: Transaction, cursor: Cursor): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from projection_rebuilds
     where rebuild_id = $1 and finished_at is null
       and (last_sku, last_store_id) is not distinct from ($2, $3)
     for update`,
    [cursor.rebuild_id, cursor.last_sku, cursor.last_store_id],
  );
  return rowCount === 1;
}

async function moveCursor(
  client: Transaction,
  cursor: Cursor,
  stocks: Sums[],
  differences: Difference[],
  finished: boolean,
): Promise<void> {
  const { sku, store_id } = stocks.at(-1) ?? {};
  await client.query(
    `update projection_rebuilds
     set stocks_done = stocks_done + $2,
       stocks_total = case when $4 then stocks_done + $2 else greatest(stocks_total, stocks_done + $2) end,
       stocks_corrected = stocks_corrected + $3,
       finished_at = case when $4 then clock_timestamp() end,
       last_sku = coalesce($5, last_sku), last_store_id = coalesce($6, last_store_id)
     where rebuild_id = $1`,
    [
      cursor.rebuild_id,
      stocks.length,
      differences.filter(({ outcome }) => outcome === "CORRECTED").length,
      finished,
      sku,
      store_id,
    ],
  );
}
