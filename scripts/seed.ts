import "../src/node-version.ts";
import { RedisFault } from "../src/redis/outcome.ts";
import { reportAndExit, say } from "./say.ts";
import { type CsvFile, openCsvFile } from "./seed/csv-file.ts";
import { CHUNK_LINES, readChunks } from "./seed/file-lines.ts";
import { type Options, readOptions, USAGE } from "./seed/options.ts";
import { createSeedProgress, grouped } from "./seed/progress.ts";
import { seedFile } from "./seed/seeding.ts";
import { openSeeding, type Seeding } from "./seed/seedings.ts";
import { findDefaultStore, findSettings, openServers } from "./seed/servers.ts";
import { createTally, type Tally } from "./seed/tally.ts";
import { onStopSignal } from "./stop-signal.ts";

// As shells call the end by Ctrl-C.
const STOPPED = 130;
const WHAT_TO_DO = `Put these lines, mended, into a file of their own. This one, once changed, would be
another file, whose every line sets its stock.
`;

// Options → file → servers → how far it is → what is left → summary.
async function main(options: Options): Promise<void> {
  const file = await openCsvFile(options.file);
  const progress = createSeedProgress(process.stderr, file.size);
  const tally = createTally(progress);
  try {
    const summary = await (options.dry_run ? check(file, tally) : seed(file, tally, options.again));
    progress.end();
    say(`${file.name}: ${summary}`);
  } catch (error) {
    progress.end();
    throw new Error(`${file.name}: ${wordsOf(error)}`, { cause: error });
  } finally {
    await file.close();
  }
  if (tally.counts.bad === 0) return;
  process.stderr.write(tally.badLines() + WHAT_TO_DO);
  process.exitCode ??= 1;
}

async function check(file: CsvFile, tally: Tally): Promise<string> {
  const options = { size: CHUNK_LINES, stops: [], default_store: findDefaultStore() };
  let good = 0;
  for await (const chunk of readChunks(file, options)) {
    good += tally.judge(chunk);
    tally.reached(chunk);
  }
  await file.refuseChanged();
  const { lines, bad } = tally.counts;
  return `lines: ${grouped(lines)}, good: ${grouped(good)}, bad: ${grouped(bad)}. Nothing was changed`;
}

async function seed(file: CsvFile, tally: Tally, again: boolean): Promise<string> {
  const settings = findSettings();
  const servers = await openServers(settings);
  try {
    const seeding = await openSeeding(servers.client, file.sha256, again);
    const { finished_at } = seeding;
    if (finished_at) {
      return `was seeded on ${finished_at.toISOString()}. With --again each line sets its stock once more`;
    }
    return await goOn(file, tally, seeding, servers, settings.DEFAULT_STORE);
  } finally {
    await servers.close();
  }
}

async function goOn(
  file: CsvFile,
  tally: Tally,
  seeding: Seeding,
  servers: Awaited<ReturnType<typeof openServers>>,
  default_store: string,
): Promise<string> {
  let stopped = false;
  void onStopSignal(() => {}).then(() => {
    stopped = true;
  });
  if (seeding.lines_begun > 0) {
    say(`${file.name}: going on, ${grouped(seeding.lines_done)} lines are done for certain`);
  }
  const isStopped = () => stopped;
  const work = seedFile({ file, seeding, servers, default_store, tally, isStopped });
  const finished = await work.catch((cause: unknown) => {
    throw new Error(`${wordsOf(cause)}. The same command goes on where it was`, { cause });
  });
  if (!finished) process.exitCode = STOPPED;
  const { lines, set, set_before, products, bad } = tally.counts;
  const parts = [
    `stocks set: ${grouped(set)}`,
    ...(set_before > 0 ? [`by an earlier run: ${grouped(set_before)}`] : []),
    `products made or changed: ${grouped(products)}`,
    `bad lines: ${grouped(bad)}`,
  ];
  return (
    `lines: ${grouped(lines)} (${tally.speed()}), ${parts.join(", ")}` +
    (finished ? "" : ". Stopped; the same command goes on")
  );
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // What Redis could not be asked for says why it could not.
  const why =
    error instanceof RedisFault && error.cause instanceof Error ? error.cause.message : "";
  const words = error.message.replace(/\.$/, "");
  return why === "" ? words : `${words} (${why.replace(/\.$/, "")})`;
}

async function start(args: string[]): Promise<void> {
  const options = readOptions(args);
  if (options !== undefined) return main(options);
  process.stdout.write(USAGE);
}

start(process.argv.slice(2)).catch((error: unknown) => reportAndExit(error, USAGE));
