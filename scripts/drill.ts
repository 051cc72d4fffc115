import "../src/node-version.ts";
import { createProgress } from "./bench/progress.ts";
import { signalAllChildren } from "./child.ts";
import { isBroken } from "./drill/account.ts";
import { whole } from "./drill/evidence.ts";
import { type Options, readOptions, USAGE } from "./drill/options.ts";
import { type Drill, runDrill, Stopped } from "./drill/run.ts";
import { ensureRedisServer } from "./install-redis.ts";
import { reportAndExit } from "./say.ts";
import { onStopSignal } from "./stop-signal.ts";

const LINES = { isTTY: false, columns: 0 };

// Options → drill on a stack of its own → page → exit code.
async function main(args: string[]): Promise<void> {
  const options = readOptions(args);
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  // A line for each fault, also on a terminal: they are what one waits for.
  const progress = createProgress({ ...LINES, write: (text) => process.stderr.write(text) });
  // Ours are in sessions of their own: without this a crash would leave them behind.
  process.on("exit", () => signalAllChildren("SIGKILL"));
  const stopped = onStopSignal(() => {}).then(() => {
    throw new Stopped("stopped");
  });
  stopped.catch(() => {}); // between two drills nobody waits for it
  await ensureRedisServer(progress.step);
  if (options.forever) await drillForever(options, progress, stopped);
  else show(await runDrill(options, progress, stopped));
}

/** A drill with each seed from the given one on. A promise that is broken ends it, and so does Ctrl-C. */
async function drillForever(
  options: Options,
  progress: ReturnType<typeof createProgress>,
  stopped: Promise<never>,
): Promise<void> {
  process.setMaxListeners(0); // each drill's supervisor listens for our end
  for (let drills = 0; ; drills += 1) {
    const seed = options.seed + drills;
    try {
      const drill = await runDrill({ ...options, seed }, progress, stopped);
      if (isBroken(drill.findings)) {
        show(drill);
        return;
      }
      process.stdout.write(`seed ${seed}: every promise was kept\n`);
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      process.stdout.write(`${whole(drills)} drills, in each of them every promise was kept\n`);
      return;
    }
  }
}

function show({ page, kept_in, findings }: Drill): void {
  process.stdout.write(page);
  if (kept_in !== null) {
    process.stdout.write(
      `Every answer (journal.ndjson), all that is wrong (findings.json), data and logs: ${kept_in}\n`,
    );
  }
  if (isBroken(findings)) process.exitCode = 1;
}

// Exits by itself: a part that was still coming up may keep timers of its own.
main(process.argv.slice(2)).then(() => process.exit(), reportAndExit);
