import type { Doer } from "../domain/deed.ts";
import { type HoldPayload, type InventoryEvent, isHoldEvent } from "../domain/event.ts";
import { MalformedEvent, parseEvent } from "../domain/parse-event.ts";
import { keepDeed } from "./audit-log.ts";
import type { Connection, Pool, Statement } from "./client.ts";
import type { Transaction } from "./transaction.ts";

// Entries that could not be recorded. They lie in `dead_events` until somebody asks for them to be tried
// again, which the active recorder then does (worker/replayer.ts): nobody else may write the ledger.

const WRITTEN_DOWN_MAX = 1_000;

export type DeadLetter = {
  /** Counts the letters: newer ones have higher ones. */
  dead_id: number;
  /** The id of the stream's entry. */
  message_id: string;
  /** Null when the entry has none that can be read. */
  seq: number | null;
  /** The entry as it was read. */
  fields: Record<string, string>;
  error: string;
  attempts: number;
  failed_at: number;
  /** Null unless somebody has asked for it to be tried again. */
  replay_requested_at: number | null;
  /** Redis knows nothing of it any more, so it must never be recorded. */
  outdated: boolean;
};

type Row = Omit<DeadLetter, "failed_at" | "replay_requested_at"> & {
  failed_at: Date;
  replay_requested_at: Date | null;
};
const COLUMNS =
  "dead_id, entry_id as message_id, seq, fields, error, attempts, failed_at, replay_requested_at, outdated";

/** Dead letters, newest first. @param page.before only those with a lower dead_id */
export async function listDead(
  pool: Pool,
  { limit, before = Number.MAX_SAFE_INTEGER }: { limit: number; before?: number | undefined },
): Promise<DeadLetter[]> {
  const { rows } = await pool.query<Row>({
    name: "list_dead",
    text: `select ${COLUMNS} from dead_events where dead_id < $1 order by dead_id desc limit $2`,
    values: [before, limit],
  });
  return rows.map(letterOf);
}

/**
 * Asks for dead letters to be tried again, soon and once. Asking twice before that is asking once. Whose wish
 * it was is written down when any is new; of very many only the first.
 * @param client may be in a transaction; nothing is tried before it is committed
 * @param message_ids null for all there are
 * @returns the ids of those that will be tried, oldest first, and those that name no dead letter
 */
export async function requestReplay(
  client: Transaction,
  message_ids: string[] | null,
  by: Doer,
): Promise<{ requested: string[]; unknown: string[] }> {
  // Locked in order, so that two that ask for the same letters wait for each other and never crosswise.
  const { rows } = await client.query<{ message_id: string; is_first: boolean }>({
    name: "request_replay",
    text: `with wanted as materialized (
             select dead_id from dead_events where $1::text[] is null or entry_id = any($1)
             order by dead_id for update
           ), requested as (
             update dead_events set replay_requested_at = coalesce(replay_requested_at, now())
             from wanted where dead_events.dead_id = wanted.dead_id
             returning dead_events.dead_id, entry_id, replay_requested_at = now() as is_first
           )
           select entry_id as message_id, is_first from requested order by dead_id`,
    values: [message_ids],
  });
  const newly = rows.filter(({ is_first }) => is_first).map(({ message_id }) => message_id);
  const [subject] = newly;
  if (subject !== undefined) {
    const after = { message_ids: newly.slice(0, WRITTEN_DOWN_MAX), count: newly.length };
    await keepDeed(client, by, { what: "REPLAY_REQUESTED", subject, before: null, after });
  }
  const requested = rows.map(({ message_id }) => message_id);
  const known = new Set(requested);
  const asked = [...new Set(message_ids)];
  return { requested, unknown: asked.filter((id) => !known.has(id)) };
}

/**
 * The letters that are to be tried again, oldest first. Not those somebody is asking for at this moment: the
 * recorder would wait for a stranger's transaction.
 */
export async function readRequested(
  client: Connection,
  partition: number,
  count: number,
): Promise<DeadLetter[]> {
  const { rows } = await client.query<Row>({
    name: "read_requested",
    text: `select ${COLUMNS} from dead_events
           where partition = $1 and replay_requested_at is not null order by dead_id limit $2
           for update skip locked`,
    values: [partition, count],
  });
  return rows.map(letterOf);
}

/**
 * The letters of events that are recorded after all, be it that they came again in another entry. A letter
 * says that its event is missing, so it must not stay when that is no longer true.
 */
export async function deadOf(
  client: Connection,
  partition: number,
  events: InventoryEvent[],
  late_seqs: number[],
): Promise<number[]> {
  if (late_seqs.length === 0) return [];
  const { rows } = await client.query<Pick<Row, "dead_id" | "fields">>({
    text: "select dead_id, fields from dead_events where partition = $1 and seq = any($2::bigint[])",
    values: [partition, late_seqs],
  });
  const event_ids = new Set(events.map(({ event_id }) => event_id));
  return rows.flatMap(({ dead_id, fields: { event_id = "" } }) =>
    event_ids.has(String(event_id).toLowerCase()) ? [dead_id] : [],
  );
}

/** Why an entry is dead, after how many attempts. `seq` is null when it has none that can be read. */
export type Burial = {
  entry_id: string;
  fields: Record<string, string>;
  error: string;
  attempts: number;
  seq: number | null;
  /** Redis was admitted without it since. */
  outdated?: boolean;
};

/** Writes an entry down as dead. One that was dead before stays one letter. */
export function insertDead(partition: number, dead: Burial): Statement {
  const { entry_id, seq, fields, error, attempts, outdated = false } = dead;
  return {
    text: `insert into dead_events (partition, entry_id, seq, fields, error, attempts, outdated)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (partition, entry_id) do update
           set attempts = dead_events.attempts + excluded.attempts, error = excluded.error,
             failed_at = now()`,
    values: [partition, entry_id, seq, JSON.stringify(fields), error, attempts, outdated],
  };
}

/** Keeps a letter that was tried again and failed. It is not tried once more before somebody asks. */
export function keepDead(dead_id: number, error: string): Statement {
  return {
    text: `update dead_events
           set attempts = attempts + 1, error = $2, failed_at = now(), replay_requested_at = null
           where dead_id = $1`,
    values: [dead_id, error],
  };
}

/** Takes letters out whose events are recorded. */
export const deleteDead = (dead_ids: number[]): Statement => ({
  text: "delete from dead_events where dead_id = any($1::bigint[])",
  values: [dead_ids],
});

const letterOf = ({ failed_at, replay_requested_at, ...row }: Row): DeadLetter => ({
  ...row,
  failed_at: failed_at.getTime(),
  replay_requested_at: replay_requested_at?.getTime() ?? null,
});

/** What an entry says of a hold; null when it is about none, or nobody can tell. */
export function holdIn(fields: Record<string, string>): HoldPayload | null {
  try {
    const event = parseEvent(fields);
    return isHoldEvent(event) ? event.payload : null;
  } catch (error) {
    if (error instanceof MalformedEvent) return null; // that is why it is dead
    throw error;
  }
}
