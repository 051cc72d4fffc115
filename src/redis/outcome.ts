/**
 * What is known of a call that brought no reply. Every failure of a Redis call is classified here, once.
 * NOT_EXECUTED: it surely did nothing. UNKNOWN: it may have been executed, or may still be.
 */
export type FailedOutcome = "NOT_EXECUTED" | "UNKNOWN";

/** The world failed while Redis was asked. http answers 503 or 504 by `outcome`. */
export class RedisFault extends Error {
  override name = "RedisFault";
  readonly outcome: FailedOutcome;

  constructor(outcome: FailedOutcome, message: string, cause?: unknown) {
    super(message, { cause });
    this.outcome = outcome;
  }
}

/**
 * Redis may have lost data and was not admitted since, so its scripts refuse. Nothing was done, and nothing
 * is decided until a worker has compared Redis with Postgres.
 */
export class Recovering extends RedisFault {
  override name = "Recovering";

  constructor(message: string) {
    super("NOT_EXECUTED", message);
  }
}

/** What there is too much of: requests that wait, events that are not recorded, or bytes in Redis. */
export const OVERLOADS = ["QUEUE", "BACKLOG", "MEMORY"] as const;
export type Overload = (typeof OVERLOADS)[number];

/** Too much is waiting already; this request was never sent. */
export class Overloaded extends Error {
  override name = "Overloaded";
  readonly because: Overload;

  constructor(message: string, because: Overload = "QUEUE") {
    super(message);
    this.because = because;
  }
}

/** A Redis key holds something else than it should. Nothing was changed; somebody must look at it. */
export class CorruptKey extends Error {
  override name = "CorruptKey";
  readonly key: string;

  constructor(key: string) {
    super(`The Redis key ${key} holds something else than it should.`);
    this.key = key;
  }
}

// Only prefixes: an error text may contain anything further on, input included. Redis checks all of these
// before a script's first line, because our scripts declare themselves with #!lua.
const NOT_EXECUTED_PREFIXES = [
  "BUSY ",
  "CLUSTERDOWN ",
  "LOADING ",
  "MASTERDOWN ",
  "MISCONF ",
  "NOAUTH ",
  "NOPERM ",
  "NOREPLICAS ",
  "NOSCRIPT ",
  "OOM ",
  "READONLY ",
  "Stream isn't writeable", // ioredis: no connection, and no offline queue to wait in
];

export function failedOutcome(error: unknown): FailedOutcome {
  if (error instanceof RedisFault) return error.outcome;
  const message = error instanceof Error ? error.message : "";
  return NOT_EXECUTED_PREFIXES.some((prefix) => message.startsWith(prefix))
    ? "NOT_EXECUTED"
    : "UNKNOWN";
}

/** Whether Redis replied this error, by the word it begins with. */
export const isReply = (error: unknown, word: string) =>
  error instanceof Error && error.message.startsWith(`${word} `);

/**
 * Reads what a key holds: whatever fails, nothing was done.
 * @param failure what is said when Redis could not be asked
 */
export async function readKey<Held>(
  key: string,
  failure: string,
  read: () => Promise<Held>,
): Promise<Held> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CorruptKey) throw error;
    if (isReply(error, "WRONGTYPE")) throw new CorruptKey(key);
    throw new RedisFault("NOT_EXECUTED", failure, error);
  }
}

export const isNoScript = (error: unknown) => isReply(error, "NOSCRIPT");
