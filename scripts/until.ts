import { setTimeout as sleep } from "node:timers/promises";

const BETWEEN_LOOKS_MS = 20;

/**
 * Looks again and again until `look` returns something other than undefined, and returns that.
 * Throws what `look` throws, or that `what` did not happen within `ms_max`.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  msMax = 30_000,
): Promise<T> {
  const giveUpAt = performance.now() + msMax;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${msMax / 1000} s`);
    await sleep(BETWEEN_LOOKS_MS);
  }
}
