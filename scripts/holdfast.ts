import "../src/node-version.ts";
import { CommanderError } from "commander";
import { EXITS, failureOf } from "./holdfast/failure.ts";
import { endWithReader, tell, tellFailure } from "./holdfast/output.ts";
import { createProgram } from "./holdfast/program.ts";

async function main(args: string[]): Promise<void> {
  endWithReader();
  try {
    await createProgram().parseAsync(args, { from: "user" });
  } catch (error) {
    const as_json = args.includes("--json");
    if (!(error instanceof CommanderError)) {
      const failure = failureOf(error);
      tellFailure(as_json, failure);
      process.exitCode = failure.exit;
      return;
    }
    // It has said already what is wrong, or has printed what it was asked for.
    if (error.exitCode === 0) return;
    process.exitCode = EXITS.USAGE;
    if (as_json) tell(true, { error: { code: "BAD_USAGE", message: error.message } }, String);
  }
}

await main(process.argv.slice(2));
