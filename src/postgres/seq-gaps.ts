import type { SeqRange } from "../domain/batch-plan.ts";
import type { Connection } from "./client.ts";

export async function insertGaps(client: Connection, partition: number, gaps: SeqRange[]) {
  for (const { first, last } of gaps) {
    await client.query(
      `insert into seq_gaps (partition, seqs, still_missing)
       values ($1, int8range($2, $3, '[]'), int8multirange(int8range($2, $3, '[]')))`,
      [partition, first, last],
    );
  }
}

/** Takes seqs that came late out of their gaps. */
export async function closeGaps(client: Connection, partition: number, late_seqs: number[]) {
  if (late_seqs.length === 0) return;
  await client.query(
    `update seq_gaps set still_missing = still_missing - arrived.seqs
     from (select range_agg(int8range(seq, seq, '[]')) as seqs from unnest($2::bigint[]) as seq) as arrived
     where partition = $1 and still_missing && arrived.seqs`,
    [partition, late_seqs],
  );
}

/** Which of these seqs were passed without their event being applied: they are missing, or were dead. */
export async function missedSeqs(
  client: Connection,
  partition: number,
  seqs: number[],
): Promise<Set<number>> {
  if (seqs.length === 0) return new Set();
  const { rows } = await client.query<{ seq: number }>(
    `select seq from unnest($2::bigint[]) as late (seq)
     where exists (select from seq_gaps where partition = $1 and still_missing @> late.seq)
       or exists (select from dead_events where partition = $1 and dead_events.seq = late.seq)`,
    [partition, seqs],
  );
  return new Set(rows.map(({ seq }) => seq));
}
