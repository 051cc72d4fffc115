import type { Redis } from "ioredis";
import type { Keys } from "./keys.ts";

/** What is read in one step: Redis serves nobody else meanwhile. */
const STEP_MAX = 50;
const WHOLE_PATTERN = /^(0|[1-9]\d{0,14})$/; // as the scripts read a number

/**
 * What `read` finds, and the seq at which Redis was behind it: so no event that it comes from has a higher
 * one. Null while Redis is not admitted, or when it was admitted anew meanwhile.
 */
export async function readAtSeq<Found>(
  redis: Redis,
  { seq: seq_key, generation: generation_key }: Keys,
  read: () => Promise<Found>,
): Promise<{ seq: number; redis_generation: number; found: Found } | null> {
  async function readShared() {
    const [seq, generation] = await redis.mget(seq_key, generation_key);
    return { seq: wholeIn(seq), generation: wholeIn(generation) };
  }
  const before = await readShared();
  const found = await read();
  const { seq, generation } = await readShared();
  if (!generation || generation !== before.generation || seq === null) return null;
  return { seq, redis_generation: generation, found };
}

/** Reads so many that it takes several steps; what it reads is in the order of `of`. */
export async function inSteps<Of, Read>(
  of: Of[],
  readStep: (of: Of[]) => Promise<Read[]>,
): Promise<Read[]> {
  const steps: Promise<Read[]>[] = [];
  for (let first = 0; first < of.length; first += STEP_MAX) {
    steps.push(readStep(of.slice(first, first + STEP_MAX)));
  }
  return (await Promise.all(steps)).flat();
}

/** What is not there counts as 0, as in the scripts; null is what could not be read. */
export function wholeIn(text: string | null | undefined): number | null {
  if (text === undefined) return null;
  if (text === null) return 0;
  return WHOLE_PATTERN.test(text) ? Number(text) : null;
}
