import type { Redis } from "ioredis";
import { createLog } from "../src/log.ts";
import { createKeys } from "../src/redis/keys.ts";
import { createScripts } from "../src/redis/scripts.ts";

/**
 * Admits a Redis that has lost nothing, as the worker does, for who has no worker: first the scripts, then
 * the key that opens the fence. By default with the generation it had.
 */
export async function admit(redis: Redis, generation?: number): Promise<void> {
  const keys = createKeys("any");
  const number = generation ?? (Number(await redis.get(keys.generation)) || 1);
  const scripts = createScripts(redis, keys, createLog("worker", "silent"));
  await scripts.load(number);
  scripts.stop();
  await redis.set(keys.generation, number);
}
