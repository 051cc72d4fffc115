import { setTimeout as sleep } from "node:timers/promises";
import { SpanKind } from "@opentelemetry/api";
import { compareEntryIds } from "../src/domain/entry-id.ts";
import type { InventoryEvent } from "../src/domain/event.ts";
import { MalformedEvent, parseEvent } from "../src/domain/parse-event.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import { isRefusal } from "../src/postgres/client.ts";
import type { Applied, Recording } from "../src/postgres/recording.ts";
import type { Consumer, Entry } from "../src/redis/consumer.ts";
import { inSpan } from "../src/tracing.ts";
import type { Agent } from "./loop.ts";
import {
  recorderActive,
  recorderBatchSeconds,
  recorderEvents,
  recorderExternal,
  seqGaps,
  seqRewinds,
} from "./metrics.ts";
import { createReplayer } from "./replayer.ts";

const BATCH_MAX = 1_000;
/**
 * While fewer come than fill a batch, one begins at most so often: a transaction costs as much CPU as 35
 * events more in it would, and the sale needs it. So an event is recorded a little later than it could be.
 */
const BATCH_EVERY_MS = 20;
/** Also how long a stop may have to wait for the blocking read. */
export const BLOCK_MS = 1_000;
/** How often a standby looks whether the active recorder is gone. */
const STANDBY_MS = 1_000;
const OUTDATED = "It is of an older generation: Redis was admitted without it since.";

type LiveEntry = Entry & { fields: Record<string, string> };
// What customers have by then is kept, so no later event may be recorded with it. The words are the script's.
const beginsCounting = ({ fields }: LiveEntry) =>
  fields.type === "RULES_CHANGED" && fields.payload?.includes('"counting_begins":true') === true;

type Reading<E extends Entry> = {
  entries: E[];
  /** When the stream was asked for them, by `monotonicNow`; null when others may be left. */
  all_read_at: number | null;
};

/**
 * Carries events from the stream to Postgres: own pending entries first, then those of dead workers, then new
 * ones; commit, then XACK. Between batches of new ones it tries dead letters again, if somebody asks for it.
 * Whatever fails, it begins again with its own pending entries, since a lost reply may have left entries
 * there that it never saw.
 *
 * @param openRecording becomes the one that records; null while another is
 */
export function createRecorder({
  consumer,
  openRecording,
  log,
}: {
  consumer: Consumer;
  openRecording: () => Promise<Recording | null>;
  log: Log;
}): Agent & { close: () => Promise<void> } {
  let recording: Recording | null = null;
  let source: "OWN_PENDING" | "CLAIMED" | "NEW" = "OWN_PENDING";
  let claim_cursor = "0-0";
  let applied_seq = 0;
  let next_batch_at = 0;
  const replayer = createReplayer({ onApplied: noteApplied, log });

  async function runOnce(): Promise<number> {
    if (!recording) {
      recording = await openRecording();
      recorderActive.set(recording ? 1 : 0);
      if (!recording) return 0;
      log.info("recording");
      applied_seq = recording.applied_seq;
      startOver();
    }
    try {
      const { entries, all_read_at } = await nextEntries();
      if (entries.length === 0) await recording.stayInTouch(all_read_at);
      else await record(recording, entries, 1, all_read_at);
      // What was pending comes first, or letters behind it would seem to have left it out.
      if (source === "NEW") await replayer.replaySome(recording);
      return 1; // never idle: the wait for new entries is in the reading
    } catch (error) {
      startOver();
      await close();
      throw error;
    }
  }

  function startOver() {
    source = "OWN_PENDING";
    claim_cursor = "0-0";
  }

  async function nextEntries(): Promise<Reading<LiveEntry>> {
    if (source === "OWN_PENDING") {
      const entries = await consumer.readOwnPending(BATCH_MAX);
      if (entries.length > 0) return { entries: await dropDeleted(entries), all_read_at: null };
      source = "CLAIMED";
    }
    if (source === "CLAIMED") {
      const entries = await claimSome();
      if (claim_cursor === "0-0") source = "NEW";
      if (entries.length > 0) return { entries, all_read_at: null };
    }
    const { entries: read, all_read_at } = await readNew();
    const entries = await dropDeleted(read);
    // Nothing new, or a gap: entries may be pending at a worker that read them and then lost the lock.
    if (entries.length > 0 && !hasGap(entries)) return { entries, all_read_at };
    return { entries: inOrder([...(await claimAll()), ...entries]), all_read_at };
  }

  async function readNew(): Promise<Reading<Entry>> {
    const early_ms = next_batch_at - monotonicNow();
    if (early_ms > 0) await sleep(early_ms);
    const asked_at = monotonicNow();
    const entries = await consumer.readNew(BATCH_MAX, BLOCK_MS);
    // A full batch says that there are more: a backlog never waits. Nor does the first event after a pause.
    const has_room = entries.length < BATCH_MAX;
    next_batch_at = has_room && entries.length > 0 ? monotonicNow() + BATCH_EVERY_MS : 0;
    return { entries, all_read_at: has_room && source === "NEW" ? asked_at : null };
  }

  async function claimSome(): Promise<LiveEntry[]> {
    // Idle time does not matter: only the one that holds the lock records, so whoever had them does not.
    const claimed = await consumer.claim(claim_cursor, BATCH_MAX);
    claim_cursor = claimed.next_cursor;
    if (claimed.deleted.length > 0) reportDeleted(claimed.deleted);
    return dropDeleted(claimed.entries);
  }

  async function claimAll(): Promise<LiveEntry[]> {
    const all: LiveEntry[] = [];
    do all.push(...(await claimSome()));
    while (claim_cursor !== "0-0");
    return all;
  }

  function hasGap(entries: LiveEntry[]): boolean {
    let seq = applied_seq;
    for (const { fields } of entries) {
      const next = Number(fields.seq);
      if (next !== seq + 1) return true;
      seq = next;
    }
    return false;
  }

  // Applies a batch; when the database refuses it, its halves, until the bad entry is alone.
  async function record(
    to: Recording,
    entries: LiveEntry[],
    attempts: number,
    all_read_at: number | null,
  ): Promise<void> {
    const [first] = entries;
    const last = entries.at(-1);
    if (!first || !last) return;
    const cut = entries.findIndex(beginsCounting) + 1;
    if (cut > 0 && cut < entries.length) {
      await record(to, entries.slice(0, cut), attempts, null);
      await record(to, entries.slice(cut), attempts, all_read_at);
      return;
    }
    const stopTimer = recorderBatchSeconds.startTimer();
    let refused: LiveEntry[];
    try {
      const events = entries.map(({ fields }) => parseEvent(fields));
      const applied = await inSpan("record events", spanOf(events), () =>
        to.apply(events, last.id, { all_read_at }),
      );
      noteApplied(applied);
      stopTimer();
      refused = entries.filter((_, i) => applied.refused.has(events[i]?.event_id ?? ""));
    } catch (error) {
      if (!(error instanceof MalformedEvent) && !isRefusal(error)) throw error;
      if (entries.length === 1) {
        await bury(to, first, attempts, error);
        return;
      }
      const middle = Math.ceil(entries.length / 2);
      await record(to, entries.slice(0, middle), attempts + 1, null);
      await record(to, entries.slice(middle), attempts + 1, all_read_at);
      return;
    }
    for (const entry of refused) await refuse(to, entry, attempts);
    // Sent together, and announced though the acknowledging fails: it is recorded.
    await Promise.all([consumer.announce(applied_seq), consumer.ack(entries.map(({ id }) => id))]);
  }

  function noteApplied(applied: Applied) {
    applied_seq = applied.applied_seq;
    report(applied);
  }

  async function bury(to: Recording, entry: LiveEntry, attempts: number, cause: Error) {
    const { seq, about } = await lay(to, entry, attempts, cause.message, false);
    if (seq === applied_seq + 1) applied_seq = seq;
    recorderEvents.inc({ outcome: "DEAD" });
    log.error(about, "an event is dead");
  }

  // Of a Redis that was left behind, or by a batch that was on its way when Redis had lost it.
  async function refuse(to: Recording, entry: LiveEntry, attempts: number) {
    const { about } = await lay(to, entry, attempts, OUTDATED, true);
    recorderEvents.inc({ outcome: "REFUSED" });
    log.error(about, "an event came too late: Redis was admitted without it");
  }

  async function lay(
    to: Recording,
    entry: LiveEntry,
    attempts: number,
    error: string,
    outdated: boolean,
  ) {
    const { id: entry_id, fields } = entry;
    const seq = /^[1-9][0-9]{0,14}$/.test(fields.seq ?? "") ? Number(fields.seq) : null;
    await to.bury({ entry_id, fields, error, attempts, seq, outdated });
    const failed_at = new Date().toISOString();
    const copied = await consumer.bury(entry, { error, attempts: String(attempts), failed_at });
    return { seq, about: { entry_id, event_id: fields.event_id, error, attempts, copied } };
  }

  function report(told: Applied) {
    const { applied, duplicates, external, gaps, rewound_seqs, applied_seq, uncounted } = told;
    if (uncounted.length > 0) {
      log.error({ skus: uncounted }, "what customers had before the first limit is not counted");
    }
    recorderEvents.inc({ outcome: "APPLIED" }, applied);
    recorderEvents.inc({ outcome: "DUPLICATE" }, duplicates);
    recorderExternal.inc(external);
    if (gaps.length > 0) {
      seqGaps.inc(gaps.length);
      log.error({ gaps }, "events are missing: the sequence has gaps (table seq_gaps)");
    }
    if (rewound_seqs.length > 0) {
      seqRewinds.inc(rewound_seqs.length);
      log.error(
        { count: rewound_seqs.length, first: rewound_seqs[0], applied_seq },
        "new events under seqs that were recorded before: Redis has lost data",
      );
    }
    log.debug({ applied, duplicates, external, applied_seq }, "recorded");
  }

  // An entry that was deleted while it was pending can't be recorded; its seq will be missing.
  async function dropDeleted(entries: Entry[]): Promise<LiveEntry[]> {
    const deleted = entries.filter(({ fields }) => !fields).map(({ id }) => id);
    if (deleted.length > 0) {
      reportDeleted(deleted);
      await consumer.ack(deleted);
    }
    return entries.filter((entry): entry is LiveEntry => entry.fields !== null);
  }

  function reportDeleted(ids: string[]) {
    log.error(
      { count: ids.length, first: ids[0] },
      "entries were deleted before they were recorded",
    );
  }

  async function close() {
    const open = recording;
    recording = null;
    recorderActive.set(0);
    await open?.close().catch(() => {}); // its connection may be what failed
  }

  return { name: "recorder", idle_ms: STANDBY_MS, runOnce, close };
}

// The trace of a request ends here.
const spanOf = (events: InventoryEvent[]) => ({
  kind: SpanKind.CONSUMER,
  attributes: { "messaging.batch.message_count": events.length },
  about: [...new Set(events.flatMap(({ traceparent }) => traceparent ?? []))],
});

// Claiming brings this consumer's own entries once more, hence by id.
function inOrder(entries: LiveEntry[]): LiveEntry[] {
  const distinct = [...new Map(entries.map((entry) => [entry.id, entry])).values()];
  return distinct.sort((a, b) => compareEntryIds(a.id, b.id));
}
