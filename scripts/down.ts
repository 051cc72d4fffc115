import "../src/node-version.ts";
import { readUpConfig } from "../src/config.ts";
import { releaseData } from "./claim.ts";
import { readEnvFile } from "./env-file.ts";
import { stopProcess } from "./pids.ts";
import { reportAndExit, say } from "./say.ts";
import { claimIn, runningParts, stackFiles } from "./stack-files.ts";

// `up` gives the API and the worker 12 s each and the servers 10 s each.
const UP_MS_MAX = 45_000;
const PART_MS_MAX = 12_000;

// Asks `up` to stop everything in order; what it left behind, or could not stop, is stopped one by one.
async function main(): Promise<void> {
  const files = stackFiles(readUpConfig());
  const claim = claimIn(readEnvFile(files.pids));
  const [first, ...others] = await runningParts(files);
  if (first === undefined || claim === undefined) return say(`nothing is running on ${files.dir}`);
  if (first.name === "up") {
    await stopProcess(first, first.signal, UP_MS_MAX);
    const names = others.map(({ name }) => name).join(", ");
    say(`stopped (${names})`);
  }
  for (const part of await runningParts(files, claim)) {
    if (await stopProcess(part, part.signal, PART_MS_MAX))
      say(`stopped ${part.name} ${part.pid}, left behind by up`);
  }
  releaseData(files, claim);
}

main().catch(reportAndExit);
