import type { Redis } from "ioredis";
import type { Keys } from "../../src/redis/keys.ts";

/** Bytes that Redis uses for data, without the stream of events, which is trimmed. */
export async function dataBytes(redis: Redis, keys: Keys): Promise<number> {
  const info = await redis.info("memory");
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  const stream = Number((await redis.memory("USAGE", keys.stream, "SAMPLES", 0)) ?? 0);
  return field("used_memory") - field("mem_clients_normal") - field("mem_aof_buffer") - stream;
}
