import "../src/node-version.ts";
import { signalAllChildren } from "./child.ts";
import { ensureRedisServer } from "./install-redis.ts";
import { MUTANTS } from "./mutants/list.ts";
import { readOptions, USAGE } from "./mutants/options.ts";
import { exitCodeOf, lineOf, listOf, sumOf } from "./mutants/page.ts";
import { runMutants } from "./mutants/run.ts";
import { reportAndExit, say } from "./say.ts";
import { REPO_DIR } from "./stack-files.ts";
import { onStopSignal } from "./stop-signal.ts";

class Stopped extends Error {}
const STOPPED_CODE = 130;

const print = (line: string) => process.stdout.write(`${line}\n`);

// Options → a copy that is broken in one way after another → a line each → exit code.
async function main(args: string[]): Promise<number> {
  const { mutants, jobs, list, help } = readOptions(args, MUTANTS);
  if (help || list) {
    process.stdout.write(help ? USAGE : listOf(mutants));
    return 0;
  }
  // Ours are in sessions of their own: without this a crash would leave them behind.
  process.on("exit", () => signalAllChildren("SIGKILL"));
  const stop = new AbortController();
  void onStopSignal(() => {}).then(() => stop.abort(new Stopped("stopped")));
  await ensureRedisServer(say);
  const { signal } = stop;
  const tell = (verdict: Parameters<typeof lineOf>[0]) => print(lineOf(verdict));
  const verdicts = await runMutants({ root: REPO_DIR, mutants, jobs, signal, tell });
  print(sumOf(verdicts));
  return exitCodeOf(verdicts);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof Stopped) process.exit(STOPPED_CODE);
    reportAndExit(error);
  },
);
