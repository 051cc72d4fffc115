import type { Redis } from "ioredis";
import { GROUP, type Keys } from "./keys.ts";
import { readMemoryPart } from "./memory.ts";
import { isReply } from "./outcome.ts";
import { readRecordingGroup } from "./recording-group.ts";

export type Stream = ReturnType<typeof createStream>;

/** The stream of events, seen from outside the group that records it. */
export function createStream(redis: Redis, keys: Keys) {
  /** The seq of the newest event; 0 when there is none. */
  const lastSeq = async () => Number((await redis.get(keys.seq)) ?? 0);

  /** The same, and the generation that Redis is admitted with at this moment; null when it is not. */
  async function lastSeqAdmitted(): Promise<{ seq: number; generation: number } | null> {
    const [seq, generation] = await redis.mget(keys.seq, keys.generation);
    return generation == null ? null : { seq: Number(seq ?? 0), generation: Number(generation) };
  }

  /** When the oldest entry behind `entry_id` was made, in ms; null when there is none. */
  async function oldestAfter(entry_id: string): Promise<number | null> {
    const [next] = await redis.xrange(keys.stream, `(${entry_id}`, "+", "COUNT", 1);
    return next ? Number(next[0].split("-")[0]) : null;
  }

  /** The oldest entry that was delivered and not acknowledged, of any consumer. */
  async function oldestPending(): Promise<string | null> {
    try {
      // Its summary form: how many, the oldest, the newest, and who has them.
      const [, oldest] = (await redis.xpending(keys.stream, GROUP)) as [number, string | null];
      return oldest;
    } catch (error) {
      // No recorder has been here yet, so nothing was delivered.
      if (isReply(error, "NOGROUP")) return null;
      throw error;
    }
  }

  /** How many entries are not recorded: not delivered, or not acknowledged. */
  async function countUnrecorded(): Promise<number> {
    const group = await readRecordingGroup(redis, keys.stream);
    if (!group) return redis.xlen(keys.stream);
    return group.pending + (group.undelivered ?? (await countBehind(group.last_delivered_id)));
  }

  // Redis knows what it has not delivered, unless an entry there was deleted. But seqs have no gaps.
  async function countBehind(entry_id: string): Promise<number> {
    const [next] = await redis.xrange(keys.stream, `(${entry_id}`, "+", "COUNT", 1);
    if (!next) return 0;
    const seq = Number(next[1][next[1].indexOf("seq") + 1]);
    return Number.isSafeInteger(seq) ? (await lastSeq()) - seq + 1 : redis.xlen(keys.stream);
  }

  /** Cuts off entries older than `min_id`, at most about `count` of them. Returns how many. */
  async function trim(min_id: string, count: number): Promise<number> {
    return redis.xtrim(keys.stream, "MINID", "~", min_id, "LIMIT", count);
  }

  /** Redis's clock, in ms. */
  async function now(): Promise<number> {
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  async function ping(): Promise<void> {
    await redis.ping();
  }

  return {
    ping,
    lastSeq,
    lastSeqAdmitted,
    oldestAfter,
    oldestPending,
    countUnrecorded,
    trim,
    now,
    memoryPart: () => readMemoryPart(redis),
  };
}
