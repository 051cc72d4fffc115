import { Redis, type RedisOptions } from "ioredis";
import type { Log } from "../log.ts";

/** How long one call may take before its outcome counts as unknown. */
const CALL_MS_MAX = 1_000;
/** Nothing heard for this long with calls pending: the connection is dead, however open it looks. */
const SILENCE_MS_MAX = 2_000;
const CONNECT_MS_MAX = 2_000;
const RECONNECT_MS_MAX = 1_000;
const READY_MS_MAX = 10_000;

// Left to its defaults, ioredis sends a command again when its reply was lost, and later runs commands the
// caller was told had failed. Each of these turns one such path off; test/redis/client.test.ts pins that.
const NEVER_TWICE = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  reconnectOnError: (error: Error) => (error.message.startsWith("READONLY") ? 1 : false), // 2 would resend
} satisfies RedisOptions;

/** A connection for calls that answer at once. Connects by itself, again and again. */
export function createRedis(url: string, log: Log): Redis {
  return connect(url, log, {
    commandTimeout: CALL_MS_MAX,
    socketTimeout: SILENCE_MS_MAX,
  });
}

/** A connection for one blocking read at a time, of at most `block_ms`. */
export function createBlockingRedis(url: string, log: Log, block_ms: number): Redis {
  return connect(url, log, { socketTimeout: 2 * block_ms + SILENCE_MS_MAX });
}

type Timeouts = { commandTimeout?: number; socketTimeout: number };

function connect(url: string, log: Log, timeouts: Timeouts): Redis {
  const redis = new Redis(url, {
    ...NEVER_TWICE,
    ...timeouts,
    protocol: 2,
    connectTimeout: CONNECT_MS_MAX,
    keepAlive: 5_000,
    retryStrategy: (attempt: number) =>
      Math.min(25 * 2 ** Math.min(attempt, 10), RECONNECT_MS_MAX) + Math.random() * 100,
  });
  let reported = "";
  redis.on("error", (err: Error) => {
    // It repeats with each attempt to connect: once is enough until something changes.
    if (err.message !== reported) log.warn({ err }, "redis connection failed, trying again");
    reported = err.message;
  });
  redis.on("ready", () => {
    if (reported) log.info("redis connection is back");
    reported = "";
  });
  return redis;
}

/** Waits until the connection is usable. Rejects after ten seconds, naming the last error. */
export async function untilReady(redis: Redis): Promise<void> {
  if (redis.status === "ready") return;
  let last: Error | undefined;
  const keep = (error: Error) => {
    last = error;
  };
  redis.on("error", keep);
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`Redis does not answer: ${last?.message ?? "timed out"}`)),
        READY_MS_MAX,
      );
      redis.once("ready", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  } finally {
    redis.off("error", keep);
  }
}
