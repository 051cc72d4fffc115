import { setTimeout as sleep } from "node:timers/promises";
import { refuseUnaccepted } from "../answers.ts";
import { compareBooks } from "../books.ts";
import { shareCpu } from "../cpu-share.ts";
import { type Figures, rowOf } from "../figures.ts";
import { type Load, runLoad, skuName } from "../load.ts";
import { readMetrics } from "../metrics-page.ts";
import { type Probed, percentile, probe } from "../probe.ts";
import { type Bench, PLENTY, refuseDifferences, type Scenario, Wrong } from "../scenario.ts";
import { type Stack, startStack } from "../stack.ts";
import { stockUp } from "../stock.ts";

const RESERVE = "/holds/reserve";
/** As many as wait at once when nobody is refused: a rush is many people, not fast ones. */
const CLIENTS = 1_000;
const CALM_CLIENTS = 64;
const PROBES_PER_SECOND = 300;
/** Of what can be sustained. */
const CALM = 0.5;
/** Until all clients are connected. */
const CONNECT_SECONDS = 3;
const TIMES = [2, 5, 10];
const MEGA = 1e6;

/** What becomes of a sale when many times more is asked for than can be done. */
export const overload: Scenario = {
  name: "overload",
  what:
    `sustained: what ${CALM_CLIENTS} clients get who wait for their answers; calm: half of that, by a ` +
    `schedule; 2 ×, 5 ×, 10 ×: so many times that, by a schedule, from ${CLIENTS.toLocaleString("en-US")} ` +
    "clients: accepted per second by the API's count, and refused (503). Times are those of " +
    `${PROBES_PER_SECOND} further reserves a second, each from when it was due`,
  async run(bench) {
    bench.progress.step("starting");
    const stack = await startStack({ api: "HOLDFAST", ...bench });
    const { cores } = bench;
    if (cores !== undefined) await bench.parts.start("its share of a core", () => shareCpu(cores));
    const skus = [skuName(0)];
    await stockUp(stack.redis, skus, PLENTY);
    bench.progress.step("warming up");
    const closed = loadOn(stack, bench.seconds, CALM_CLIENTS, 0);
    await runLoad(bench.generator, { ...closed, seconds: 2 * bench.seconds }, bench.parts);
    await stack.untilQuiet();

    const sustained: Figures[] = [];
    const calm: Rushed[] = [];
    const rushed = new Map(TIMES.map((times) => [times, [] as Rushed[]]));
    for (let run = 1; run <= bench.runs; run += 1) {
      bench.progress.step(`run ${run} of ${bench.runs}`);
      const result = await runLoad(bench.generator, closed, bench.parts);
      refuseUnaccepted(result);
      await stack.untilQuiet();
      const rate = result.requests / result.seconds;
      sustained.push({ rate });
      calm.push(await rush(bench, stack, rate * CALM, CALM_CLIENTS));
      for (const [times, runs] of rushed) {
        bench.progress.step(`run ${run} of ${bench.runs}, ${times} ×`);
        runs.push(await rush(bench, stack, rate * times, CLIENTS));
      }
    }
    bench.progress.step("checking the books");
    refuseDifferences(await compareBooks(stack, { skus, units: PLENTY }));
    const row = (label: string, runs: Figures[], clients = CLIENTS) =>
      rowOf({ scenario: this.name, label, clients }, runs);
    return [
      row("sustained", sustained, CALM_CLIENTS),
      row(
        "calm",
        calm.map(({ accepted }) => accepted),
        CALM_CLIENTS,
      ),
      ...[...rushed].flatMap(([times, runs]) => [
        row(
          `${times} ×`,
          runs.map(({ accepted }, i) => ({
            ...accepted,
            p99_ratio: (accepted.p99_ms ?? 0) / (calm[i]?.accepted.p99_ms ?? 0),
            sustained_ratio: (accepted.rate ?? 0) / (sustained[i]?.rate ?? 0),
            asked_ratio:
              ((accepted.rate ?? 0) + (runs[i]?.refused.rate ?? 0)) / (sustained[i]?.rate ?? 0),
          })),
        ),
        row(
          `${times} ×, refused`,
          runs.map(({ refused }) => refused),
        ),
      ]),
    ];
  },
};

type Rushed = { accepted: Figures; refused: Figures };

async function rush(
  { generator, parts, seconds }: Bench,
  stack: Stack,
  per_second: number,
  clients: number,
): Promise<Rushed> {
  const load = loadOn(stack, seconds + CONNECT_SECONDS, clients, per_second);
  const { result } = await generator.start(load, parts);
  await sleep(CONNECT_SECONDS * 1000);
  const before = await readMetrics(stack.api_url); // which also begins the loop's delay anew
  const began = performance.now();
  const asked = { origin: stack.api_url, path: RESERVE, sku: skuName(0) };
  const probed = await probe({ ...asked, per_second: PROBES_PER_SECOND, seconds });
  const after = await readMetrics(stack.api_url);
  const probed_seconds = (performance.now() - began) / 1000;
  const flood = await result;
  if (flood.failed + probed.failed > 0) {
    throw new Wrong(`${flood.failed + probed.failed} requests got no answer`);
  }
  await stack.untilQuiet();
  const per_status = (status: number) =>
    ((after.answersOf(RESERVE).get(status) ?? 0) - (before.answersOf(RESERVE).get(status) ?? 0)) /
    probed_seconds;
  const rss_mb = after.sum("process_resident_memory_bytes") / MEGA;
  const loop_p99_ms = after.sum("nodejs_eventloop_lag_p99_seconds") * 1000;
  return {
    accepted: { rate: per_status(201), ...timesOf(probed.accepted), rss_mb, loop_p99_ms },
    refused: { rate: per_status(503), ...timesOf(probed.refused) },
  };
}

const timesOf = (ms: Probed["accepted"]) => ({
  p50_ms: percentile(ms, 0.5),
  p99_ms: percentile(ms, 0.99),
  p999_ms: percentile(ms, 0.999),
});

const loadOn = (
  { api_url }: Stack,
  seconds: number,
  clients: number,
  per_second: number,
): Load => ({
  kind: "RESERVE",
  origin: api_url,
  path: RESERVE,
  clients,
  seconds,
  skus: 1,
  per_second,
});
