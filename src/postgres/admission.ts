import type { SeqRange } from "../domain/batch-plan.ts";
import type { HoldPayload } from "../domain/event.ts";
import { type AdmissionState, type Judgement, judge, type Sides } from "../domain/recovery.ts";
import { within } from "../within.ts";
import { type Connection, connect, type Pool } from "./client.ts";
import { holdIn } from "./dead-letters.ts";
import {
  askApproval,
  finishRecovery,
  firstReport,
  isApproved,
  type LastReport,
  writeRecovery,
} from "./recovery.ts";
import { createRestorable } from "./restorable.ts";

/** First half of the advisory lock that whoever admits Redis holds per partition. */
const ADMISSION_LOCK = 4_063_254;
/** One that hangs loses its session after this, and another begins anew. */
const SILENCE_MS_MAX = 8_000;
const CLOSE_MS_MAX = 2_000;

const SETTINGS = {
  idle_session_timeout: SILENCE_MS_MAX,
  // What is given back is read in chunks, by index: never by a plan that is made for all of it.
  enable_seqscan: "off",
  jit: "off",
};

/** What is known of Redis, apart from the ledger. */
export type SeenRedis = {
  redis_seq: number;
  /** The highest generation that it knew of before this admission. */
  generation: number;
  /** What those who listened to it know of what it had decided. */
  heard: { seq: number; generation: number; all: boolean };
};

/** What the ledger makes of an admission. */
export type Raised = Judgement & { generation: number; applied_entry_id: string };

export type LedgerSide = NonNullable<Awaited<ReturnType<typeof openAdmission>>>;

/** The generation of the newest admission, and what whoever admits is doing. */
export async function readAdmission(
  pool: Pool,
  partition: number,
): Promise<{ generation: number; state: AdmissionState }> {
  const { rows } = await pool.query<{ generation: number; state: AdmissionState }>({
    name: "read_admission",
    text: `select generation, coalesce(state, 'OPEN') as state
           from recorder_progress left join admissions using (partition) where partition = $1`,
    values: [partition],
  });
  return rows[0] ?? { generation: 0, state: "OPEN" };
}

/**
 * Becomes the one that admits Redis; null while another is. The lock belongs to the connection through which
 * all of this reads and writes, so whoever has lost it does neither.
 */
export async function openAdmission(databaseUrl: string, partition: number) {
  const client = await connect(databaseUrl, {}, SETTINGS);
  let mine = false;
  try {
    const { rows } = await client.query<{ mine: boolean }>(
      "select pg_try_advisory_lock($1, $2) as mine",
      [ADMISSION_LOCK, partition],
    );
    mine = rows[0]?.mine ?? false;
  } finally {
    if (!mine) await client.end();
  }
  if (!mine) return null;

  /** Compares both sides as they are now, without writing anything, and says which generation comes next. */
  async function compare(redis: SeenRedis): Promise<Sides & { next_generation: number }> {
    const { rows } = await client.query<Progress>(
      `select ${PROGRESS} from recorder_progress where partition = $1`,
      [partition],
    );
    const progress = rows[0] ?? NOTHING_RECORDED;
    const next_generation = Math.max(progress.generation, redis.generation) + 1;
    return { ...sidesOf(progress, redis), next_generation };
  }

  /** Tells those who look what is being done. */
  async function setState(state: AdmissionState): Promise<void> {
    await client.query(
      `insert into admissions (partition, state) values ($1, $2)
       on conflict (partition) do update
       set state = excluded.state, since = clock_timestamp() where admissions.state <> excluded.state`,
      [partition, state],
    );
  }

  /**
   * Raises the generation, so that no event of an older one is recorded from here on, and compares both sides
   * as they are at that moment. The sequence is moved past what was lost, and what was lost is written down:
   * all at once, behind the lock that every recording transaction takes.
   * @param generation the next one: only who holds the lock raises it
   */
  async function raise(redis: SeenRedis, generation: number): Promise<Raised> {
    await client.query("begin");
    try {
      const progress = await lockProgress(client, partition);
      const { applied_entry_id } = progress;
      const sides = sidesOf(progress, redis);
      const judgement = judge(sides);
      await client.query(
        `update recorder_progress
         set generation = $2, applied_seq = $3, seen_seq = $4, updated_at = now() where partition = $1`,
        [partition, generation, judgement.seq, sides.seen_seq],
      );
      const dead =
        judgement.rebuild === "NO" ? [] : await outdateDead(client, partition, judgement, redis);
      const recovery_id = await writeRecovery(
        client,
        partition,
        { ...judgement, generation },
        firstReport(sides, judgement.lost, dead),
      );
      if (judgement.lost) await insertLost(client, partition, judgement.lost, recovery_id);
      await client.query("commit");
      return { ...judgement, generation, applied_entry_id };
    } catch (error) {
      await client.query("rollback").catch(() => {}); // a lost connection has rolled back by itself
      throw error;
    }
  }

  /** Says that Redis is open, and ends the recovery if there is one. Returns it. */
  async function finish(last: LastReport | null) {
    const recovery = await finishRecovery(client, partition, last);
    await client.query(
      "update recorder_progress set refused = false where partition = $1 and refused",
      [partition],
    );
    await setState("OPEN");
    return recovery;
  }

  return {
    compare,
    setState,
    /** Whether an operator has agreed to what was found, which this asks for. */
    askApproval: (sides: Sides) => askApproval(client, partition, sides),
    isApproved: () => isApproved(client, partition),
    raise,
    finish,
    /** A session that is silent for long is ended. */
    stayInTouch: async () => {
      await client.query("select 1");
    },
    restorable: createRestorable(client),
    /** Waits no longer than it must: the other side of a dead connection never says goodbye. */
    close: () => within(CLOSE_MS_MAX, client.end()),
  };
}

type Progress = {
  generation: number;
  applied_seq: number;
  applied_entry_id: string;
  seen_seq: number;
  refused: boolean;
  /** A recovery is not finished that found a former master: half of it may be given back. */
  diverged: boolean;
};
const PROGRESS = `generation, applied_seq, applied_entry_id, seen_seq, refused,
  exists (
    select from recoveries
    where recoveries.partition = $1 and finished_at is null and recoveries.generation is not null
      and finding = 'DIVERGED'
  ) as diverged`;
const NOTHING_RECORDED: Progress = {
  ...{ generation: 0, applied_seq: 0, applied_entry_id: "0-0", seen_seq: 0 },
  ...{ refused: false, diverged: false },
};

function sidesOf(progress: Progress, { redis_seq, generation, heard }: SeenRedis): Sides {
  const { applied_seq, refused } = progress;
  // What was heard of a Redis that was left behind since says nothing of this one.
  const heard_here = heard.generation >= progress.generation ? heard.seq : 0;
  return {
    diverged:
      progress.diverged ||
      (generation < progress.generation && (refused || redis_seq > applied_seq)),
    redis_seq,
    applied_seq,
    seen_seq: Math.max(progress.seen_seq, heard_here, applied_seq),
    heard_all: heard.all,
  };
}

async function lockProgress(client: Connection, partition: number): Promise<Progress> {
  await client.query(
    `insert into recorder_progress (partition, applied_seq, applied_entry_id) values ($1, 0, '0-0')
     on conflict (partition) do nothing`,
    [partition],
  );
  const { rows } = await client.query<Progress>(
    `select ${PROGRESS} from recorder_progress where partition = $1 for update`,
    [partition],
  );
  const [progress] = rows;
  if (!progress) throw new Error(`The row of partition ${partition} in recorder_progress is gone.`);
  return progress;
}

// Dead letters of events that Redis has lost: recorded now, the ledger would have what Redis has not. Returns
// the holds that are lost with them.
async function outdateDead(
  client: Connection,
  partition: number,
  { rebuild }: Judgement,
  { redis_seq }: SeenRedis,
): Promise<HoldPayload[]> {
  const { rows } = await client.query<{ fields: Record<string, string> }>(
    `update dead_events set outdated = true where partition = $1 and seq > $2 and not outdated
     returning fields`,
    [partition, rebuild === "FORCED" ? 0 : redis_seq],
  );
  const lost = rows.flatMap(({ fields }) => holdIn(fields) ?? []);
  const holds = new Map(lost.map((hold) => [hold.hold_id, hold]));
  const { rows: known } = await client.query<{ hold_id: string }>(
    "select hold_id from holds where hold_id = any($1::text[])",
    [[...holds.keys()]],
  );
  for (const { hold_id } of known) holds.delete(hold_id);
  return [...holds.values()];
}

async function insertLost(
  client: Connection,
  partition: number,
  { first, last }: SeqRange,
  recovery_id: number | null,
): Promise<void> {
  await client.query(
    `insert into seq_gaps (partition, seqs, still_missing, recovery_id)
     values ($1, int8range($2, $3, '[]'), int8multirange(int8range($2, $3, '[]')), $4)`,
    [partition, first, last, recovery_id],
  );
}
