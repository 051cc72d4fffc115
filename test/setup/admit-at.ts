import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";

/** Admits the Redis at `url`, for who has no worker beside it, and takes as long as a busy machine needs. */
export async function admitAt(url: string, generation?: number): Promise<void> {
  const redis = new Redis(url);
  try {
    await admit(redis, generation);
  } finally {
    redis.disconnect();
  }
}
