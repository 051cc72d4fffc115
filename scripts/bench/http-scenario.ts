import { createKeys } from "../../src/redis/keys.ts";
import { type Expected, refuseUnaccepted, refuseWrongAnswers } from "./answers.ts";
import { compareBooks } from "./books.ts";
import { cpuOfProcess, cpuPer } from "./cpu.ts";
import { STORE } from "./deciding-side.ts";
import { type Figures, type Row, rowOf, timesOf } from "./figures.ts";
import { type Load, runLoad, skuName } from "./load.ts";
import { dataBytes } from "./memory.ts";
import { readMetrics } from "./metrics-page.ts";
import { type Bench, PLENTY, refuseDifferences, type Scenario } from "./scenario.ts";
import { type Api, type Stack, startStack } from "./stack.ts";
import { stockUp } from "./stock.ts";

const keys = createKeys(STORE);
/** A process that has just started compiles what it does often for its first twenty thousand requests. */
const WARM_UP_SECONDS_MAX = 8;
const RESERVE = "/holds/reserve";
const CONFIRM = "/holds/confirm";
const NOOP = "/noop";
const ALL_CPU = ["api_us", "redis_us", "worker_us", "postgres_us"] as const;

/** A scenario in which clients ask a server over HTTP as fast as it answers. */
export type HttpScenario = {
  name: string;
  what: string;
  api: Api;
  rows: { label: string; clients: number; skus: number }[];
  /** What is asked: a reserve, or a reserve and its confirm, or noop. */
  answers: Expected;
  /** What each SKU has to begin with. */
  units?: number;
  /** Whose CPU is worth telling. */
  cpu?: (typeof ALL_CPU)[number][];
  /** Whether to tell the memory of a hold. Only where the number of stocks stays the same. */
  memory?: boolean;
  /** Fills the stack before the runs. Returns the SKUs that it has stocked with as many units. */
  prepare?: (bench: Bench, stack: Stack, units: number) => Promise<Prepared>;
  /** Other books than Holdfast's. */
  books?: HttpBooks;
};

export type Prepared = { skus: string[]; bytes_per_hold?: number };

/** How many requests took effect so far, and the sentences for what does not add up. */
export type HttpBooks = {
  open(stack: Stack, skus: string[], units: number): Promise<void>;
  countDecided(stack: Stack): Promise<number>;
  compare(stack: Stack, skus: string[], units: number): Promise<string[]>;
};

export const HOLDFAST_BOOKS: HttpBooks = {
  open: ({ redis }, skus, units) => stockUp(redis, skus, units),
  countDecided: async ({ redis }) => Number(await redis.get(keys.seq)),
  compare: (stack, skus, units) => compareBooks(stack, { skus, units }),
};

export function httpScenario(scenario: HttpScenario): Scenario {
  return {
    name: scenario.name,
    what: scenario.what,
    async run(bench) {
      const { api, rows, units = PLENTY, books = HOLDFAST_BOOKS } = scenario;
      bench.progress.step("starting");
      const stack = await startStack({ api, ...bench });
      const own_skus = Math.max(...rows.map(({ skus }) => skus));
      const skus = Array.from({ length: own_skus }, (_, i) => skuName(i));
      await books.open(stack, skus, units);
      const prepared = (await scenario.prepare?.(bench, stack, units)) ?? { skus: [] };
      const before = await readMemory(stack);

      const measured: Row[] = [];
      for (const row of rows) {
        const runs = await measureRow(scenario, books, row, bench, stack);
        measured.push(rowOf({ scenario: scenario.name, ...row }, runs));
      }

      const after = await readMemory(stack);
      const bytes_per_hold = scenario.memory
        ? (after.bytes - before.bytes) / (after.holds - before.holds)
        : prepared.bytes_per_hold;
      bench.progress.step("checking the books");
      refuseDifferences(await books.compare(stack, [...skus, ...prepared.skus], units));
      return measured.map((row) => ({ ...row, median: { ...row.median, bytes_per_hold } }));
    },
  };
}

async function measureRow(
  scenario: HttpScenario,
  books: HttpBooks,
  row: HttpScenario["rows"][number],
  bench: Bench,
  stack: Stack,
): Promise<Figures[]> {
  const { progress, generator, parts, seconds } = bench;
  const is_noop = NOOP in scenario.answers;
  const load: Load = {
    kind: CONFIRM in scenario.answers ? "CHECKOUT" : "RESERVE",
    origin: is_noop ? stack.noop_url : stack.api_url,
    path: is_noop ? NOOP : RESERVE,
    clients: row.clients,
    skus: row.skus,
    seconds,
    per_second: 0,
  };
  const noop: Load = { ...load, kind: "RESERVE", origin: stack.noop_url, path: NOOP };
  const name = [row.label, `${row.clients} clients`].filter((text) => text !== "").join(", ");

  progress.step(`${name}, warming up`);
  for (const warm_up of is_noop ? [load] : [noop, load]) await warmUp(warm_up, bench, stack);

  const runs: Figures[] = [];
  for (let run = 1; run <= bench.runs; run += 1) {
    progress.step(`${name}, run ${run} of ${bench.runs}`);
    if (is_noop) {
      runs.push(await measureRun(load, scenario, null, bench, stack));
      continue;
    }
    // Directly before, so that whatever else the machine does slows down both.
    const floor = await runLoad(generator, noop, parts);
    refuseUnaccepted(floor);
    const noop_rate = floor.requests / floor.seconds;
    const figures = await measureRun(load, scenario, books, bench, stack);
    runs.push({ ...figures, noop_rate, noop_ratio: (figures.rate ?? 0) / noop_rate });
  }
  return runs;
}

export async function warmUp(load: Load, { generator, parts }: Bench, stack: Stack) {
  const seconds = Math.min(2 * load.seconds, WARM_UP_SECONDS_MAX);
  await runLoad(generator, { ...load, seconds }, parts);
  await stack.untilQuiet();
}

export async function measureRun(
  load: Load,
  { answers, cpu = [...ALL_CPU] }: Pick<HttpScenario, "answers" | "cpu">,
  books: HttpBooks | null,
  { generator, parts, progress }: Bench,
  stack: Stack,
): Promise<Figures> {
  const before = await observe(load, answers, books, stack);
  const result = await runLoad(generator, load, parts);
  const api = await cpuOfProcess(load.origin);
  await stack.untilQuiet((missing) => progress.detail(`${missing} events are to be recorded`));
  const after = await observe(load, answers, books, stack);

  refuseWrongAnswers(result, { expected: answers, clients: load.clients, before, after });

  const operations = result.requests / Object.keys(answers).length;
  return {
    rate: operations / result.seconds,
    ...timesOf(result),
    ...only(cpu, cpuPer(operations, before.cpu, { ...after.cpu, api })),
  };
}

async function observe({ origin }: Load, answers: Expected, books: HttpBooks | null, stack: Stack) {
  const metrics = await readMetrics(origin);
  return {
    cpu: { ...(await stack.readCpu()), api: metrics.sum("process_cpu_seconds_total") },
    answers: new Map(Object.keys(answers).map((route) => [route, metrics.answersOf(route)])),
    decided: (await books?.countDecided(stack)) ?? null,
  };
}

function only(names: (keyof Figures)[], figures: Figures): Figures {
  return Object.fromEntries(names.map((name) => [name, figures[name]]));
}

async function readMemory({ redis }: Stack) {
  return { bytes: await dataBytes(redis, keys), holds: await redis.zcard(keys.deadlines) };
}
