import { BadOption, readArguments } from "../arguments.ts";
import type { Mutant } from "./mutant.ts";

/** Each runs servers of its own: more at once would be too slow for their tests. */
const JOBS_MAX = 2;

export type Options = { mutants: Mutant[]; jobs: number; list: boolean; help: boolean };

export const USAGE = `Usage: npm run mutants -- [options]

Breaks the system on purpose, one thing at a time and in a copy, and runs the tests that must notice. Ends
with 0 when every mutant was caught, with 1 when one was not.
  --only LIST      only these, by name or by promise, with commas: stock-check,G7
  --jobs N         how many at a time, 1 or ${JOBS_MAX} (1)
  --list           says what there is, and runs nothing
`;

/** @throws BadOption */
export function readOptions(args: string[], all: Mutant[]): Options {
  const { only = [], jobs = "1", list = false, help = false } = parse(args);
  if (!/^[0-9]$/.test(jobs) || Number(jobs) < 1 || Number(jobs) > JOBS_MAX) {
    throw new BadOption(`--jobs takes a whole number from 1 to ${JOBS_MAX}, not ${jobs}`);
  }
  return { mutants: select(all, only), jobs: Number(jobs), list, help };
}

function select(all: Mutant[], only: string[]): Mutant[] {
  if (only.length === 0) return all;
  const words = only.flatMap((list) => list.split(","));
  const isMeant = (word: string) => (mutant: Mutant) =>
    mutant.name === word || mutant.promise === word;
  const unknown = words.find((word) => !all.some(isMeant(word)));
  if (unknown !== undefined) {
    throw new BadOption(`there is no mutant "${unknown}": --list says which there are`);
  }
  return all.filter((mutant) => words.some((word) => isMeant(word)(mutant)));
}

function parse(args: string[]) {
  const { values } = readArguments({
    args,
    options: {
      only: { type: "string", multiple: true },
      jobs: { type: "string" },
      list: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  return values;
}
