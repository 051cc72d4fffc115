import { chmod, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { z } from "zod";
import { sweepRun } from "../../test/setup/sweep.ts";
import { startChild } from "../child.ts";
import { signalAll, treeOf } from "../process-tree.ts";

const JEST = "node_modules/jest/bin/jest.js";
// --forceExit: a broken system may leave something open, and jest would wait for it for ever.
const FLAGS = ["--ci", "--runInBand", "--watchman=false", "--forceExit", "--json"];

export type TestResult = {
  file: string;
  /** The test's sentence, with those of the blocks around it. */
  test: string;
  outcome: "PASSED" | "FAILED";
  /** It failed because something was not as it expects, and not just because something threw. */
  asserted: boolean;
};

export type Run =
  | {
      ended: true;
      results: TestResult[] /** Files that did not load, and why. */;
      unloaded: string[];
    }
  | { ended: false; why: string };

const resultsSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureDetails: z.array(z.unknown()).default([]),
        }),
      ),
    }),
  ),
});

/**
 * Runs test files of the tree in `root`. Whatever becomes of it, nothing of it runs on and `scratch`, a
 * directory for this run alone, is gone.
 */
export async function runTests(of: {
  root: string;
  tests: string[];
  scratch: string;
  cache: string;
  ms_max: number;
  signal: AbortSignal;
}): Promise<Run> {
  const { root, scratch, ms_max, signal } = of;
  await mkdir(scratch, { recursive: true });
  await chmod(scratch, 0o755); // Postgres may run as another user
  const output = join(scratch, "results.json");
  const places = [`--outputFile=${output}`, `--cacheDirectory=${of.cache}`, "--runTestsByPath"];
  try {
    signal.throwIfAborted();
    // biome-ignore lint/style/noProcessEnv: handed on as a whole
    const env = { ...process.env, TMPDIR: scratch, FORCE_COLOR: "0" };
    const jest = await startChild({
      command: process.execPath,
      args: [...process.execArgv, ...nodeFlags(), JEST, ...FLAGS, ...places, ...of.tests],
      cwd: root,
      env,
      logFile: join(scratch, "jest.log"),
      detached: true, // a terminal's Ctrl-C is for us, who see to all that it has started
    });
    const too_late = AbortSignal.timeout(ms_max);
    await Promise.race([jest.exited, aborted(AbortSignal.any([signal, too_late]))]);
    if (!jest.hasExited()) await killTree(jest.pid);
    await jest.exited;
    signal.throwIfAborted();
    if (too_late.aborted) return { ended: false, why: `not done within ${ms_max / 1000} s` };
    const text = await readFile(output, "utf8").catch(() => null);
    if (text === null) return { ended: false, why: `jest failed: ${await jest.lastLines()}` };
    return { ended: true, ...readResults(text, root) };
  } finally {
    await clear(scratch);
  }
}

const nodeFlags = () => ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"];

function readResults(text: string, root: string) {
  const { testResults } = resultsSchema.parse(JSON.parse(text));
  const results: TestResult[] = [];
  const unloaded: string[] = [];
  for (const { name, message, assertionResults } of testResults) {
    const file = relative(root, name);
    if (assertionResults.length === 0) unloaded.push(`${file}: ${message.trim()}`);
    for (const { fullName: test, status, failureDetails } of assertionResults) {
      const asserted = failureDetails.some(isAssertion);
      if (status === "passed") results.push({ file, test, outcome: "PASSED", asserted: false });
      if (status === "failed") results.push({ file, test, outcome: "FAILED", asserted });
    }
  }
  return { results, unloaded };
}

// `expect` throws with what it compared; fast-check wraps that once more.
const assertionSchema = z.union([
  z.object({ matcherResult: z.object({}) }),
  z.object({ cause: z.object({ matcherResult: z.object({}) }) }),
  z.object({ error: z.object({ matcherResult: z.object({}) }) }),
]);
const isAssertion = (detail: unknown) => assertionSchema.safeParse(detail).success;

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

// It must not start anything while we look what it has started.
async function killTree(pid: number): Promise<void> {
  signalAll([pid], "SIGSTOP");
  signalAll(await treeOf(pid), "SIGKILL");
}

// What a run that was cut short has left behind: its test directories, and servers in them.
async function clear(scratch: string): Promise<void> {
  const places = await readdir(scratch);
  const runs = places.filter((place) => place.startsWith("holdfast-test-"));
  for (const run of runs) await sweepRun(join(scratch, run));
  await rm(scratch, { recursive: true, force: true });
}
