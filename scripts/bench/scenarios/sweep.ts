import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { until } from "../../until.ts";
import { refuseUnaccepted } from "../answers.ts";
import { compareBooks } from "../books.ts";
import { closedLoop } from "../closed-loop.ts";
import { cpuPer } from "../cpu.ts";
import { type DecidingSide, openDecidingSide } from "../deciding-side.ts";
import { type Figures, rowOf, timesOf } from "../figures.ts";
import { type Load, runLoad, skuName } from "../load.ts";
import { type Bench, PLENTY, refuseDifferences, type Scenario } from "../scenario.ts";
import { type Stack, startStack } from "../stack.ts";
import { stockUp } from "../stock.ts";

const HOLDS = 100_000;
const WARM_UP_HOLDS = 10_000;
const IN_FLIGHT = 512;
const PER_SECOND = 500;
/** So many that one of them is free for each time on the schedule, also when answers are late. */
const CLIENTS = 128;
/** Holds are made so long before a second ends that none of them is decided in the next one. */
const SLACK_MS = 300;
const WARM_UP_TTL_SECONDS = 3;
/** Between what is done before the holds fall due, and that. */
const MARGIN_MS = 5_000;
const SWEEP_SECONDS_MAX = 300;
const SWEPT_SKU = "swept";
const ASKED_SKU = skuName(0);

/** Whether a sale goes on while the holds of its first second run out. */
export const sweep: Scenario = {
  name: "sweep",
  what:
    `${HOLDS.toLocaleString("en-US")} holds fall due in the same second while ${PER_SECOND} reserves a second ` +
    "of another SKU go on by a schedule: holds given back per second from the first deadline on, CPU per " +
    "hold, and the times of those reserves; calm: the same reserves before",
  async run(bench) {
    const { progress, parts, runs } = bench;
    progress.step("starting");
    const stack = await startStack({ api: "HOLDFAST", ...bench });
    const side = await parts.start("a deciding side", () => openDecidingSide(stack.redis_url));
    const skus = [SWEPT_SKU, ASKED_SKU];
    await stockUp(stack.redis, skus, PLENTY);

    progress.step("warming up");
    const per_ms = await warmUp(bench, stack, side);
    const calm: Figures[] = [];
    const swept: Figures[] = [];
    for (let run = 1; run <= runs; run += 1) {
      progress.step(`run ${run} of ${runs}`);
      const figures = await measureSweep(bench, stack, side, per_ms);
      calm.push(figures.calm);
      swept.push(figures.swept);
    }
    progress.step("checking the books");
    refuseDifferences(await compareBooks(stack, { skus, units: PLENTY }));
    return [
      rowOf({ scenario: this.name, label: "calm", clients: CLIENTS }, calm),
      rowOf({ scenario: this.name, label: "", clients: CLIENTS }, swept),
    ];
  },
};

/** Returns how many holds are made and recorded in a millisecond. */
async function warmUp(bench: Bench, stack: Stack, side: DecidingSide): Promise<number> {
  const started = performance.now();
  await closedLoop({ count: WARM_UP_HOLDS, in_flight: IN_FLIGHT }, () =>
    side.createHold(SWEPT_SKU, WARM_UP_TTL_SECONDS),
  );
  await stack.untilQuiet();
  const per_ms = WARM_UP_HOLDS / (performance.now() - started);
  await untilBack(stack.redis, side, side.clock.now() + WARM_UP_TTL_SECONDS * 1000, () => {});
  await stack.untilQuiet();
  await runLoad(bench.generator, loadOn(stack, bench.seconds), bench.parts);
  return per_ms;
}

async function measureSweep(
  bench: Bench,
  stack: Stack,
  side: DecidingSide,
  per_ms: number,
): Promise<{ calm: Figures; swept: Figures }> {
  const { progress, generator, parts, seconds } = bench;
  const making_ms = (2 * HOLDS) / per_ms;
  const due_at = wholeSecond(side.clock.now() + making_ms + seconds * 1000) + MARGIN_MS;
  await makeDue(HOLDS, side, due_at, (done) =>
    progress.detail(`${done} of ${HOLDS} holds are made`),
  );
  await stack.untilQuiet();
  if (side.clock.now() + seconds * 1000 > due_at - MARGIN_MS / 2) {
    throw new Error("the machine has become too slow to make the holds before they fall due");
  }
  progress.detail("reserves in the calm");
  const calm = await runLoad(generator, loadOn(stack, seconds), parts);
  refuseUnaccepted(calm);
  await stack.untilQuiet();
  const before = await stack.readCpu();

  await sleep(due_at - side.clock.now());
  const meanwhile = await generator.start(loadOn(stack, SWEEP_SECONDS_MAX), parts);
  const last_due_at = await lastDeadline(stack.redis, side, due_at);
  const back_at = await untilBack(stack.redis, side, last_due_at, (left) =>
    progress.detail(`${left} holds are to be swept`),
  );
  meanwhile.stopEarly();
  const result = await meanwhile.result;
  refuseUnaccepted(result);
  await stack.untilQuiet((missing) => progress.detail(`${missing} events are to be recorded`));

  const back_seconds_from_first = (back_at - due_at) / 1000;
  return {
    calm: { rate: calm.requests / calm.seconds, ...timesOf(calm) },
    swept: {
      rate: HOLDS / back_seconds_from_first,
      ...timesOf(result),
      ...cpuPer(HOLDS, before, await stack.readCpu()),
      api_us: undefined,
      back_seconds: (back_at - Math.max(due_at + 1000, last_due_at)) / 1000,
      back_seconds_from_first,
      p99_ratio: result.p99_ms / calm.p99_ms,
    },
  };
}

/** Makes holds that all fall due in the second that begins at `due_at`. */
async function makeDue(
  count: number,
  side: DecidingSide,
  due_at: number,
  onDone: (done: number) => void,
): Promise<void> {
  await closedLoop(
    { count, in_flight: IN_FLIGHT },
    async () => {
      const left_ms = 1000 - (side.clock.now() % 1000);
      if (left_ms < SLACK_MS) await sleep(left_ms);
      // A TTL is whole seconds, so a hold falls due as late in that second as it was made in its own.
      await side.createHold(SWEPT_SKU, (due_at - wholeSecond(side.clock.now())) / 1000);
    },
    onDone,
  );
}

const wholeSecond = (ms: number) => Math.floor(ms / 1000) * 1000;

/** Of the holds that fall due from `due_at` on, long before those of the reserves. */
async function lastDeadline(redis: Redis, { keys }: DecidingSide, due_at: number): Promise<number> {
  const latest = due_at + MARGIN_MS;
  const found = await redis.zrevrangebyscore(
    keys.deadlines,
    ...([latest, due_at, "WITHSCORES", "LIMIT", 0, 1] as const),
  );
  return Number(found[1] ?? due_at);
}

/** Waits until no hold with a deadline up to `last_due_at` is active. Returns when, on Redis's clock. */
async function untilBack(
  redis: Redis,
  { keys }: DecidingSide,
  last_due_at: number,
  onLook: (left: number) => void,
): Promise<number> {
  return until(
    "all holds are swept",
    async () => {
      const left = await redis.zcount(keys.deadlines, "-inf", last_due_at);
      onLook(left);
      if (left > 0) return undefined;
      const [seconds, micros] = await redis.time();
      return Number(seconds) * 1000 + Number(micros) / 1000;
    },
    SWEEP_SECONDS_MAX * 1000,
  );
}

const loadOn = ({ api_url }: Stack, seconds: number): Load => ({
  kind: "RESERVE",
  origin: api_url,
  path: "/holds/reserve",
  clients: CLIENTS,
  seconds,
  skus: 1,
  per_second: PER_SECOND,
});
