import { createHash } from "node:crypto";

export type Random = ReturnType<typeof createRandom>;

/** Numbers that look random: the same words give the same ones again, on every machine. */
export function createRandom(...words: (string | number)[]) {
  const seed = createHash("sha256").update(words.join(" ")).digest();
  let a = seed.readInt32LE(0);
  let b = seed.readInt32LE(4);
  let c = seed.readInt32LE(8);
  let counter = seed.readInt32LE(12);

  /** From 0 up to 1, which it never is. The generator is sfc32 (https://pracrand.sourceforge.net). */
  function next(): number {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 2 ** 32;
  }

  const between = (min: number, max: number) => min + next() * (max - min);
  /** From `min` up to `max`, which it may be. */
  const whole = (min: number, max: number) => Math.floor(between(min, max + 1));
  const chance = (share: number) => next() < share;

  /** One of the names, each as often as its share says. */
  function pick<Name extends string>(shares: Record<Name, number>): Name {
    const names = Object.keys(shares) as Name[]; // Object.keys forgets the literals
    let rest = next() * names.reduce((sum, name) => sum + shares[name], 0);
    for (const name of names) {
      rest -= shares[name];
      if (rest < 0) return name;
    }
    return names[names.length - 1] ?? raise("there is nothing to pick from");
  }

  /** The same items in another order. */
  function shuffled<T>(items: readonly T[]): T[] {
    const keyed = items.map((item) => ({ item, key: next() }));
    return keyed.toSorted((one, other) => one.key - other.key).map(({ item }) => item);
  }

  return { next, between, whole, chance, pick, shuffled };
}

function raise(message: string): never {
  throw new Error(message);
}
