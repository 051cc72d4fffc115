import { createKeys } from "../../../src/redis/keys.ts";
import { compareBooks } from "../books.ts";
import { STORE } from "../deciding-side.ts";
import { type Figures, type Row, rowOf } from "../figures.ts";
import { HOLDFAST_BOOKS, measureRun, warmUp } from "../http-scenario.ts";
import { type Load, skuName } from "../load.ts";
import { type Bench, PLENTY, refuseDifferences, type Scenario } from "../scenario.ts";
import { type Stack, startStack } from "../stack.ts";
import { stockUp } from "../stock.ts";

const SKU = skuName(0);
const RULES_KEY = "bench-rules";
const CLIENTS = [64, 256];
const ANSWERED = { answers: { "/holds/reserve": 201 } };
/** Every rule that can be looked at while somebody reserves, and none that refuses anybody. */
const RULES = {
  maxPerOrder: 1_000,
  maxPerCustomer: 1_000_000,
  maxActiveHolds: 1_000_000,
  opensAt: "2020-01-01T00:00:00.000Z",
  closesAt: "2999-12-31T00:00:00.000Z",
  holdSeconds: 300,
  maxHoldSeconds: 86_400,
  maxExtensions: 3,
  returnsFree: true,
};

/** What the rules of a sale cost. */
export const rules: Scenario = {
  name: "rules",
  what:
    "reserve-hot where nothing has rules, and where the SKU has all of them and its customers are counted: " +
    "in turn, each on a stack of its own",
  async run(bench) {
    bench.progress.step("starting");
    const free = await open(bench, "free");
    const ruled = await open(bench, "ruled");
    await setRules(ruled);

    const rows: Row[] = [];
    for (const clients of CLIENTS) rows.push(...(await measure(bench, clients, { free, ruled })));

    bench.progress.step("checking the books");
    for (const stack of [free, ruled]) {
      refuseDifferences(await compareBooks(stack, { skus: [SKU], units: PLENTY }));
    }
    return rows;
  },
};

async function open(bench: Bench, name: string): Promise<Stack> {
  const stack = await startStack({ api: "HOLDFAST", ...bench, dir: `${bench.dir}-${name}` });
  await stockUp(stack.redis, [SKU], PLENTY);
  return stack;
}

async function setRules({ api_url, redis }: Stack): Promise<void> {
  const { status } = await fetch(`${api_url}/v1/rules/${SKU}`, {
    method: "PUT",
    headers: { "Content-Type": "application/json", "Idempotency-Key": RULES_KEY },
    body: JSON.stringify(RULES),
  });
  if (status !== 202) throw new Error(`setting the rules was answered with ${status}`);
  // The books know of no idempotency records but those of holds.
  await redis.del(createKeys(STORE).idem("rules", RULES_KEY));
}

// Directly after each other, and each as often the first: what else the machine does slows down both.
async function measure(
  bench: Bench,
  clients: number,
  { free, ruled }: { free: Stack; ruled: Stack },
): Promise<Row[]> {
  const { progress, seconds, runs } = bench;
  const loadOf = ({ api_url: origin }: Stack): Load => ({
    kind: "RESERVE",
    origin,
    path: "/holds/reserve",
    clients,
    skus: 1,
    seconds,
    per_second: 0,
  });
  progress.step(`${clients} clients, warming up`);
  for (const stack of [free, ruled]) await warmUp(loadOf(stack), bench, stack);

  const measured: { free: Figures[]; ruled: Figures[] } = { free: [], ruled: [] };
  const run = (stack: Stack) => measureRun(loadOf(stack), ANSWERED, HOLDFAST_BOOKS, bench, stack);
  for (let i = 1; i <= runs; i += 1) {
    progress.step(`${clients} clients, run ${i} of ${runs}`);
    const early = i % 2 === 0 ? await run(ruled) : null;
    const without = await run(free);
    const figures = early ?? (await run(ruled));
    const free_ratio = (figures.rate ?? 0) / (without.rate ?? 0);
    measured.free.push(without);
    measured.ruled.push({ ...figures, free_ratio });
  }
  const names = { scenario: "rules", clients };
  return [
    rowOf({ ...names, label: "none" }, measured.free),
    rowOf({ ...names, label: "all of them" }, measured.ruled),
  ];
}
