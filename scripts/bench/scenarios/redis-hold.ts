import type { Redis } from "ioredis";
import { compareBooks } from "../books.ts";
import { closedLoop } from "../closed-loop.ts";
import { cpuOfRedis } from "../cpu.ts";
import { openDecidingSide } from "../deciding-side.ts";
import { type Figures, rowOf } from "../figures.ts";
import { skuName } from "../load.ts";
import { dataBytes } from "../memory.ts";
import { PLENTY, refuseDifferences, type Scenario, Wrong } from "../scenario.ts";
import { startStack } from "../stack.ts";
import { stockUp } from "../stock.ts";

const BATCH = 64;
const HOLDS = 640 * BATCH;
const WARM_UP_HOLDS = 100 * BATCH;

/** What Redis needs for a hold when batches are full. */
export const redisHold: Scenario = {
  name: "redis-hold",
  what:
    `accepted holds of one SKU in script calls of ${BATCH}, without HTTP; Redis neither is read by the worker ` +
    "meanwhile nor rewrites its file",
  async run(bench) {
    const { progress, parts, runs } = bench;
    progress.step("starting");
    const stack = await startStack({ api: "HOLDFAST", ...bench });
    const { redis } = stack;
    const side = await parts.start("a deciding side", () => openDecidingSide(stack.redis_url));
    const skus = [skuName(0)];
    await stockUp(redis, skus, PLENTY);
    await stack.stopWorker();
    await redis.config("SET", "auto-aof-rewrite-percentage", 0);

    // All of a batch are answered at once, and so the next ones are asked for at once.
    const createHolds = (count: number) =>
      closedLoop({ count, in_flight: BATCH }, () => side.createHold(skuName(0)));
    progress.step("warming up");
    await createHolds(WARM_UP_HOLDS);
    const bytes_before = await dataBytes(redis, side.keys);
    const measured: Figures[] = [];
    for (let run = 1; run <= runs; run += 1) {
      progress.step(`run ${run} of ${runs}`);
      const calls_before = await countCalls(redis);
      const cpu_before = await cpuOfRedis(redis);
      const started = performance.now();
      await createHolds(HOLDS);
      const seconds = (performance.now() - started) / 1000;
      const cpu = (await cpuOfRedis(redis)) - cpu_before;
      refuseSmallBatches((await countCalls(redis)) - calls_before);
      measured.push({ rate: HOLDS / seconds, redis_us: (cpu * 1e6) / HOLDS });
    }
    const bytes = (await dataBytes(redis, side.keys)) - bytes_before;

    await stack.startWorker();
    await stack.untilQuiet((missing) => progress.detail(`${missing} events are to be recorded`));
    progress.step("checking the books");
    refuseDifferences(await compareBooks(stack, { skus, units: PLENTY }));
    const names = { scenario: this.name, label: "" };
    return [rowOf(names, measured, { bytes_per_hold: bytes / (HOLDS * runs) })];
  },
};

async function countCalls(redis: Redis): Promise<number> {
  const info = await redis.info("commandstats");
  return Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(info)?.[1] ?? 0);
}

function refuseSmallBatches(calls: number): void {
  if (HOLDS / calls >= BATCH / 2) return;
  throw new Wrong(`${HOLDS} holds took ${calls} calls: these are no batches of ${BATCH}`);
}
