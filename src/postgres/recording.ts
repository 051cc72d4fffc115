import {
  type BatchPlan,
  isSold,
  planBatch,
  type StockLevel,
  stockOf,
} from "../domain/batch-plan.ts";
import { laterEntry } from "../domain/entry-id.ts";
import type { HoldPayload, InventoryEvent } from "../domain/event.ts";
import type { Connection } from "./client.ts";
import { connect } from "./client.ts";

/** First half of the advisory lock that one recorder holds per partition; the second is the partition. */
const RECORDER_LOCK = 4_063_252;
/** A recorder that hangs loses its session after this, and another takes over. One at work stays in touch. */
const SILENCE_MS_MAX = 8_000;

/** What one batch did, for logs and metrics. */
export type Applied = Pick<BatchPlan, "gaps" | "applied_seq"> & {
  applied: number;
  duplicates: number;
  external: number;
  /** Seqs that were recorded before under another event: Redis has counted anew. */
  rewound_seqs: number[];
};

export type Recording = NonNullable<Awaited<ReturnType<typeof openRecording>>>;

/**
 * Becomes the one that records a partition; null when another is. The lock belongs to the connection that
 * writes, so whoever has lost it can't write either.
 */
export async function openRecording(databaseUrl: string, partition: number) {
  const client = await connect(databaseUrl, { silence_ms: SILENCE_MS_MAX });
  let mine = false;
  try {
    mine = await tryLock(client, partition);
  } finally {
    if (!mine) await client.end();
  }
  if (!mine) return null;

  /**
   * Applies events in one transaction. Events that were applied before are left out, so it may be
   * repeated, above all when a COMMIT's answer was lost.
   * @param entry_id the id of the newest stream entry among them
   */
  function apply(events: InventoryEvent[], entry_id: string): Promise<Applied> {
    return inTransaction(client, async () => {
      const progress = await lockProgress(client, partition);
      const fresh = await insertProcessed(client, partition, events);
      const plan = planBatch(fresh, await readLevels(client, fresh), progress.applied_seq);
      await upsertHolds(client, plan.holds);
      await upsertLevels(client, plan.levels);
      await insertMovements(client, plan);
      await insertGaps(client, partition, plan);
      const rewound_seqs = await closeGaps(client, partition, plan.late_seqs);
      await moveProgress(client, partition, {
        applied_seq: plan.applied_seq,
        applied_entry_id: laterEntry(progress.applied_entry_id, entry_id),
      });
      return {
        gaps: plan.gaps,
        applied_seq: plan.applied_seq,
        applied: fresh.length,
        duplicates: events.length - fresh.length,
        external: plan.movements.filter(({ kind }) => kind === "EXTERNAL").length,
        rewound_seqs,
      };
    });
  }

  /**
   * Writes an entry down as dead, and the recording goes on behind it.
   * @param seq the entry's seq, null when it has none that can be read
   */
  function bury(dead: {
    entry_id: string;
    fields: Record<string, string>;
    error: string;
    attempts: number;
    seq: number | null;
  }): Promise<void> {
    return inTransaction(client, async () => {
      const progress = await lockProgress(client, partition);
      await client.query(
        `insert into dead_events (partition, entry_id, fields, error, attempts)
         values ($1, $2, $3, $4, $5)
         on conflict (partition, entry_id) do update
         set attempts = dead_events.attempts + excluded.attempts, error = excluded.error, failed_at = now()`,
        [partition, dead.entry_id, JSON.stringify(dead.fields), dead.error, dead.attempts],
      );
      // Only the next one in order: a dead entry must not hide a gap before it.
      const next_seq = progress.applied_seq + 1;
      await moveProgress(client, partition, {
        applied_seq: dead.seq === next_seq ? next_seq : progress.applied_seq,
        applied_entry_id: laterEntry(progress.applied_entry_id, dead.entry_id),
      });
    });
  }

  async function stayInTouch(): Promise<void> {
    await client.query("select 1");
  }

  return { apply, bury, stayInTouch, close: () => client.end() };
}

async function tryLock(client: Connection, partition: number): Promise<boolean> {
  const { rows } = await client.query<{ mine: boolean }>(
    "select pg_try_advisory_lock($1, $2) as mine",
    [RECORDER_LOCK, partition],
  );
  return rows[0]?.mine ?? false;
}

type Progress = { applied_seq: number; applied_entry_id: string };

async function inTransaction<T>(client: Connection, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    const result = await work();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => {}); // a lost connection has rolled back by itself
    throw error;
  }
}

async function lockProgress(client: Connection, partition: number): Promise<Progress> {
  await client.query(
    `insert into recorder_progress (partition, applied_seq, applied_entry_id) values ($1, 0, '0-0')
     on conflict (partition) do nothing`,
    [partition],
  );
  const { rows } = await client.query<Progress>(
    "select applied_seq, applied_entry_id from recorder_progress where partition = $1 for update",
    [partition],
  );
  return rows[0] ?? { applied_seq: 0, applied_entry_id: "0-0" };
}

// The insert decides: an event is applied by whoever gets its row in. Sorted, as are all upserts here, so
// that two writers of the same rows wait for each other instead of locking crosswise.
async function insertProcessed(client: Connection, partition: number, events: InventoryEvent[]) {
  const byId = new Map(events.map((event) => [event.event_id, event]));
  const sorted = [...byId.values()].sort((a, b) => (a.event_id < b.event_id ? -1 : 1));
  const { rows } = await client.query<{ event_id: string }>({
    name: "insert_processed",
    text: `insert into processed_events (partition, event_id, seq, type, hold_id, occurred_at)
           select $1, * from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
           on conflict (event_id) do nothing
           returning event_id`,
    values: [
      partition,
      sorted.map(({ event_id }) => event_id),
      sorted.map(({ seq }) => seq),
      sorted.map(({ type }) => type),
      sorted.map(({ payload }) => payload.hold_id),
      sorted.map(({ payload }) => time(payload.occurred_at)),
    ],
  });
  return rows.flatMap(({ event_id }) => byId.get(event_id) ?? []).sort((a, b) => a.seq - b.seq);
}

async function readLevels(client: Connection, events: InventoryEvent[]) {
  const lines = new Map(
    events.flatMap(({ payload }) => payload.lines.map((line) => [stockOf(line), line] as const)),
  );
  const { rows } = await client.query<Omit<StockLevel, "updated_at">>({
    name: "read_levels",
    text: `select sku, store_id, available, held, version
           from stock_levels join unnest($1::text[], $2::text[]) as wanted (sku, store_id) using (sku, store_id)`,
    values: [[...lines.values()].map(({ sku }) => sku), [...lines.values()].map((l) => l.store_id)],
  });
  return new Map(rows.map((row) => [stockOf(row), { ...row, updated_at: 0 }]));
}

async function upsertHolds(client: Connection, unsorted: HoldPayload[]) {
  const holds = unsorted.toSorted((a, b) => (a.hold_id < b.hold_id ? -1 : 1));
  await client.query({
    name: "upsert_holds",
    text: `insert into holds (hold_id, status, user_id, created_at, expires_at, ended_at, order_id,
             payment_ref, reason, version)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[],
             $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::integer[])
           on conflict (hold_id) do update
           set status = excluded.status, expires_at = excluded.expires_at, ended_at = excluded.ended_at,
             order_id = excluded.order_id, payment_ref = excluded.payment_ref, reason = excluded.reason,
             version = excluded.version
           where holds.version < excluded.version`,
    values: [
      holds.map((hold) => hold.hold_id),
      holds.map((hold) => hold.status),
      holds.map((hold) => hold.user_id),
      holds.map((hold) => time(hold.created_at)),
      holds.map((hold) => time(hold.expires_at)),
      holds.map((hold) => (hold.ended_at === undefined ? null : time(hold.ended_at))),
      holds.map((hold) => hold.order_id ?? null),
      holds.map((hold) => hold.payment_ref ?? null),
      holds.map((hold) => hold.reason ?? null),
      holds.map((hold) => hold.version),
    ],
  });
  const lines = holds.flatMap(({ hold_id, lines }) => lines.map((line) => ({ hold_id, ...line })));
  await client.query({
    name: "insert_hold_lines",
    text: `insert into hold_lines (hold_id, sku, store_id, quantity)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::integer[])
           on conflict (hold_id, sku, store_id) do nothing`,
    values: [
      lines.map((line) => line.hold_id),
      lines.map((line) => line.sku),
      lines.map((line) => line.store_id),
      lines.map((line) => line.quantity),
    ],
  });
  const sold = holds.filter(isSold);
  if (sold.length === 0) return;
  await client.query({
    name: "insert_orders",
    text: `insert into orders (order_id, hold_id, user_id, payment_ref, confirmed_at)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
           on conflict (order_id) do nothing`,
    values: [
      sold.map((hold) => hold.order_id),
      sold.map((hold) => hold.hold_id),
      sold.map((hold) => hold.user_id),
      sold.map((hold) => hold.payment_ref),
      sold.map((hold) => (hold.ended_at === undefined ? null : time(hold.ended_at))),
    ],
  });
}

async function upsertLevels(client: Connection, unsorted: StockLevel[]) {
  const levels = unsorted.toSorted((a, b) => (stockOf(a) < stockOf(b) ? -1 : 1));
  await client.query({
    name: "upsert_levels",
    text: `insert into stock_levels (sku, store_id, available, held, version, updated_at)
           select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
             $6::timestamptz[])
           on conflict (sku, store_id) do update
           set available = excluded.available, held = excluded.held, version = excluded.version,
             updated_at = excluded.updated_at
           where stock_levels.version < excluded.version`,
    values: [
      levels.map((level) => level.sku),
      levels.map((level) => level.store_id),
      levels.map((level) => level.available),
      levels.map((level) => level.held),
      levels.map((level) => level.version),
      levels.map((level) => time(level.updated_at)),
    ],
  });
}

async function insertMovements(client: Connection, { movements }: BatchPlan) {
  if (movements.length === 0) return;
  await client.query({
    name: "insert_movements",
    text: `insert into stock_movements (occurred_at, sku, store_id, kind, available_delta, held_delta,
             event_id, reference, notes)
           select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::bigint[],
             $6::bigint[], $7::uuid[], $8::text[], $9::text[])`,
    values: [
      movements.map((movement) => time(movement.occurred_at)),
      movements.map((movement) => movement.sku),
      movements.map((movement) => movement.store_id),
      movements.map((movement) => movement.kind),
      movements.map((movement) => movement.available_delta),
      movements.map((movement) => movement.held_delta),
      movements.map((movement) => movement.event_id),
      movements.map((movement) => movement.reference),
      movements.map((movement) => movement.notes),
    ],
  });
}

async function insertGaps(client: Connection, partition: number, { gaps }: BatchPlan) {
  for (const { first, last } of gaps) {
    await client.query(
      `insert into seq_gaps (partition, seqs, still_missing)
       values ($1, int8range($2, $3, '[]'), int8multirange(int8range($2, $3, '[]')))`,
      [partition, first, last],
    );
  }
}

// A late event closes its place in a gap. One that fits no gap has a seq that another event had.
async function closeGaps(client: Connection, partition: number, late_seqs: number[]) {
  if (late_seqs.length === 0) return [];
  const { rows } = await client.query<{ seq: number }>(
    `select seq from unnest($2::bigint[]) as seq
     where not exists (select from seq_gaps where partition = $1 and still_missing @> seq)`,
    [partition, late_seqs],
  );
  await client.query(
    `update seq_gaps set still_missing = still_missing - arrived.seqs
     from (select range_agg(int8range(seq, seq, '[]')) as seqs from unnest($2::bigint[]) as seq) as arrived
     where partition = $1 and still_missing && arrived.seqs`,
    [partition, late_seqs],
  );
  return rows.map(({ seq }) => seq);
}

async function moveProgress(
  client: Connection,
  partition: number,
  { applied_seq, applied_entry_id }: Progress,
) {
  await client.query(
    `update recorder_progress set applied_seq = $2, applied_entry_id = $3, updated_at = now()
     where partition = $1`,
    [partition, applied_seq, applied_entry_id],
  );
}

const time = (millis: number) => new Date(millis).toISOString();
