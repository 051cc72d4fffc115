import { type Deed, type Doer, deedOf } from "../domain/deed.ts";
import type { RulesEvent, StockEvent } from "../domain/event.ts";
import type { Pool, Statement } from "./client.ts";
import { type ListPage, pageOf } from "./history-page.ts";
import type { Transaction } from "./transaction.ts";

/** A deed as it was written down. */
export type WrittenDeed = Deed &
  Doer & {
    deed_id: number;
    done_at: number;
    /** Of what Redis decided. */
    event_id: string | null;
  };

/** Where a page of the list begins: behind this deed. */
export type DeedPlace = Pick<WrittenDeed, "done_at" | "deed_id">;

/** Writes down who does what, in the transaction that does it: neither is ever there without the other. */
export async function keepDeed(
  transaction: Transaction,
  { who, request_id }: Doer,
  { what, subject, before, after }: Deed,
): Promise<void> {
  await transaction.query({
    name: "keep_deed",
    text: `insert into audit_log (who, what, subject, request_id, before, after)
           values ($1, $2, $3, $4, $5, $6)`,
    values: [who, what, subject, request_id, jsonOf(before), jsonOf(after)],
  });
}

/** The deeds that events tell of, for the transaction that records them. An event has one row, always. */
export function insertDeeds(events: (StockEvent | RulesEvent)[]): Statement {
  const deeds = events.map(deedOf);
  return {
    name: "insert_deeds",
    text: `insert into audit_log (done_at, who, what, subject, request_id, event_id, before, after)
           select to_timestamp(done_ms / 1000), who, what, subject, request_id, event_id, before, after
           from unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::json[],
               $8::json[])
             as deed (done_ms, who, what, subject, request_id, event_id, before, after)
           on conflict (event_id) do nothing`,
    values: [
      events.map(({ payload }) => payload.occurred_at),
      events.map(({ payload }) => payload.actor),
      deeds.map(({ what }) => what),
      deeds.map(({ subject }) => subject),
      events.map(({ payload }) => payload.request_id),
      events.map(({ event_id }) => event_id),
      deeds.map(({ before }) => jsonOf(before)),
      deeds.map(({ after }) => jsonOf(after)),
    ],
  };
}

/**
 * Newest first.
 * @param list.since in ms: none that were done before
 * @param list.before only those behind this one: the `next` of the page before
 */
export async function listDeeds(
  pool: Pool,
  {
    who,
    what,
    since = 0,
    limit,
    before = FIRST_PLACE,
  }: {
    who?: string | undefined;
    what?: Deed["what"] | undefined;
    since?: number | undefined;
    limit: number;
    before?: DeedPlace | undefined;
  },
): Promise<ListPage<WrittenDeed, DeedPlace>> {
  const values: unknown[] = [since, before.done_at, before.deed_id, limit + 1];
  const only = (column: string, value: string | undefined) =>
    value === undefined ? "" : `and ${column} = $${values.push(value)}`;
  // Not prepared: which index is best depends on who and what.
  const { rows } = await pool.query<WrittenDeed & { done_at: Date }>({
    text: `select deed_id, done_at, who, what, subject, request_id, event_id, before, after
           from audit_log
           where done_at >= to_timestamp($1::float8 / 1000)
             and (done_at, deed_id) < (to_timestamp($2::float8 / 1000), $3::bigint)
             ${only("who", who)} ${only("what", what)}
           order by done_at desc, deed_id desc limit $4`,
    values,
  });
  const deeds = rows.map((row) => ({ ...row, done_at: row.done_at.getTime() }));
  return pageOf(deeds, limit, ({ done_at, deed_id }) => ({ done_at, deed_id }));
}

/** Deletes the oldest from before `before_ms`, at most `count`. Returns how many. */
export async function forgetDeeds(pool: Pool, before_ms: number, count: number): Promise<number> {
  const { rowCount } = await pool.query({
    name: "forget_deeds",
    text: `delete from audit_log where deed_id = any(array(
             select deed_id from audit_log where done_at < to_timestamp($1::float8 / 1000)
             order by done_at, deed_id limit $2
           ))`,
    values: [before_ms, count],
  });
  return rowCount ?? 0;
}

/** Newer than any: JavaScript's last moment. */
const FIRST_PLACE: DeedPlace = { done_at: 8.64e15, deed_id: 0 };

const jsonOf = (value: object | null) => value && JSON.stringify(value);
