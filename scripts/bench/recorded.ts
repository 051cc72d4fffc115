import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { createKeys } from "../../src/redis/keys.ts";
import { isStreamDrained, readRecordingGroup } from "../../src/redis/recording-group.ts";
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
export const isDrained = (redis: Redis) => isStreamDrained(redis, stream);

/** The group that records; null when it was never made. */
export async function readGroup(redis: Redis) {
  const group = await readRecordingGroup(redis, stream);
  return group && { ...group, undelivered: group.undelivered ?? 0 };
}
