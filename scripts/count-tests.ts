import "../src/node-version.ts";
import { readFileSync } from "node:fs";
import { z } from "zod";

const resultsSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  // A file that does not load has no tests that could fail, and must not pass for that.
  numRuntimeErrorTestSuites: z.number(),
});

/** The line that ends ./scripts/test, from the file that jest writes; without one, the run itself failed. */
function countTests(text: string): string {
  if (text === "") return "0 passed, 1 failed";
  const results = resultsSchema.parse(JSON.parse(text));
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  return `${results.numPassedTests} passed, ${failed} failed`;
}

const [file = ""] = process.argv.slice(2);
process.stdout.write(`${countTests(readFileSync(file, "utf8"))}\n`);
