import { chmod, cp, mkdtemp, readdir, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Run, runTests, type TestResult } from "./jest.ts";
import { breakFile, type Mutant, StaleMutant, wrongIn } from "./mutant.ts";

/** Not copied: what is large, or somebody's data. `node_modules` is linked. */
const LEFT_OUT = new Set([".git", ".holdfast", "coverage", "node_modules"]);
const MS_MAX = 180_000;
const BASELINE_MS_MAX = 1_200_000;

export type Verdict = {
  mutant: Mutant;
  /** UNCLEAR: the tests could not run, so they have not caught it. */
  verdict: "CAUGHT" | "SURVIVED" | "UNCLEAR";
  /** The test that has caught it, or why that is unclear. */
  by: string;
  seconds: number;
};

/** The tests fail without any mutant, so they can't tell one. */
export class RedBaseline extends Error {
  override name = "RedBaseline";
}

/**
 * Breaks a copy of `root` by each mutant in turn and runs its tests there; before that, once, without any.
 * @param tell gets each verdict as soon as it is known
 * @throws StaleMutant, RedBaseline; when `signal` says so, its reason. Nothing is left behind.
 */
export async function runMutants(of: {
  root: string;
  mutants: Mutant[];
  jobs: number;
  signal: AbortSignal;
  tell: (verdict: Verdict) => void;
  /** Of the tests of one mutant; a suite that hangs is no catch. */
  ms_max?: number;
  /** Where the copies go. */
  tmp?: string;
}): Promise<Verdict[]> {
  const { root, mutants, jobs, signal, tell, ms_max = MS_MAX, tmp = tmpdir() } = of;
  const wrong = await wrongIn(mutants, root);
  if (wrong.length > 0) throw new StaleMutant(wrong.join("\n"));
  const place = await realpath(await mkdtemp(join(tmp, "holdfast-mutants-")));
  try {
    await chmod(place, 0o755); // Postgres may run as another user
    const verdicts: Verdict[] = [];
    const queue = [...mutants];
    const copies = await Promise.all(
      Array.from({ length: Math.min(jobs, mutants.length) }, (_, i) => copyOf(root, place, i)),
    );
    const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))];
    const green = new Set<string>();

    async function prove(copy: Copy, number: number) {
      const part = tests.filter((_, i) => i % copies.length === number);
      if (part.length === 0) return; // of no name jest would run all
      for (const name of greenOf(await copy.run(part, BASELINE_MS_MAX, signal))) green.add(name);
    }
    async function work(copy: Copy) {
      for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
        const verdict = await verdictOf(mutant, copy, green, ms_max, signal);
        verdicts.push(verdict);
        tell(verdict);
      }
    }
    await all(copies.map(prove));
    const works = copies.map((copy) =>
      work(copy).catch((error: unknown) => {
        queue.length = 0;
        throw error;
      }),
    );
    await all(works);
    return verdicts;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

// None may run on while its copy is removed.
async function all(works: Promise<void>[]): Promise<void> {
  await Promise.allSettled(works);
  await Promise.all(works);
}

type Copy = Awaited<ReturnType<typeof copyOf>>;

async function copyOf(root: string, place: string, number: number) {
  const dir = join(place, `tree-${number}`);
  const names = (await readdir(root)).filter((name) => !LEFT_OUT.has(name));
  for (const name of names) await cp(join(root, name), join(dir, name), { recursive: true });
  await symlink(await realpath(join(root, "node_modules")), join(dir, "node_modules"));
  const paths = {
    root: dir,
    scratch: join(place, `run-${number}`),
    cache: join(place, `jest-${number}`),
  };
  const run = (tests: string[], ms_max: number, signal: AbortSignal) =>
    runTests({ ...paths, tests, ms_max, signal });
  return { dir, run };
}

const nameOf = ({ file, test }: TestResult) => `${file}: ${test}`;

// The names of all tests that pass without a mutant: only they can catch one.
function greenOf(run: Run): Set<string> {
  if (!run.ended) throw new RedBaseline(`without any mutant: ${run.why}`);
  const failed = run.results.filter(({ outcome }) => outcome === "FAILED").map(nameOf);
  const red = [...run.unloaded, ...failed];
  if (red.length > 0) throw new RedBaseline(`red without any mutant:\n${red.join("\n")}`);
  return new Set(run.results.map(nameOf));
}

async function verdictOf(
  mutant: Mutant,
  copy: Copy,
  green: Set<string>,
  ms_max: number,
  signal: AbortSignal,
): Promise<Verdict> {
  const started = performance.now();
  const mend = await breakFile(copy.dir, mutant);
  try {
    const run = await copy.run(mutant.tests, ms_max, signal);
    const seconds = (performance.now() - started) / 1000;
    return { mutant, ...judge(run, green), seconds };
  } finally {
    await mend();
  }
}

/**
 * What a run of broken code says. A test has caught it that passed before and fails now, if it does so by
 * an assertion, or while another test of its file passes: or else the file could merely not start.
 */
export function judge(run: Run, green: Set<string>): Pick<Verdict, "verdict" | "by"> {
  if (!run.ended) return { verdict: "UNCLEAR", by: run.why };
  const started = new Set(
    run.results.filter(({ outcome }) => outcome === "PASSED").map(({ file }) => file),
  );
  const failed = run.results.filter(
    (result) => result.outcome === "FAILED" && green.has(nameOf(result)),
  );
  const caught =
    failed.find(({ asserted }) => asserted) ?? failed.find(({ file }) => started.has(file));
  if (caught) return { verdict: "CAUGHT", by: nameOf(caught) };
  const [first] = [...run.unloaded, ...failed.map(nameOf)];
  if (first === undefined) return { verdict: "SURVIVED", by: "" };
  return { verdict: "UNCLEAR", by: `its tests could not start: ${first}` };
}
