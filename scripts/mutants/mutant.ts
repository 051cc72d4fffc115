import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** One way to break the system on purpose, and the tests that must go red by it. */
export type Mutant = {
  name: string;
  /** What goes wrong with it, in words. */
  breaks: string;
  /** Which promise that is: G1 to G13, as `npm run drill` accounts for them. */
  promise: `G${number}`;
  file: string;
  /** Stands exactly once in `file`; `instead` takes its place. */
  text: string;
  instead: string;
  tests: string[];
};

/** A mutant's text is not there, or more than once: the code has moved on and the list has not. */
export class StaleMutant extends Error {
  override name = "StaleMutant";
}

/** The file's text, broken. @throws StaleMutant */
export function broken(mutant: Mutant, source: string): string {
  const places = source.split(mutant.text).length - 1;
  if (places !== 1) {
    throw new StaleMutant(
      `${mutant.name}: its text stands ${places} times in ${mutant.file}, and must once`,
    );
  }
  return source.replace(mutant.text, () => mutant.instead); // a function, so that no $ in it means anything
}

/** Breaks the file below `root`. Returns what makes it whole again. */
export async function breakFile(root: string, mutant: Mutant): Promise<() => Promise<void>> {
  const path = join(root, mutant.file);
  const source = await readFile(path, "utf8");
  await writeFile(path, broken(mutant, source));
  return () => writeFile(path, source);
}

/** What is wrong with the list itself, a sentence each: stale texts, and tests that are not there. */
export async function wrongIn(mutants: Mutant[], root: string): Promise<string[]> {
  const wrong: string[] = [];
  const read = (path: string) => readFile(join(root, path), "utf8").catch(() => null);
  for (const mutant of mutants) {
    const { name, text, instead, tests } = mutant;
    const source = await read(mutant.file);
    try {
      if (source === null) throw new StaleMutant(`${name}: there is no ${mutant.file}`);
      broken(mutant, source);
    } catch (error) {
      if (!(error instanceof StaleMutant)) throw error;
      wrong.push(error.message);
    }
    if (text === instead) wrong.push(`${name}: it changes nothing`);
    if (tests.length === 0) wrong.push(`${name}: no test is to catch it`);
    for (const test of tests) {
      if ((await read(test)) === null) wrong.push(`${name}: there is no ${test}`);
    }
    if (mutants.some((other) => other !== mutant && other.name === name)) {
      wrong.push(`${name}: there are two of this name`);
    }
  }
  return wrong;
}
