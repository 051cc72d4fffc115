import type { Mutant } from "./mutant.ts";
import type { Verdict } from "./run.ts";

/** One line for what became of a mutant. */
export function lineOf({ mutant, verdict, by, seconds }: Verdict): string {
  const took = `${seconds.toFixed(1)} s`.padStart(7);
  const what = verdict === "SURVIVED" ? `${mutant.breaks}, and no test says so` : by.split("\n")[0];
  return `${verdict.padEnd(8)} ${took}  ${mutant.promise.padEnd(3)} ${mutant.name}: ${what}`;
}

/** The last line: how many of them were caught. */
export function sumOf(verdicts: Verdict[]): string {
  const caught = verdicts.filter(({ verdict }) => verdict === "CAUGHT").length;
  return `${caught} of ${verdicts.length} mutants were caught`;
}

/** 0 only when all were caught. */
export const exitCodeOf = (verdicts: Verdict[]) =>
  verdicts.every(({ verdict }) => verdict === "CAUGHT") ? 0 : 1;

/** For --list. */
export function listOf(mutants: Mutant[]): string {
  return mutants
    .map(({ name, promise, breaks, file }) => `${promise.padEnd(3)} ${name}: ${breaks} (${file})\n`)
    .join("");
}
