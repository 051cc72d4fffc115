import type { Chunk, FileLine } from "./file-lines.ts";
import { grouped, type SeedProgress } from "./progress.ts";

/** So many bad lines are told one by one; a file that has more is bad altogether. */
const TOLD_MAX = 10_000;

export type Tally = ReturnType<typeof createTally>;

/** Counts what becomes of the lines of a file, and tells it. */
export function createTally(progress: SeedProgress) {
  const bad_lines: { line: number; problem: string }[] = [];
  const counts = { lines: 0, bad: 0, set: 0, set_before: 0, products: 0 };
  let begun_at = performance.now();
  let lines_before = 0;

  function bad({ line }: FileLine, problem: string) {
    counts.bad += 1;
    if (bad_lines.length < TOLD_MAX) bad_lines.push({ line, problem });
  }

  /** Returns how many of these lines are good. */
  function judge({ lines }: Chunk): number {
    const bad_ones = lines.filter(({ problem }) => problem !== undefined);
    for (const line of bad_ones) bad(line, line.problem ?? "");
    return lines.length - bad_ones.length;
  }

  return {
    counts,
    bad,
    judge,
    /** All up to the end of this chunk is done. */
    reached({ last, end }: Chunk) {
      counts.lines = last;
      progress.show({ lines: last, byte: end });
    },
    /** An earlier run has decided this chunk. */
    passed(chunk: Chunk) {
      counts.set_before += judge(chunk);
      counts.lines = chunk.last;
      lines_before = chunk.last;
      begun_at = performance.now();
      progress.begin({ lines: chunk.last, byte: chunk.end });
    },
    /** How fast it went, in words. */
    speed(): string {
      const seconds = (performance.now() - begun_at) / 1_000;
      const rate = Math.round((counts.lines - lines_before) / seconds);
      return `${seconds.toFixed(1)} s, ${grouped(rate)} lines/s`;
    },
    /** Each bad line with its number in the file, in order. */
    badLines(): string {
      const sorted = bad_lines.toSorted((a, b) => a.line - b.line);
      const told = sorted.map(({ line, problem }) => `  line ${line}: ${problem}\n`);
      const more = counts.bad - told.length;
      return told.join("") + (more > 0 ? `  and ${grouped(more)} more\n` : "");
    },
  };
}
