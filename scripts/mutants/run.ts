import { chmod, cp, mkdtemp, readdir, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Run, runTests, type TestResult } from "./jest.ts";
import { breakFile, type Mutant, StaleMutant, wrongIn } from "./mutant.ts";

/** Not copied: what is large, or somebody's data. `node_modules` is linked. */
const LEFT_OUT = new Set([".git", ".holdfast", "coverage", "node_modules"]);
const MS_MAX = 300_000;

export type Verdict = {
  mutant: Mutant;
  /** UNCLEAR: the tests could not run, or are red without it, so they have not caught it. */
  verdict: "CAUGHT" | "SURVIVED" | "UNCLEAR";
  /** The test that has caught it, or why that is unclear. */
  by: string;
  seconds: number;
};

/**
 * Breaks a copy of `root` by each mutant in turn and runs its tests there. Each test file runs once before
 * that, without any mutant: what is red anyway catches nothing.
 * @param tell gets each verdict as soon as it is known
 * @throws StaleMutant before anything is run; when `signal` says so, its reason. Nothing is left behind.
 */
export async function runMutants(of: {
  root: string;
  mutants: Mutant[];
  jobs: number;
  signal: AbortSignal;
  tell: (verdict: Verdict) => void;
  /** For the tests of one mutant; a suite that hangs is no catch. */
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
    const prove = createProof((copy: Copy, tests) => copy.run(tests, MS_MAX, signal));

    async function work(copy: Copy) {
      for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
        const started = performance.now();
        const { green, red } = await prove(copy, mutant.tests);
        const judged =
          red.length > 0
            ? { verdict: "UNCLEAR" as const, by: `red without it: ${red[0]}` }
            : judge(await runBroken(mutant, copy, ms_max, signal), green);
        const verdict = { mutant, ...judged, seconds: (performance.now() - started) / 1000 };
        verdicts.push(verdict);
        tell(verdict);
      }
    }
    const works = copies.map((copy) =>
      work(copy).catch((error: unknown) => {
        queue.length = 0;
        throw error;
      }),
    );
    await Promise.allSettled(works); // none may run on while its copy is removed
    await Promise.all(works);
    return verdicts;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
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

type Proof = { green: Set<string>; red: string[] };

// Runs each test file once without a mutant, and again for the next one when it was red: it may have been
// the machine. Two jobs that need the same file share its run.
function createProof(run: (copy: Copy, tests: string[]) => Promise<Run>) {
  const proofs = new Map<string, Promise<Proof>>();
  return async (copy: Copy, tests: string[]): Promise<Proof> => {
    const unproven = tests.filter((file) => !proofs.has(file));
    if (unproven.length > 0) {
      const proof = run(copy, unproven).then(proofOf);
      for (const file of unproven) proofs.set(file, proof);
    }
    const found = await Promise.all(tests.map((file) => proofs.get(file)));
    const red = found.flatMap((proof) => proof?.red ?? []);
    if (red.length > 0) for (const file of tests) proofs.delete(file);
    return { green: new Set(found.flatMap((proof) => [...(proof?.green ?? [])])), red };
  };
}

function proofOf(run: Run): Proof {
  if (!run.ended) return { green: new Set(), red: [run.why] };
  const named = (wanted: TestResult["outcome"]) =>
    run.results.filter(({ outcome }) => outcome === wanted).map(nameOf);
  return { green: new Set(named("PASSED")), red: [...run.unloaded, ...named("FAILED")] };
}

async function runBroken(mutant: Mutant, copy: Copy, ms_max: number, signal: AbortSignal) {
  const mend = await breakFile(copy.dir, mutant);
  try {
    return await copy.run(mutant.tests, ms_max, signal);
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
  if (caught) {
    const others = failed.length > 1 ? ` (and ${failed.length - 1} more)` : "";
    return { verdict: "CAUGHT", by: `${nameOf(caught)}${others}` };
  }
  const [first] = [...run.unloaded, ...failed.map(nameOf)];
  if (first === undefined) return { verdict: "SURVIVED", by: "" };
  return { verdict: "UNCLEAR", by: `its tests could not start: ${first}` };
}
