import "../src/node-version.ts";
import { readFileSync } from "node:fs";
import { z } from "zod";

const resultsSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  // A file that does not load has no tests that could fail, and must not pass for that.
  numRuntimeErrorTestSuites: z.number(),
});

/** What jest says of a run, in the file that it writes; without one, the run itself failed. */
function countOf(text: string): { passed: number; failed: number } {
  if (text === "") return { passed: 0, failed: 1 };
  const results = resultsSchema.parse(JSON.parse(text));
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  return { passed: results.numPassedTests, failed };
}

/** The line that ends ./scripts/test. */
function main(files: string[]): void {
  const counts = files.map((file) => countOf(readFileSync(file, "utf8")));
  const sum = (of: "passed" | "failed") => counts.reduce((total, count) => total + count[of], 0);
  process.stdout.write(`${sum("passed")} passed, ${sum("failed")} failed\n`);
}

main(process.argv.slice(2));
