import type { Redis } from "ioredis";
import { closedLoop } from "../closed-loop.ts";
import { openDecidingSide, STORE } from "../deciding-side.ts";
import { httpScenario, type Prepared } from "../http-scenario.ts";
import { dataBytes } from "../memory.ts";
import type { Bench } from "../scenario.ts";
import type { Stack } from "../stack.ts";
import { stockUp } from "../stock.ts";

const IN_FLIGHT = 512;
const SAMPLES = 1_000;

/** Whether a long sale slows down. */
export const grown = httpScenario({
  name: "grown",
  what: "reserve-hot with 1,000,000 more live holds in Redis (or as many as --grown says), each of a SKU of its own",
  api: "HOLDFAST",
  rows: [
    { label: "", clients: 64, skus: 1 },
    { label: "", clients: 256, skus: 1 },
  ],
  answers: { "/holds/reserve": 201 },
  prepare: grow,
});

async function grow(
  { progress, parts, grown }: Bench,
  stack: Stack,
  units: number,
): Promise<Prepared> {
  progress.step(`making ${grown} live holds`);
  const side = await parts.start("a deciding side", () => openDecidingSide(stack.redis_url));
  const skus = Array.from({ length: grown }, (_, i) => `grown-${String(i).padStart(7, "0")}`);
  await stockUp(stack.redis, skus, units);
  const before = await dataBytes(stack.redis, side.keys);
  await closedLoop(
    { count: grown, in_flight: IN_FLIGHT },
    (i) => side.createHold(skus[i] ?? ""),
    (done) => progress.detail(`${done} of ${grown} live holds are made`),
  );
  await stack.untilQuiet((missing) => progress.detail(`${missing} events are to be recorded`));
  const bytes = (await dataBytes(stack.redis, side.keys)) - before;
  const some = skus.slice(0, SAMPLES).map((sku) => side.keys.item(sku, STORE));
  const item_bytes = (await bytesOf(stack.redis, some)) / some.length;
  // Each hold is the first one of its SKU, whose counts are not the hold's.
  return { skus, bytes_per_hold: bytes / grown - item_bytes };
}

async function bytesOf(redis: Redis, keys: string[]): Promise<number> {
  const sizes = await Promise.all(keys.map((key) => redis.memory("USAGE", key)));
  return sizes.reduce<number>((sum, size) => sum + Number(size), 0);
}
