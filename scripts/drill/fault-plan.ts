import { type FaultKind, kindOf } from "./kinds.ts";
import { createRandom } from "./random.ts";

/** Something to be done to the system, `at_ms` after the sale's opening. */
export type PlannedFault = { kind: FaultKind; at_ms: number; frozen_ms?: number };

const BETWEEN_MS = 3_500;
// A supervisor gives a part up that dies five times within 30 s, however it died.
const BETWEEN_SAME_KIND_MS = 10_000;
const FROZEN_MS = { min: 1_000, max: 5_000 };
/** Of the sale: then its first shoppers are there, and its last ones still see the last fault's end. */
const FIRST = 0.05;
const LAST = 0.82;

/**
 * When what happens: each kind once in a random order, then each once more in another order, and so on. A
 * fault may well come while another one lasts. The same seed gives the same plan.
 */
export function planFaults(options: {
  seed: number;
  seconds: number;
  kinds: FaultKind[];
}): PlannedFault[] {
  const { seed, seconds, kinds } = options;
  const random = createRandom(seed, "faults");
  const begin_ms = seconds * 1000 * FIRST;
  const length_ms = seconds * 1000 * (LAST - FIRST);
  const between_ms = Math.max(BETWEEN_MS, BETWEEN_SAME_KIND_MS / kinds.length);
  const count = Math.max(kinds.length, Math.floor(length_ms / between_ms));
  const faults: PlannedFault[] = [];
  for (let i = 0; i < count; ) {
    for (const kind of random.shuffled(kinds)) {
      if (i === count) break;
      const at_ms = Math.round(begin_ms + ((i + random.next()) * length_ms) / count);
      faults.push({ kind, at_ms, ...frozen(kind, random.whole(FROZEN_MS.min, FROZEN_MS.max)) });
      i += 1;
    }
  }
  return faults;
}

const frozen = (kind: FaultKind, frozen_ms: number) =>
  kindOf(kind).how === "FREEZE" ? { frozen_ms } : {};
