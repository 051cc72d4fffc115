import { createHash } from "node:crypto";
import type { Redis } from "ioredis";

/**
 * A script that nobody runs: that Redis knows it says that it was admitted with this generation, and has
 * neither been restarted nor promoted since. Its text must be the same in all versions of Holdfast, whose
 * own scripts differ: by it they agree on an admission when two of them run side by side.
 */
export function witnessOf(generation: number): { source: string; sha: string } {
  const source = `#!lua flags=no-writes\nreturn "admitted with generation ${generation}"\n`;
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}

/**
 * Gives a Redis that another version has admitted the scripts of this one, too. Returns false, having
 * loaded nothing, when it has no witness any more. All of it goes over one connection that is never made
 * anew: a Redis that restarts after the look at the witness can't be given a script by it, which would open
 * the fence of a Redis that nobody has looked at.
 */
export async function loadBeside(
  redis: Redis,
  generation: number,
  texts: string[],
): Promise<boolean> {
  const pinned = redis.duplicate({ lazyConnect: true, retryStrategy: () => null });
  pinned.on("error", () => {}); // the call in flight rejects with it
  try {
    await pinned.connect();
    const known = (await pinned.script("EXISTS", witnessOf(generation).sha)) as number[]; // a 0 or 1
    if (known[0] !== 1) return false;
    await Promise.all(texts.map((text) => pinned.script("LOAD", text)));
    return true;
  } finally {
    pinned.disconnect();
  }
}
