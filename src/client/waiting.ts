const FIRST_MS = 200;
const LONGEST_MS = 2_000;

/**
 * How long to wait before the next try: as long as the service asked for, and by chance up to so much
 * more, twice as much with each try: those who failed together must not come back together.
 * @param tries how many there were
 * @param asked_seconds Retry-After, if there was any
 */
export function waitMs(tries: number, asked_seconds: number | undefined): number {
  const longest = Math.min(FIRST_MS * 2 ** (tries - 1), LONGEST_MS);
  return Math.ceil((asked_seconds ?? 0) * 1_000 + Math.random() * longest);
}

/** @throws the reason of `signal`, as soon as it is aborted */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal?.addEventListener("abort", wake, { once: true });
  });
  signal?.throwIfAborted();
}

/** @throws the reason of `signal`, as soon as it is aborted; then nobody waits for `work` any more */
export async function unlessAborted<T>(
  work: () => T | Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return work();
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
