import type { Redis } from "ioredis";
import { createLog } from "../src/log.ts";
import { createKeys } from "../src/redis/keys.ts";
import { createScripts, readScripts } from "../src/redis/scripts.ts";
import { witnessOf } from "../src/redis/witness.ts";

/**
 * Admits a Redis that has lost nothing, as the worker does, for who has no worker: first the scripts, then
 * the key that opens the fence. By default with the generation it had.
 */
export async function admit(redis: Redis, generation?: number): Promise<void> {
  const keys = createKeys("any");
  const number = generation ?? (Number(await redis.get(keys.generation)) || 1);
  if (!(await hasScripts(redis, number))) {
    const scripts = createScripts(redis, keys, createLog("worker", "silent"));
    await scripts.load(number);
    scripts.stop();
  }
  await redis.set(keys.generation, number);
}

let latest: { generation: number; shas: string[] } = { generation: 0, shas: [] };

// Who empties a Redis again and again need not send it all scripts each time: they outlive FLUSHALL.
async function hasScripts(redis: Redis, generation: number): Promise<boolean> {
  if (latest.generation !== generation) {
    const shas = [...readScripts(generation).values()].map(({ sha }) => sha);
    latest = { generation, shas: [...shas, witnessOf(generation).sha] };
  }
  const known = (await redis.script("EXISTS", ...latest.shas)) as number[]; // a 0 or 1 for each
  return known.every((one) => one === 1);
}
