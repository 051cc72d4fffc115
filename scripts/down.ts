import "../src/node-version.ts";
import { readUpConfig } from "../src/config.ts";
import { stopByPid } from "./pids.ts";
import { reportAndExit, say } from "./say.ts";
import { releaseData, runningParts, stackFiles } from "./stack-files.ts";

// `up` gives the API and the worker 12 s each and the servers 10 s each.
const UP_MS_MAX = 45_000;
const PART_MS_MAX = 12_000;

// Asks `up` to stop everything in order; what it left behind, or could not stop, is stopped one by one.
async function main(): Promise<void> {
  const files = stackFiles(readUpConfig());
  const [first, ...others] = await runningParts(files);
  if (first === undefined) return say(`nothing is running on ${files.dir}`);
  if (first.name === "up") {
    await stopByPid(first.pid, first.mark, first.signal, UP_MS_MAX);
    const names = others.map(({ name }) => name).join(", ");
    say(`stopped (${names})`);
  }
  for (const { name, pid, mark, signal } of await runningParts(files)) {
    if (await stopByPid(pid, mark, signal, PART_MS_MAX))
      say(`stopped ${name} ${pid}, left behind by up`);
  }
  releaseData(files);
}

main().catch(reportAndExit);
