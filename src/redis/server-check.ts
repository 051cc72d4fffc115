import type { Redis } from "ioredis";
import type { Log } from "../log.ts";

const VERSION_MIN = 7; // scripts need #!lua, and XAUTOCLAIM's third reply part

export class UnfitRedis extends Error {
  override name = "UnfitRedis";
}

/**
 * Looks at the Redis we got before anything is sold from it. Warns loudly of settings that can lose
 * acknowledged holds; uses INFO first, since managed Redis often forbids CONFIG.
 * @throws UnfitRedis when it would evict stock or can't run the scripts; the message says how to mend it
 */
export async function checkServer(redis: Redis, log: Log): Promise<void> {
  const info = parseInfo(await redis.info());
  const version = info.redis_version ?? "unknown";
  if (!(Number.parseInt(version, 10) >= VERSION_MIN)) {
    throw new UnfitRedis(
      `This Redis is version ${version}; Holdfast needs ${VERSION_MIN}.0 or newer.`,
    );
  }
  if (info.maxmemory_policy !== "noeviction") {
    throw new UnfitRedis(
      `This Redis may evict keys (maxmemory-policy ${info.maxmemory_policy}), and with them stock, holds ` +
        "and idempotency records. Set it right: redis-cli CONFIG SET maxmemory-policy noeviction, " +
        "and maxmemory-policy noeviction in redis.conf.",
    );
  }
  if (info.aof_enabled !== "1") {
    log.warn(
      "Redis keeps no append-only file: ACKNOWLEDGED HOLDS ARE LOST when it restarts. " +
        "Set appendonly yes and appendfsync always.",
    );
    return;
  }
  const fsync = await appendfsync(redis);
  if (fsync === undefined) {
    log.warn(
      "Redis does not tell us its appendfsync (CONFIG is not permitted): it should be always.",
    );
  } else if (fsync !== "always") {
    log.warn(
      { appendfsync: fsync },
      "Redis answers before its file is on disk: HOLDS ACKNOWLEDGED IN THE LAST SECOND ARE LOST " +
        "when the machine fails. Set appendfsync always.",
    );
  }
}

async function appendfsync(redis: Redis): Promise<string | undefined> {
  try {
    const [, value] = (await redis.config("GET", "appendfsync")) as string[]; // pairs of name and value
    return value ?? "unknown";
  } catch {
    return undefined;
  }
}

export function parseInfo(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split("\r\n")
      .filter((line) => line.includes(":"))
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
}
