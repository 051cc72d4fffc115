import { statSync } from "node:fs";

/**
 * The files that take longest. Begun first they end beside all others; begun late, the last of them would
 * run alone while the other workers have nothing to do. jest knows how long each took only where it has run
 * before. Those that wait and those that compute take turns here, since they are run side by side.
 */
export const LONGEST = [
  "model/model",
  "faults/slow/frozen-redis",
  "scripts/drill",
  "faults/slow/torn-file",
  "faults/slow/postgres",
  "faults/half-open",
  "lua/fuzz",
  "recovery/crash",
  "faults/refusals",
  "scripts/seed-crashes",
  "scripts/bench",
  "main/cluster",
  "scripts/smoke",
  "worker/backlog",
  "worker/outage",
  "http/v1/bulk-streams",
  "faults/slow/rolling",
  "scripts/seed-csv",
  "main/processes",
  "redis/client",
  "worker/replayer",
  "scripts/bench-failures",
  "worker/replayer-faults",
  "scripts/seed",
];

type TestFile = { path: string };

/** Tells jest in which order to begin with the files: LONGEST as it is, then the others by their size. */
export default function createSequencer() {
  return {
    sort: <T extends TestFile>(files: Iterable<T>): T[] =>
      [...files]
        .map((file) => ({ file, place: placeOf(file), size: statSync(file.path).size }))
        .sort((a, b) => a.place - b.place || b.size - a.size)
        .map(({ file }) => file),
    /** jest would keep each file's seconds by this: an order that is the same everywhere needs none. */
    cacheResults() {},
  };
}

function placeOf({ path }: TestFile): number {
  const place = LONGEST.findIndex((name) => path.endsWith(`/test/${name}.test.ts`));
  return place === -1 ? LONGEST.length : place;
}
