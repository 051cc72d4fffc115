import type { SeqRange } from "../domain/batch-plan.ts";
import type { Doer } from "../domain/deed.ts";
import type { HoldPayload } from "../domain/event.ts";
import {
  type AdmissionState,
  type Finding,
  type Judgement,
  judge,
  type RecoveryReport,
  type Sides,
} from "../domain/recovery.ts";
import { keepDeed } from "./audit-log.ts";
import type { Pool } from "./client.ts";
import type { Transaction } from "./transaction.ts";

// Table `recoveries`: what an admission of Redis found, lost and gave back, when that was more than nothing.
// One is open at most. Whoever begins again after a crash goes on with it.

/** Lost holds that a report names. */
const HOLDS_NAMED_MAX = 1_000;

/** What is known before anything is given back. */
export type FirstReport = Omit<RecoveryReport, "restored" | "checked" | "ms">;
/** What is known at the end. */
export type LastReport = Pick<RecoveryReport, "restored" | "checked" | "ms">;

export type Recovery = {
  recovery_id: number;
  generation: number | null;
  finding: Finding;
  /** Its end is missing until it is finished, and for good when it was ended by another worker. */
  report: FirstReport & Partial<LastReport>;
  began_at: number;
  approved_at: number | null;
  finished_at: number | null;
};

/** @param holds of which is known that they are lost */
export function firstReport(
  sides: Sides,
  lost: SeqRange | null,
  holds: HoldPayload[],
): FirstReport {
  const lines = holds.flatMap((hold) => (hold.status === "ACTIVE" ? hold.lines : []));
  return {
    ...sides,
    events_lost: lost ? lost.last - lost.first + 1 : 0,
    holds_lost: holds.map(({ hold_id }) => hold_id).slice(0, HOLDS_NAMED_MAX),
    units_lost: lines.reduce((sum, { quantity }) => sum + quantity, 0),
  };
}

/**
 * Whether an operator has agreed to what was found. Asks for it, unless that was done. A finding that is
 * another one than before needs to be agreed to anew.
 */
export async function askApproval(
  db: Transaction,
  partition: number,
  sides: Sides,
): Promise<boolean> {
  const { finding, lost } = judge(sides);
  const { rows } = await db.query<{ approved: boolean }>(
    `insert into recoveries (partition, finding, redis_seq, report) values ($1, $2, $3, $4)
     on conflict (partition) where finished_at is null do update
     set finding = excluded.finding, redis_seq = excluded.redis_seq,
       report = case when recoveries.generation is null then excluded.report else recoveries.report end,
       approved_at = case when (recoveries.finding, recoveries.redis_seq)
         = (excluded.finding, excluded.redis_seq) then recoveries.approved_at end
     returning approved_at is not null as approved`,
    [partition, finding, sides.redis_seq, JSON.stringify(firstReport(sides, lost, []))],
  );
  return rows[0]?.approved ?? false;
}

/** Whether the open recovery is approved. */
export async function isApproved(db: Transaction, partition: number): Promise<boolean> {
  const { rowCount } = await db.query(
    `select from recoveries
     where partition = $1 and finished_at is null and approved_at is not null`,
    [partition],
  );
  return rowCount === 1;
}

/**
 * Writes down what was found, when the generation is raised. What the same recovery had lost before a crash
 * stays counted.
 * @returns null when Redis is intact and no recovery is open: there is nothing to write down
 */
export async function writeRecovery(
  db: Transaction,
  partition: number,
  { generation, finding }: Pick<Judgement, "finding"> & { generation: number },
  report: FirstReport,
): Promise<number | null> {
  const { rows } = await db.query<Pick<Recovery, "recovery_id" | "generation" | "report">>(
    `select recovery_id, generation, report from recoveries
     where partition = $1 and finished_at is null for update`,
    [partition],
  );
  const [open] = rows;
  if (!open && finding === "INTACT") return null;
  if (!open) {
    const { rows: made } = await db.query<{ recovery_id: number }>(
      `insert into recoveries (partition, generation, finding, redis_seq, events_lost, report)
       values ($1, $2, $3, $4, $5, $6) returning recovery_id`,
      [
        ...[partition, generation, finding, report.redis_seq, report.events_lost],
        JSON.stringify(report),
      ],
    );
    return made[0]?.recovery_id ?? null;
  }
  // Without a generation it only waited for an approval so far, and then somebody may have mended Redis.
  const is_first = open.generation === null;
  const both = is_first ? report : merged(open.report, report);
  await db.query(
    `update recoveries set generation = $2, finding = coalesce($3, finding), events_lost = $4, report = $5
     where recovery_id = $1`,
    [
      ...[open.recovery_id, generation, is_first ? finding : null, both.events_lost],
      JSON.stringify(both),
    ],
  );
  return open.recovery_id;
}

function merged(first: FirstReport, more: FirstReport): FirstReport {
  return {
    ...first,
    redis_seq: Math.min(first.redis_seq, more.redis_seq),
    seen_seq: Math.max(first.seen_seq, more.seen_seq),
    heard_all: first.heard_all && more.heard_all,
    events_lost: first.events_lost + more.events_lost,
    holds_lost: [...first.holds_lost, ...more.holds_lost].slice(0, HOLDS_NAMED_MAX),
    units_lost: first.units_lost + more.units_lost,
  };
}

/** Ends the recovery that is open, if one is. */
export async function finishRecovery(
  db: Transaction,
  partition: number,
  last: LastReport | null,
): Promise<Pick<Recovery, "finding" | "report"> | null> {
  const { rows } = await db.query<Pick<Recovery, "finding" | "report">>(
    `update recoveries
     set finished_at = clock_timestamp(), report = (report::jsonb || coalesce($2::jsonb, '{}'))::json
     where partition = $1 and finished_at is null
     returning finding, report`,
    [partition, last && JSON.stringify(last)],
  );
  return rows[0] ?? null;
}

/** How Redis's admission stands, and the newest recovery, if there ever was one. */
export type RecoveryStatus = {
  state: AdmissionState;
  /** Null when no worker has looked after Redis yet. */
  since: number | null;
  generation: number;
  recovery: Recovery | null;
};

export async function readRecovery(db: Pool | Transaction, partition = 0): Promise<RecoveryStatus> {
  const { rows } = await db.query<Omit<RecoveryStatus, "recovery">>(
    `select coalesce(state, 'OPEN') as state, ${inMs("since")}, coalesce(generation, 0) as generation
     from (values ($1::smallint)) as asked (partition)
     left join admissions using (partition)
     left join recorder_progress using (partition)`,
    [partition],
  );
  const { rows: recoveries } = await db.query<Recovery>(
    `select recovery_id, generation, finding, report, ${inMs("began_at")}, ${inMs("approved_at")},
       ${inMs("finished_at")}
     from recoveries where partition = $1 order by recovery_id desc limit 1`,
    [partition],
  );
  const { state = "OPEN", since = null, generation = 0 } = rows[0] ?? {};
  return { state, since, generation, recovery: recoveries[0] ?? null };
}

/** Lets a recovery go on that waits for it. Approving again changes nothing. Null when there is none. */
export async function approveRecovery(
  db: Transaction,
  by: Doer,
  partition = 0,
): Promise<{ finding: Finding; approved_at: number } | null> {
  const { rows } = await db.query<{
    recovery_id: number;
    finding: Finding;
    approved_at: number;
    is_first: boolean;
  }>(
    `update recoveries set approved_at = coalesce(approved_at, now())
     where partition = $1 and finished_at is null
     returning recovery_id, finding, ${inMs("approved_at")}, approved_at = now() as is_first`,
    [partition],
  );
  const [approved] = rows;
  if (!approved) return null;
  const { recovery_id, finding, approved_at, is_first } = approved;
  const after = { finding, approved_at };
  const deed = { what: "RECOVERY_APPROVED", subject: String(recovery_id), before: null } as const;
  if (is_first) await keepDeed(db, by, { ...deed, after });
  return after;
}

const inMs = (column: string) => `floor(extract(epoch from ${column}) * 1000)::bigint as ${column}`;
