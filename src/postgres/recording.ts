import { type BatchPlan, planBatch } from "../domain/batch-plan.ts";
import { laterEntry } from "../domain/entry-id.ts";
import type { InventoryEvent } from "../domain/event.ts";
import { within } from "../within.ts";
import { type Connection, connect } from "./client.ts";
import {
  insertMovements,
  insertProcessed,
  readLevels,
  upsertHolds,
  upsertLevels,
} from "./recording-rows.ts";

/** First half of the advisory lock that one recorder holds per partition; the second is the partition. */
const RECORDER_LOCK = 4_063_252;
/** A recorder that hangs loses its session after this, and another takes over. One at work stays in touch. */
const SILENCE_MS_MAX = 8_000;
const CLOSE_MS_MAX = 2_000;

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
  let applied_seq: number | null = null;
  try {
    if (await tryLock(client, partition)) ({ applied_seq } = await lockProgress(client, partition));
  } finally {
    if (applied_seq === null) await client.end();
  }
  if (applied_seq === null) return null;

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
      await insertMovements(client, plan.movements);
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
      const fields = JSON.stringify(dead.fields);
      await client.query(
        `insert into dead_events (partition, entry_id, seq, fields, error, attempts)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (partition, entry_id) do update
         set attempts = dead_events.attempts + excluded.attempts, error = excluded.error, failed_at = now()`,
        [partition, dead.entry_id, dead.seq, fields, dead.error, dead.attempts],
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

  return {
    /** How far the partition was recorded when this began. */
    applied_seq,
    apply,
    bury,
    stayInTouch,
    /** Waits no longer than it must: the other side of a dead connection never says goodbye. */
    close: () => within(CLOSE_MS_MAX, client.end()),
  };
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

async function insertGaps(client: Connection, partition: number, { gaps }: BatchPlan) {
  for (const { first, last } of gaps) {
    await client.query(
      `insert into seq_gaps (partition, seqs, still_missing)
       values ($1, int8range($2, $3, '[]'), int8multirange(int8range($2, $3, '[]')))`,
      [partition, first, last],
    );
  }
}

// A late event closes its place in a gap, or was dead before. Any other has a seq that another event had.
async function closeGaps(client: Connection, partition: number, late_seqs: number[]) {
  if (late_seqs.length === 0) return [];
  const { rows } = await client.query<{ seq: number }>(
    `select seq from unnest($2::bigint[]) as late (seq)
     where not exists (select from seq_gaps where partition = $1 and still_missing @> late.seq)
       and not exists (select from dead_events where partition = $1 and dead_events.seq = late.seq)`,
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
