import "../src/node-version.ts";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "./bench/figures.ts";
import { chooseGenerator } from "./bench/generator.ts";
import { describeMachine } from "./bench/machine.ts";
import { type Options, readOptions, usage } from "./bench/options.ts";
import { createParts } from "./bench/parts.ts";
import { createProgress } from "./bench/progress.ts";
import { formatFigures, formatTargets } from "./bench/report.ts";
import type { Bench, Scenario } from "./bench/scenario.ts";
import { SCENARIOS } from "./bench/scenarios.ts";
import { checkTargets } from "./bench/targets.ts";
import { signalAllChildren } from "./child.ts";
import { ensureRedisServer } from "./install-redis.ts";
import { reportAndExit } from "./say.ts";
import { onStopSignal } from "./stop-signal.ts";

const LAST_WORDS_MS = 300;

type Failure = { scenario: string; error: string };

/** Somebody does not want to wait any longer. */
class Stopped extends Error {
  override name = "Stopped";
}

// Options → load generator → each scenario on a stack of its own → file and table.
async function bench(options: Options): Promise<void> {
  const scenarios = SCENARIOS.filter(
    ({ name }) => options.only.length === 0 || options.only.includes(name),
  );
  const { machine, rows, failures } = await measure(scenarios, options);

  const targets = checkTargets(rows);
  const file = resolve(options.json);
  const { seconds, runs, grown, cores } = options;
  const result = { machine, options: { seconds, runs, grown, cores }, rows, targets, failures };
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
  if (rows.length > 0) process.stdout.write(formatFigures(rows, scenarios, machine, options));
  process.stdout.write(formatTargets(targets));
  process.stdout.write(`\nThe figures of all runs are in ${file}\n`);
  for (const { scenario, error } of failures)
    process.stderr.write(`${scenario} failed: ${error}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

async function measure(scenarios: Scenario[], options: Options) {
  const progress = createProgress(process.stderr);
  // Ours are in sessions of their own: without this a crash would leave them behind.
  process.on("exit", () => signalAllChildren("SIGKILL"));
  const stopped = onStopSignal(() => {}).then(() => {
    throw new Stopped("stopped");
  });
  stopped.catch(() => {}); // between two scenarios nobody waits for it
  const dir = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  try {
    await chmod(dir, 0o755); // Postgres may run as somebody else, who must be able to enter
    await ensureRedisServer(progress.step);
    const generator = await chooseGenerator({ wanted: options.load, dir }, progress.step);
    const machine = await describeMachine(dir, generator);
    progress.step(`load by ${generator.name}`);

    const rows: Row[] = [];
    const failures: Failure[] = [];
    for (const scenario of scenarios) {
      const how = { ...options, generator, progress, dir: join(dir, scenario.name) };
      await runScenario(scenario, how, stopped).then(
        (measured) => rows.push(...measured),
        (error: Error) => {
          if (error instanceof Stopped) throw error;
          failures.push({ scenario: scenario.name, error: error.message });
        },
      );
    }
    return { machine, rows, failures };
  } finally {
    progress.end();
    await rm(dir, { recursive: true, force: true });
  }
}

async function runScenario(
  scenario: Scenario,
  how: Omit<Bench, "parts">,
  stopped: Promise<never>,
): Promise<Row[]> {
  const parts = createParts();
  how.progress.of(scenario.name);
  try {
    return await Promise.race([scenario.run({ ...how, parts }), parts.failed, stopped]);
  } catch (error) {
    // When a server dies, whoever used it fails as well, and its own last words say more.
    await Promise.race([parts.failed, sleep(LAST_WORDS_MS)]);
    throw error;
  } finally {
    how.progress.step("stopping");
    await parts.stopAll();
    how.progress.of("");
  }
}

async function main(args: string[]): Promise<void> {
  const names = SCENARIOS.map(({ name }) => name);
  const options = readOptions(args, names);
  if (!options.help) return bench(options);
  process.stdout.write(usage(names));
}

// Exits by itself: a part that was still coming up may keep timers of its own.
main(process.argv.slice(2)).then(() => process.exit(), reportAndExit);
