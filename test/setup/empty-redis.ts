import type { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";

/** Takes everything out of a Redis and admits it, as on the first day. */
export async function emptyRedis(redis: Redis): Promise<void> {
  await redis.call("FLUSHALL");
  await admit(redis);
}
