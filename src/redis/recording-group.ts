import type { Redis } from "ioredis";
import { compareEntryIds } from "../domain/entry-id.ts";
import { GROUP } from "./keys.ts";
import { isReply } from "./outcome.ts";

type RecordingGroup = {
  /** Entries that were delivered and not acknowledged. */
  pending: number;
  /** Entries that were not delivered; null when Redis can't tell, since one of them was deleted. */
  undelivered: number | null;
  last_delivered_id: string;
};

/** The group that records; null when it was never made. */
export async function readRecordingGroup(
  redis: Redis,
  stream: string,
): Promise<RecordingGroup | null> {
  const groups = await redis.xinfo("GROUPS", stream).catch((error: unknown) => {
    if (isReply(error, "ERR")) return []; // there is no stream
    throw error;
  });
  for (const flat of groups as unknown[][]) {
    const at = (field: string) => flat[flat.indexOf(field) + 1]; // names and values, flat
    if (at("name") !== GROUP) continue;
    const lag = at("lag");
    return {
      pending: Number(at("pending")),
      undelivered: typeof lag === "number" ? lag : null,
      last_delivered_id: String(at("last-delivered-id")),
    };
  }
  return null;
}

/** Whether every entry was delivered, recorded and acknowledged; also when there is no stream. */
export async function isStreamDrained(redis: Redis, stream: string): Promise<boolean> {
  const [last] = await redis.xrevrange(stream, "+", "-", "COUNT", 1);
  const group = await readRecordingGroup(redis, stream);
  if (!group) return last === undefined;
  const all_delivered = !last || compareEntryIds(group.last_delivered_id, last[0]) >= 0;
  return all_delivered && group.pending === 0;
}
