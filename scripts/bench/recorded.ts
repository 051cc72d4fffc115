import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { compareEntryIds } from "../../src/domain/entry-id.ts";
import { createKeys, GROUP } from "../../src/redis/keys.ts";
import { until } from "../until.ts";

const { stream } = createKeys("main"); // the stream has the same name in every store
const BETWEEN_LOOKS_MS = 100;

/**
 * Waits until every event was delivered and acknowledged, which the recorder does when it is committed. Asks
 * Redis alone: Postgres' CPU is being measured. `onWait` hears about how many are missing.
 */
export async function untilAllRecorded(
  redis: Redis,
  ms_max: number,
  onWait: (missing: number) => void = () => {},
): Promise<void> {
  await until(
    "everything is recorded",
    async () => {
      if (await isDrained(redis)) return true;
      const group = await readGroup(redis);
      if (group) onWait(group.undelivered + group.pending);
      await sleep(BETWEEN_LOOKS_MS);
    },
    ms_max,
  );
}

/** Whether every entry of the stream was delivered and acknowledged. */
export async function isDrained(redis: Redis): Promise<boolean> {
  const [last] = await redis.xrevrange(stream, "+", "-", "COUNT", 1);
  const group = await readGroup(redis);
  if (!group) return last === undefined;
  const all_delivered = !last || compareEntryIds(group.last_delivered_id, last[0]) >= 0;
  return all_delivered && group.pending === 0;
}

/** The group that records; null when it was never made. */
export async function readGroup(redis: Redis) {
  const groups = (await redis.xinfo("GROUPS", stream).catch(() => [])) as unknown[][]; // no stream yet
  for (const flat of groups) {
    const at = (field: string) => flat[flat.indexOf(field) + 1];
    if (at("name") !== GROUP) continue;
    return {
      pending: Number(at("pending")),
      undelivered: Number(at("lag") ?? 0), // null when entries were deleted
      last_delivered_id: String(at("last-delivered-id")),
    };
  }
  return null;
}
