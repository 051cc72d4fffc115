import type { Redis } from "ioredis";
import { z } from "zod";
import type { Keys } from "./keys.ts";

/** Why a sku is not sold. */
type StopReason = "DRIFT";
export type Stopped = ReturnType<typeof createStopped>;

const stopped = z.object({ reason: z.string() });

/** Skus that nobody may buy for now: the scripts that take stock look there. */
export function createStopped(redis: Redis, keys: Keys) {
  /** @param since ms since 1970 */
  async function stop(skus: string[], reason: StopReason, since: number): Promise<void> {
    if (skus.length === 0) return;
    const text = JSON.stringify({ reason, since });
    await redis.hset(keys.stopped, ...skus.flatMap((sku) => [sku, text]));
  }

  async function resume(skus: string[]): Promise<void> {
    if (skus.length > 0) await redis.hdel(keys.stopped, ...skus);
  }

  /** The skus that were stopped for this reason. What somebody has written there by hand is nobody's. */
  async function list(reason: StopReason): Promise<string[]> {
    const all = Object.entries(await redis.hgetall(keys.stopped));
    return all.flatMap(([sku, text]) => (reasonIn(text) === reason ? [sku] : []));
  }

  return { stop, resume, list };
}

function reasonIn(text: string): string | undefined {
  try {
    return stopped.safeParse(JSON.parse(text)).data?.reason;
  } catch {
    return undefined;
  }
}
