import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { freshRedis } from "../setup/stack.ts";
import { findOrder } from "./linearize.ts";
import type { SkuOperation } from "./operations.ts";
import { recordHistories } from "./record.ts";
import { createSkuSpec } from "./sku-spec.ts";
import { tell } from "./tell.ts";
import { LIMIT, STORES } from "./wishes.ts";

// The seed decides what is asked and what is done to the connections; the moments are different each time.
const { HISTORY_SEEDS = "1,2,3" } = process.env;
const SEEDS = HISTORY_SEEDS.split(",").map(Number);
const TEST_MS_MAX = 120_000;
const OPERATIONS_MIN = 200;
const SEEDS_MORE_MAX = 4;
/** To be sure that there is no order takes long. */
const ALTERED_MAX = 8;

const spec = createSkuSpec(STORES, LIMIT);
const seen = new Map<string, number>();
const saw = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
/** What must have occurred, or nothing was tried. */
const OCCURS = [
  ...["reserve CREATED", "reserve REPLAYED", "reserve ALL_HELD", "reserve without an answer"],
  ...["confirm CONFIRMED", "confirm REPLAYED", "confirm HOLD_EXPIRED", "confirm HOLD_CANCELLED"],
  ...["cancel CANCELLED", "cancel REPLAYED", "cancel HOLD_ALREADY_CONFIRMED", "expire EXPIRED"],
  ...["adjust CHANGED", "count CHANGED", "transfer TRANSFERRED", "purchase PURCHASED"],
  ...["extend EXTENDED", "resize CHANGED", "limit CHANGED", "reserve LIMIT_EXCEEDED"],
  ...["without an answer, and it happened", "without an answer, and it never happened"],
];

let server: Awaited<ReturnType<typeof freshRedis>>;
let last: SkuOperation[] = [];
beforeAll(async () => {
  server = await freshRedis();
});
afterAll(() => server.close());

function check(sku: string, history: SkuOperation[]) {
  const found = findOrder(spec, history);
  const { order } = found;
  if (!order) throw new Error(`${sku}: ${tell(history, found)}`);
  for (const operation of history) {
    const { input, output } = operation;
    saw(`${input.does} ${output?.word ?? "without an answer"}`);
    const happened = order.includes(operation) ? "happened" : "never happened";
    if (!output) saw(`without an answer, and it ${happened}`);
  }
}

test.each(SEEDS)(
  "what clients see at once over connections that lose replies happens in some order (seed %i)",
  async (seed) => {
    const histories = await recordHistories(server, seed);
    for (const [sku, history] of histories) check(sku, history);
    const all = [...histories.values()];
    expect(all.flat().length).toBeGreaterThan(OPERATIONS_MIN);
    last = all.at(-1) ?? [];
  },
  TEST_MS_MAX,
);

test(
  "in all of it, each of these has occurred",
  async () => {
    const missing = () => OCCURS.filter((what) => !seen.has(what));
    // As it depends on the moments, too, now and then one of them takes another seed.
    for (let more = 1; more <= SEEDS_MORE_MAX && missing().length > 0; more += 1) {
      const histories = await recordHistories(server, Math.max(...SEEDS) + more);
      for (const [sku, history] of histories) check(sku, history);
    }
    expect(missing()).toEqual([]);
  },
  TEST_MS_MAX,
);

test("had any read seen one unit more, no order would explain it", () => {
  const reads = last.filter(({ output }) => output?.stocks).slice(0, ALTERED_MAX);
  expect(reads.length).toBeGreaterThan(5);
  const explained = reads.filter((read) => {
    const stocks = structuredClone(read.output?.stocks) ?? {};
    if (stocks.main) stocks.main.available += 1;
    const altered = { ...read, output: { word: "STOCKS", stocks } };
    return findOrder(spec, last.with(last.indexOf(read), altered)).order;
  });
  // Now and then one that came amid several changes might just as well have seen that.
  expect(explained.length).toBeLessThanOrEqual(1);
});
