import type { Redis } from "ioredis";
import { parseInfo } from "./server-check.ts";

/** How much of its `maxmemory` Redis uses, as it reckons itself; 0 when it has no such limit. */
export async function readMemoryPart(redis: Redis): Promise<number> {
  const info = parseInfo(await redis.info("memory"));
  const [used, not_counted, max] = [
    info.used_memory,
    info.mem_not_counted_for_evict,
    info.maxmemory,
  ].map((value) => Number(value ?? 0));
  return max ? ((used ?? 0) - (not_counted ?? 0)) / max : 0;
}
