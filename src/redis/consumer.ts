import type { Redis } from "ioredis";
import { GROUP, type Keys } from "./keys.ts";
import { isReply } from "./outcome.ts";

/** An entry as it stands in the stream; `fields` is null when it was deleted while it was pending. */
export type Entry = { id: string; fields: Record<string, string> | null };
/** About so many dead letters have a copy in Redis, the newest; `dead_events` has them all. */
const DEAD_KEPT = 10_000;

export type Consumer = ReturnType<typeof createConsumer>;

/**
 * One consumer of the group that records.
 * @param blocking a connection that is used for nothing but the blocking read
 * @param name stable: after a restart it finds what it had not acknowledged
 */
export function createConsumer(redis: Redis, blocking: Redis, keys: Keys, name: string) {
  /** Makes the group, from the stream's beginning, unless it is there. */
  async function ensureGroup(): Promise<void> {
    try {
      await redis.xgroup("CREATE", keys.stream, GROUP, "0", "MKSTREAM");
    } catch (error) {
      if (!isReply(error, "BUSYGROUP")) throw error;
    }
  }

  /** Entries that were delivered to this consumer and never acknowledged, oldest first. */
  async function readOwnPending(count: number): Promise<Entry[]> {
    try {
      return entriesOfRead(
        await redis.call(
          "XREADGROUP",
          ...["GROUP", GROUP, name, "COUNT", count, "STREAMS", keys.stream, "0"],
        ),
      );
    } catch (error) {
      if (!isReply(error, "NOGROUP")) throw error;
      // Not before it is missed: a full Redis refuses to make it, also when it is there already.
      await ensureGroup();
      return [];
    }
  }

  /** Entries nobody has got yet. Waits up to `block_ms` for the first one. */
  async function readNew(count: number, block_ms: number): Promise<Entry[]> {
    return entriesOfRead(
      await blocking.call(
        "XREADGROUP",
        ...["GROUP", GROUP, name, "COUNT", count, "BLOCK", block_ms, "STREAMS", keys.stream, ">"],
      ),
    );
  }

  /**
   * Takes over pending entries of other consumers. `cursor` starts at 0-0 and ends there; a reply may be
   * empty before it ends. `deleted` are ids that were trimmed or deleted before anybody recorded them.
   */
  async function claim(cursor: string, count: number) {
    const reply = (await redis.call(
      "XAUTOCLAIM",
      ...[keys.stream, GROUP, name, 0, cursor, "COUNT", count],
    )) as [string, [string, string[] | null][], string[]]; // the reply of Redis 7, which is required
    const [next_cursor, entries, deleted] = reply;
    return { next_cursor, entries: entries.map(toEntry), deleted };
  }

  async function ack(ids: string[]): Promise<void> {
    if (ids.length > 0) await redis.xack(keys.stream, GROUP, ...ids);
  }

  /** Tells whoever waits for it how far the partition is recorded. */
  async function announce(applied_seq: number): Promise<void> {
    await redis.publish(keys.recorded, String(applied_seq));
  }

  /**
   * Moves an entry to the dead letters. Not in a MULTI, which would acknowledge the entry though the append
   * failed; so one that is interrupted in between may be appended again, under the same `entry_id`. A full
   * Redis gets no copy, or this entry would keep it from draining: false, and `dead_events` alone has it.
   */
  async function bury(entry: Entry, about: Record<string, string>): Promise<boolean> {
    const fields = Object.entries({ ...entry.fields, entry_id: entry.id, ...about }).flat();
    const copied = await redis
      .xadd(keys.dead, "MAXLEN", "~", DEAD_KEPT, "*", ...fields)
      .catch((error: unknown) => {
        if (isReply(error, "OOM")) return null;
        throw error;
      });
    await ack([entry.id]);
    return copied !== null;
  }

  return { ensureGroup, readOwnPending, readNew, claim, ack, announce, bury };
}

// One stream was asked for, so one is in the reply, or none at all when the wait was in vain.
function entriesOfRead(reply: unknown): Entry[] {
  const [stream] = (reply ?? []) as [string, [string, string[] | null][]][]; // what XREADGROUP replies
  return stream ? stream[1].map(toEntry) : [];
}

function toEntry([id, flat]: [string, string[] | null]): Entry {
  if (!flat) return { id, fields: null };
  const fields: Record<string, string> = Object.create(null); // a field may be named __proto__
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ""] = flat[i + 1] ?? "";
  return { id, fields };
}
