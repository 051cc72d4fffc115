import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { compareBooks } from "../books.ts";
import { closedLoop } from "../closed-loop.ts";
import { cpuPer } from "../cpu.ts";
import { type DecidingSide, openDecidingSide } from "../deciding-side.ts";
import { type Figures, rowOf } from "../figures.ts";
import { skuName } from "../load.ts";
import { type Bench, PLENTY, refuseDifferences, type Scenario } from "../scenario.ts";
import { type Stack, startStack } from "../stack.ts";
import { stockUp } from "../stock.ts";

const BACKLOG = 200_000;
const IN_FLIGHT = 512;
const PER_SECOND = 5_000;
const TICK_MS = 1;
const SKU = skuName(0);

/** How fast the worker writes down what was decided. */
export const record: Scenario = {
  name: "record",
  what:
    `backlog: events recorded per second of ${BACKLOG.toLocaleString("en-US")} that wait for the worker; ` +
    `lag: from the decision to the commit of its event while ${PER_SECOND.toLocaleString("en-US")} holds a ` +
    "second are asked for, in place of p50, p99 and p99.9. Both are decided without HTTP, so that the " +
    "recorder is what is measured",
  async run(bench) {
    bench.progress.step("starting");
    const stack = await startStack({ api: "HOLDFAST", ...bench });
    const side = await bench.parts.start("a deciding side", () =>
      openDecidingSide(stack.redis_url),
    );
    await stockUp(stack.redis, [SKU], PLENTY);

    bench.progress.step("warming up");
    await decide(5_000, side);
    await stack.untilQuiet();
    const lags: Figures[] = [];
    const drains: Figures[] = [];
    for (let run = 1; run <= bench.runs; run += 1) {
      bench.progress.step(`lag, run ${run} of ${bench.runs}`);
      lags.push(await measureLag(bench, stack, side));
    }
    for (let run = 1; run <= bench.runs; run += 1) {
      bench.progress.step(`backlog, run ${run} of ${bench.runs}`);
      drains.push(await measureDrain(bench, stack, side));
    }
    bench.progress.step("checking the books");
    refuseDifferences(await compareBooks(stack, { skus: [SKU], units: PLENTY }));
    return [
      rowOf({ scenario: this.name, label: "backlog" }, drains),
      rowOf({ scenario: this.name, label: "lag" }, lags),
    ];
  },
};

async function measureDrain(
  { progress }: Bench,
  stack: Stack,
  side: DecidingSide,
): Promise<Figures> {
  await stack.stopWorker();
  const seq = await lastSeq(stack, side);
  await decide(BACKLOG, side, (done) =>
    progress.detail(`${done} of ${BACKLOG} events are decided`),
  );
  const before = await stack.readCpu();
  await stack.startWorker();
  await stack.untilQuiet((missing) => progress.detail(`${missing} events are to be recorded`));
  const after = await stack.readCpu();
  // What the worker used, it used since it was started: with its start, which is a second at most.
  const cpu = cpuPer(BACKLOG, { ...before, worker: 0 }, after);
  return { rate: await readRate(stack.postgres, seq), ...cpu, api_us: undefined };
}

async function measureLag({ seconds }: Bench, stack: Stack, side: DecidingSide): Promise<Figures> {
  const seq = await lastSeq(stack, side);
  const before = await stack.readCpu();
  const count = seconds * PER_SECOND;
  const started = performance.now();
  await openLoop(count, () => side.createHold(SKU));
  const rate = (count * 1000) / (performance.now() - started);
  await stack.untilQuiet();
  const cpu = cpuPer(count, before, await stack.readCpu());
  return { rate, ...(await readLags(stack.postgres, seq)), ...cpu, api_us: undefined };
}

const decide = (count: number, side: DecidingSide, onDone?: (done: number) => void) =>
  closedLoop({ count, in_flight: IN_FLIGHT }, () => side.createHold(SKU), onDone);

// By a schedule that waits for no answer.
async function openLoop(count: number, work: () => Promise<unknown>): Promise<void> {
  const all: Promise<unknown>[] = [];
  const started = performance.now();
  while (all.length < count) {
    const due = Math.min(count, ((performance.now() - started) * PER_SECOND) / 1000);
    while (all.length < due) all.push(work());
    await sleep(TICK_MS);
  }
  await Promise.all(all);
}

const lastSeq = async ({ redis }: Stack, { keys }: DecidingSide) =>
  Number(await redis.get(keys.seq));

// From the first commit to the last. What the first one brought was recorded before.
async function readRate(postgres: pg.Client, after_seq: number): Promise<number> {
  const { rows } = await postgres.query(
    `with commits as (
       select pg_xact_commit_timestamp(xmin) as committed_at, count(*) as events
       from processed_events where seq > $1 group by committed_at
     )
     select (sum(events) - (select events from commits order by committed_at limit 1))
       / extract(epoch from max(committed_at) - min(committed_at)) as rate
     from commits`,
    [after_seq],
  );
  return Number(rows[0].rate);
}

async function readLags(postgres: pg.Client, after_seq: number) {
  const { rows } = await postgres.query(
    `select percentile_cont(array[0.5, 0.99, 0.999]) within group (
       order by extract(epoch from pg_xact_commit_timestamp(xmin) - occurred_at) * 1000
     ) as lags
     from processed_events where seq > $1`,
    [after_seq],
  );
  const [p50_ms, p99_ms, p999_ms] = rows[0].lags;
  return { p50_ms, p99_ms, p999_ms };
}
