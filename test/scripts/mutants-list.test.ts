import { expect, test } from "@jest/globals";
import { MUTANTS } from "../../scripts/mutants/list.ts";
import { wrongIn } from "../../scripts/mutants/mutant.ts";
import { run } from "../../scripts/run.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";

const mutants = (...args: string[]) =>
  run(process.execPath, ["scripts/mutants.ts", ...args], { cwd: REPO_DIR });

test("every mutant still fits the code, and its tests are there", async () => {
  expect(MUTANTS.length).toBeGreaterThan(25);
  expect(await wrongIn(MUTANTS, REPO_DIR)).toEqual([]);
});

test.each([
  "stock-check",
  "confirm-status-check",
  "dedupe-insert",
  "ack-before-commit",
  "fence",
  "seq-check",
])("%s is among them", (name) => expect(MUTANTS.map((mutant) => mutant.name)).toContain(name));

test("--list says what there is, and --help how to ask", async () => {
  const { ok, stdout } = await mutants("--list");
  expect(ok).toBe(true);
  expect(stdout.trim().split("\n")).toHaveLength(MUTANTS.length);
  expect(stdout).toMatch(/^G1 {2}stock-check: a hold takes .*lua\/create_holds\.lua\)$/m);
  expect((await mutants("--help")).stdout).toMatch(/^Usage: npm run mutants/);
});

test.each([
  [["--only", "no-such-mutant"], /there is no mutant "no-such-mutant"/],
  [["--jobs", "3"], /--jobs takes a whole number from 1 to 2, not 3/],
  [["--fast"], /Unknown option/],
])("%j is refused in a sentence", async (args, message) => {
  const { ok, stdout, stderr } = await mutants(...args);
  expect({ ok, stdout }).toEqual({ ok: false, stdout: "" });
  expect(stderr).toMatch(message);
});
