import { type BatchPlan, planBatch } from "../domain/batch-plan.ts";
import { laterEntry } from "../domain/entry-id.ts";
import type { InventoryEvent } from "../domain/event.ts";
import { monotonicNow } from "../now.ts";
import { within } from "../within.ts";
import { answers, type Connection, connect, type Statement } from "./client.ts";
import { keepBases, skusCountedFrom } from "./customer-bases.ts";
import {
  type Burial,
  type DeadLetter,
  deadOf,
  deleteDead,
  insertDead,
  keepDead,
  readRequested,
} from "./dead-letters.ts";
import { withoutForgotten } from "./forgetting.ts";
import { insertProcessed, readLevels, statementsOf } from "./recording-rows.ts";
import { refuseOutdated } from "./refusing.ts";
import { closeGaps, insertGaps, missedSeqs } from "./seq-gaps.ts";

/** First half of the advisory lock that one recorder holds per partition; the second is the partition. */
const RECORDER_LOCK = 4_063_252;
/** A recorder that hangs loses its session after this, and another takes over. One at work stays in touch. */
const SILENCE_MS_MAX = 8_000;
const CLOSE_MS_MAX = 2_000;

const SETTINGS = {
  idle_session_timeout: SILENCE_MS_MAX,
  // Each statement is planned once and not for every batch (0.15 ms of it). As the plan may be made
  // while a table is small and used when it has grown, it has to go by the index.
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
};

/** What one batch did, for logs and metrics. */
export type Applied = Pick<BatchPlan, "gaps" | "applied_seq"> & {
  applied: number;
  duplicates: number;
  external: number;
  /** Skus with too much in the ledger to tell what customers had of them before they were counted. */
  uncounted: string[];
  /** Seqs that were recorded before under another event: Redis has counted anew. */
  rewound_seqs: number[];
  /** Ids of events that come too late: Redis was admitted without them. Nothing of them was applied. */
  refused: Set<string>;
};

export type Recording = NonNullable<Awaited<ReturnType<typeof openRecording>>>;

/**
 * Becomes the one that records a partition; null when another is. The lock belongs to the connection
 * that writes, so whoever has lost it can't write either.
 */
export async function openRecording(databaseUrl: string, partition: number) {
  const client = await connect(databaseUrl, {}, SETTINGS);
  let applied_seq: number | null = null;
  try {
    if (await tryLock(client, partition)) {
      await makeProgress(client, partition);
      ({ applied_seq } = await lockProgress(client, partition));
    }
  } finally {
    if (applied_seq === null) await client.end();
  }
  if (applied_seq === null) return null;

  const met_stores = new Set<string>();

  /**
   * Applies events in one transaction. Events that were applied before are left out, so it may be
   * repeated, above all when a COMMIT's answer was lost.
   * @param entry_id the id of the newest stream entry among them
   * @param more.all_read_at when the stream was asked for them, by `monotonicNow`; null unless these,
   *   with what was applied before, are all it had
   * @param more.letter the dead letter that is tried again, and goes with it. It may be of an older
   *   generation: it knows by itself whether Redis has lost it.
   */
  function apply(
    events: InventoryEvent[],
    entry_id: string,
    more: { all_read_at?: number | null; letter?: DeadLetter } = {},
  ): Promise<Applied> {
    return inTransaction(client, partition, async (progress, commit) => {
      const remembered = await withoutForgotten(client, partition, events, progress);
      const { generation } = progress;
      const refused = more.letter
        ? new Set<string>()
        : await refuseOutdated(client, remembered, generation);
      const current =
        refused.size > 0 ? remembered.filter(({ event_id }) => !refused.has(event_id)) : remembered;
      const [fresh, levels] = await answers([
        insertProcessed(client, partition, current),
        readLevels(client, current),
      ]);
      const plan = planBatch(fresh, levels, progress.applied_seq);
      const missed = await missedSeqs(client, partition, plan.late_seqs);
      const dead_ids = await deadOf(client, partition, fresh, plan.late_seqs);
      if (more.letter) dead_ids.push(more.letter.dead_id);
      await insertGaps(client, partition, plan.gaps);
      await closeGaps(client, partition, plan.late_seqs);
      const counted = skusCountedFrom(fresh, plan.applied_seq);
      const unmet_stores = plan.stores.filter((store_id) => !met_stores.has(store_id));
      const rows = statementsOf(plan, unmet_stores);
      const bases_kept = counted.length === 0 || (await keepBases(client, rows, counted));
      await commit([
        ...(counted.length === 0 ? rows : []),
        ...(dead_ids.length > 0 ? [deleteDead(dead_ids)] : []),
        moveProgress(partition, {
          applied_seq: plan.applied_seq,
          applied_entry_id: laterEntry(progress.applied_entry_id, entry_id),
          behind_ms: behind(progress, more.all_read_at),
        }),
      ]);
      for (const store_id of unmet_stores) met_stores.add(store_id);
      return {
        gaps: plan.gaps,
        applied_seq: plan.applied_seq,
        applied: fresh.length,
        duplicates: events.length - fresh.length - refused.size,
        external: plan.movements.filter(({ kind }) => kind === "EXTERNAL").length,
        uncounted: bases_kept ? [] : counted,
        rewound_seqs: plan.late_seqs.filter((seq) => !missed.has(seq)),
        refused,
      };
    });
  }

  /** Writes an entry down as dead, and the recording goes on behind it. */
  function bury(dead: Burial): Promise<void> {
    return inTransaction(client, partition, async (progress, commit) => {
      // Only the next one in order: a dead entry must not hide a gap before it. An outdated one has no
      // place in the order any more.
      const next_seq = dead.outdated ? null : progress.applied_seq + 1;
      await commit([
        insertDead(partition, dead),
        moveProgress(partition, {
          applied_seq: next_seq !== null && dead.seq === next_seq ? next_seq : progress.applied_seq,
          applied_entry_id: laterEntry(progress.applied_entry_id, dead.entry_id),
          behind_ms: null,
        }),
        ...(dead.outdated ? [noteRefused(partition)] : []),
      ]);
    });
  }

  /**
   * Says that it is alive, when there was nothing to record.
   * @param all_read_at as in `apply`
   */
  async function stayInTouch(all_read_at: number | null): Promise<void> {
    if (all_read_at === null) await client.query("select 1");
    else {
      await inTransaction(client, partition, (progress, commit) =>
        commit([moveCaughtUp(partition, behind(progress, all_read_at))]),
      );
    }
  }

  return {
    /** How far the partition was recorded when this began. */
    applied_seq,
    apply,
    bury,
    stayInTouch,
    /** The dead letters that are to be tried again, oldest first. */
    readRequested: (count: number) => readRequested(client, partition, count),
    /** Keeps a letter that was tried again in vain. */
    keepDead: async ({ dead_id }: DeadLetter, error: string) => {
      await client.query(keepDead(dead_id, error));
    },
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

type Progress = {
  applied_seq: number;
  applied_entry_id: string;
  forgotten_id: string;
  /** Of the newest admission. */
  generation: number;
  /** By `monotonicNow`, and a little after Postgres's now(). */
  locked_at: number;
};

// How long before Postgres's now() something was, in ms: rather too long than too short.
const behind = ({ locked_at }: Progress, at: number | null | undefined): number | null =>
  at == null ? null : locked_at - at;

// What is sent together costs one round trip: 3 for a batch instead of 11 save 1 ms of CPU. Two things
// are not left to luck. Writes wait for the answer to `begin`, or they might be there without the rest;
// a lock would not. And `commit` is given whole statements, so that nothing can fail between two of them
// but in Postgres, which then takes the commit behind them for a rollback.
async function inTransaction<T>(
  client: Connection,
  partition: number,
  work: (progress: Progress, commit: (statements: Statement[]) => Promise<unknown>) => Promise<T>,
): Promise<T> {
  const send = (statement: Statement | string) => client.query(statement);
  try {
    const [, progress] = await answers([send("begin"), lockProgress(client, partition)]);
    return await work(progress, (statements) => answers([...statements, "commit"].map(send)));
  } catch (error) {
    await client.query("rollback").catch(() => {}); // a lost connection has rolled back by itself
    throw error;
  }
}

async function makeProgress(client: Connection, partition: number): Promise<void> {
  await client.query(
    `insert into recorder_progress (partition, applied_seq, applied_entry_id) values ($1, 0, '0-0')
     on conflict (partition) do nothing`,
    [partition],
  );
}

async function lockProgress(client: Connection, partition: number): Promise<Progress> {
  const { rows } = await client.query<Omit<Progress, "locked_at">>({
    name: "lock_progress",
    text: `select applied_seq, applied_entry_id, forgotten_id, generation from recorder_progress
           where partition = $1 for update`,
    values: [partition],
  });
  const [progress] = rows;
  if (!progress) throw new Error(`The row of partition ${partition} in recorder_progress is gone.`);
  return { ...progress, locked_at: monotonicNow() };
}

function moveProgress(
  partition: number,
  to: Pick<Progress, "applied_seq" | "applied_entry_id"> & { behind_ms: number | null },
): Statement {
  return {
    name: "move_progress",
    text: `update recorder_progress set applied_seq = $2, applied_entry_id = $3, updated_at = now(),
             caught_up_at = coalesce(now() - make_interval(secs => $4::float8 / 1000), caught_up_at)
           where partition = $1`,
    values: [partition, to.applied_seq, to.applied_entry_id, to.behind_ms],
  };
}

const noteRefused = (partition: number): Statement => ({
  text: "update recorder_progress set refused = true where partition = $1",
  values: [partition],
});

const moveCaughtUp = (partition: number, behind_ms: number | null): Statement => ({
  name: "move_caught_up",
  text: `update recorder_progress set caught_up_at = now() - make_interval(secs => $2::float8 / 1000)
         where partition = $1`,
  values: [partition, behind_ms],
});
