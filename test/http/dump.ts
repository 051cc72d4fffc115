import type { Redis } from "ioredis";

/** Every key of this Redis with its value's bytes and its time of expiry: equal dumps, equal Redis. */
export async function dump(redis: Redis): Promise<Record<string, string>> {
  const keys: Record<string, string> = {};
  let cursor = "0";
  do {
    const [next, names] = await redis.scan(cursor, "COUNT", 1_000);
    cursor = next;
    for (const name of names) {
      const [value, expires_at] = await Promise.all([
        redis.dumpBuffer(name),
        redis.pexpiretime(name),
      ]);
      keys[name] = `${value?.toString("base64")} until ${expires_at}`;
    }
  } while (cursor !== "0");
  return keys;
}
