import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monotonicNow } from "../../src/now.ts";
import type { Progress } from "../bench/progress.ts";
import { drawAccount, isBroken } from "./account.ts";
import { createAsker } from "./ask.ts";
import { visit } from "./customer.ts";
import { planCustomer } from "./customer-plan.ts";
import { untilAudited, untilDrained } from "./drain.ts";
import type { Finding } from "./evidence.ts";
import { planFaults } from "./fault-plan.ts";
import { createFaults, type Fault } from "./faults.ts";
import { createJournal, type Entry } from "./journal.ts";
import { kindOf } from "./kinds.ts";
import { planLimitedSale, setRules, shareLimited, unitsOf } from "./limited-sale.ts";
import type { Options } from "./options.ts";
import { formatPage } from "./page.ts";
import { readBooks } from "./read-books.ts";
import { holdSale, together } from "./sale.ts";
import { shop } from "./shopper.ts";
import { planOffer, planShopper } from "./shopper-plan.ts";
import { type Stack, startStack } from "./stack.ts";
import { stockUp } from "./stock-up.ts";

/** Between the last thing that is started and the first shopper. */
const OPENS_AFTER_MS = 200;

export type Drill = {
  findings: Finding[];
  page: string;
  /** Where everything was kept, since a promise was broken. */
  kept_in: string | null;
};

/** Somebody does not want to wait any longer. */
export class Stopped extends Error {
  override name = "Stopped";
}

/**
 * One drill, from an empty directory to the account. What it has started it stops again, and it leaves
 * nothing behind unless a promise was broken or it failed itself.
 *
 * @param stopped rejects with Stopped
 */
export async function runDrill(
  options: Options,
  progress: Progress,
  stopped: Promise<never>,
): Promise<Drill> {
  const dir = await mkdtemp(join(tmpdir(), "holdfast-drill-"));
  const journal = createJournal();
  try {
    const { page, findings } = await onItsStack(dir, progress, stopped, (stack) =>
      drill(options, { stack, journal, progress }),
    );
    if (!isBroken(findings)) {
      await rm(dir, { recursive: true, force: true });
      return { findings, page, kept_in: null };
    }
    await keep(dir, journal.entries, { page, findings });
    return { findings, page, kept_in: dir };
  } catch (error) {
    if (error instanceof Stopped || journal.entries.length === 0) {
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
    await keep(dir, journal.entries);
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`the drill failed, ${dir} has everything: ${message}`, { cause: error });
  }
}

async function onItsStack<T>(
  dir: string,
  progress: Progress,
  stopped: Promise<never>,
  work: (stack: Stack) => Promise<T>,
): Promise<T> {
  // Those that we kill are told of as faults.
  const onDeath = (line: string) => line.includes("(SIGKILL)") || progress.step(line);
  const stack = await startStack({ dir, onDeath });
  try {
    progress.step("starting Redis, Postgres, the worker and the API");
    const all = stack.bringUp().then(() => work(stack));
    return await Promise.race([all, stack.failed, stopped]);
  } finally {
    progress.step("stopping");
    await stack.stop();
  }
}

async function drill(
  options: Options,
  deps: { stack: Stack; journal: ReturnType<typeof createJournal>; progress: Progress },
) {
  const { stack, journal, progress } = deps;
  const { seed, seconds, shoppers, kinds } = options;
  const shared = shareLimited(options);
  const offer = planOffer(options.units - shared.units);
  const limitedAt = (at: number) => planLimitedSale(shared.units, shared.ms, at);
  const stocked = new Map([...offer, ...unitsOf(limitedAt(0))]);
  await stockUp(stack, stocked);

  // When a thing opens is told before the first shopper comes, and so by then it is true.
  const opened_at = monotonicNow() + OPENS_AFTER_MS;
  const limited = limitedAt(opened_at);
  await setRules(stack, limited);
  const over = new AbortController();
  const onOver = (fault: Fault) => progress.step(describe(fault, opened_at));
  const { faults, strikeAll } = createFaults({ stack, journal, onOver, over: over.signal });
  const asker = createAsker(stack.api_url, stack.apiFrozenMs);
  progress.step(`the sale opens: ${options.units} units, ${shoppers} shoppers, seed ${seed}`);
  const world = { seed, asker, journal };
  const { customers } = shared;
  const [plain, by_rules] = await Promise.all([
    holdSale({ opened_at, seconds }, shoppers - customers, (number) => {
      const plan = planShopper(number, { seed, seconds, shoppers: shoppers - customers, offer });
      return { comes_at_ms: plan.comes_at_ms, shop: () => shop(plan, world) };
    }),
    holdSale({ opened_at, seconds }, customers, (number) => {
      const plan = planCustomer(number, { seed, ms: shared.ms, customers, sale: limited });
      return { comes_at_ms: plan.comes_at_ms, shop: () => visit(plan, world) };
    }),
    strikeAll(planFaults({ seed, seconds, kinds }), opened_at),
  ]);
  const sale = together(plain, by_rules);
  progress.step("the sale is over, waiting until all is recorded");
  await untilDrained(stack, progress);
  const audits = await untilAudited(stack);
  over.abort();
  asker.close();

  progress.step("comparing what shoppers were told with both stores");
  const books = await readBooks(stack, stocked, audits, limited);
  const found = { journal: journal.entries, books, faults, sale };
  const { evidence, findings } = drawAccount(found);
  return { findings, page: formatPage(evidence, findings, options) };
}

function describe({ kind, struck_at, back_at, accepted_at }: Fault, opened_at: number): string {
  const seconds = (ms: number | null, from: number) => (((ms ?? from) - from) / 1000).toFixed(1);
  return (
    `${kindOf(kind).says} at ${seconds(struck_at, opened_at)} s: back after ${seconds(back_at, struck_at)} s, ` +
    `sales again after ${seconds(accepted_at, struck_at)} s`
  );
}

async function keep(dir: string, entries: Entry[], drawn?: Pick<Drill, "page" | "findings">) {
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
  await writeFile(join(dir, "journal.ndjson"), lines);
  if (!drawn) return;
  await writeFile(join(dir, "page.txt"), drawn.page);
  await writeFile(join(dir, "findings.json"), `${JSON.stringify(drawn.findings, null, 2)}\n`);
}
