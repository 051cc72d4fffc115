import { firstEventIdAt, type InventoryEvent } from "../domain/event.ts";
import type { Connection, Pool } from "./client.ts";
import { missedSeqs } from "./seq-gaps.ts";

// processed_events tells duplicates, and each row of it would be kept for ever. So old ones are deleted, and
// `forgotten_id` tells duplicates in their place: an event that is as old, and whose seq was passed without
// its being missed, was applied.

/**
 * Deletes the oldest rows of processed_events, at most `count`, of events from before `before_ms`. Returns
 * how many. Ids are made by the clocks of several machines, `occurred_at` by that of Redis: both must be old.
 */
export async function forgetEvents(
  pool: Pool,
  partition: number,
  before_ms: number,
  count: number,
): Promise<number> {
  // Before the rows are gone. A batch at work has locked this row, so it still finds all that it knows.
  const { rows } = await pool.query<{ event_id: string }>(
    `update recorder_progress set forgotten_id = greatest(forgotten_id, last.event_id)
     from (
       select event_id from (
         select event_id from processed_events
         where partition = $1 and event_id < $2 and occurred_at < to_timestamp($3::float8 / 1000)
         order by event_id limit $4
       ) as oldest
       order by event_id desc limit 1
     ) as last
     where partition = $1
     returning last.event_id`,
    [partition, firstEventIdAt(before_ms), before_ms, count],
  );
  const [last] = rows;
  if (!last) return 0;
  const { rows: deleted } = await pool.query<{ count: number }>(
    `with gone as (
       delete from processed_events
       where partition = $1 and event_id <= $2 and occurred_at < to_timestamp($3::float8 / 1000)
       returning recorded_id
     ), unmoved as (
       delete from unmoved_stocks where recorded_id = any(array(select recorded_id from gone))
     )
     select count(*)::integer as count from gone`,
    [partition, last.event_id, before_ms],
  );
  return deleted[0]?.count ?? 0;
}

/** Leaves out events that were applied so long ago that their rows are gone. */
export async function withoutForgotten(
  client: Connection,
  partition: number,
  events: InventoryEvent[],
  { applied_seq, forgotten_id }: { applied_seq: number; forgotten_id: string },
): Promise<InventoryEvent[]> {
  const isOld = ({ seq, event_id }: InventoryEvent) =>
    seq <= applied_seq && event_id <= forgotten_id;
  const old_seqs = events.filter(isOld).map(({ seq }) => seq);
  if (old_seqs.length === 0) return events;
  const missed = await missedSeqs(client, partition, old_seqs);
  return events.filter((event) => !isOld(event) || missed.has(event.seq));
}
