import { formatTable } from "../table.ts";
import type { Figures, Row } from "./figures.ts";
import type { Machine } from "./machine.ts";
import { micros, ms, ratio, whole } from "./numbers.ts";
import type { Scenario } from "./scenario.ts";
import type { Target } from "./targets.ts";

const WIDTH = 100;
const COLUMNS: [title: string, cell: (row: Row) => string][] = [
  ["clients", ({ clients }) => (clients === undefined ? "" : whole(clients))],
  ["per second", ({ median }) => figure(median.rate, whole)],
  ["× noop", ({ median }) => figure(median.noop_ratio, ratio)],
  ["p50 ms", ({ median }) => figure(median.p50_ms, ms)],
  ["p99 ms", ({ median }) => figure(median.p99_ms, ms)],
  ["p99.9 ms", ({ median }) => figure(median.p999_ms, ms)],
  ["API µs", ({ median }) => figure(median.api_us, micros)],
  ["Redis µs", ({ median }) => figure(median.redis_us, micros)],
  ["worker µs", ({ median }) => figure(median.worker_us, micros)],
  ["Postgres µs", ({ median }) => figure(median.postgres_us, micros)],
  ["bytes/hold", ({ median }) => figure(median.bytes_per_hold, whole)],
];

/** The figures, what they are, and where they were taken. */
export function formatFigures(
  rows: Row[],
  scenarios: Scenario[],
  machine: Machine,
  options: { seconds: number; runs: number },
): string {
  const cells = rows.map((row) => COLUMNS.map(([, cell]) => cell(row)));
  const aligned = cells.map((row) => row.map((cell, i) => padded(cell, i, cells)));
  const names = rows.map(({ scenario, label }) =>
    label === "" ? scenario : `${scenario}, ${label}`,
  );
  const whats = scenarios.map(({ name, what }) => `${name}: ${what}.`);
  const how =
    `Medians of ${options.runs} runs of ${options.seconds} s. "× noop" is against a run of noop directly ` +
    "before, with as many clients. µs are microseconds of CPU for each request, those of worker and Postgres " +
    "until all was recorded. bytes/hold: hold, deadline and idempotency record in Redis.";
  const where =
    `${machine.date}: ${machine.cpu}, ${machine.cores} cores for everything, load included; ` +
    `${machine.memory_gib} GiB; ${machine.os}; disk ${machine.disk}, ${ms(machine.sync_ms)} ms to sync; ` +
    `Node ${machine.node}, Redis ${machine.redis} (appendfsync always), Postgres ${machine.postgres}; ` +
    `load by ${machine.load}.`;
  return [
    formatTable(
      ["scenario", ...COLUMNS.map(([title]) => title)],
      aligned.map((row, i) => [names[i], ...row]),
    ),
    ...[...whats, how, where].map(wrapped),
    "",
  ].join("\n");
}

/** What was to be reached, as far as it was measured. */
export function formatTargets(targets: Target[]): string {
  if (targets.length === 0) return "";
  const answer = { MET: "yes", MISSED: "no", DOES_NOT_APPLY: "" };
  return `\n${formatTable(
    ["figure", "to reach", "measured", "met"],
    targets.map(({ name, limit, measured, outcome }) => [name, limit, measured, answer[outcome]]),
  )}`;
}

const figure = (value: Figures[keyof Figures], format: (value: number) => string) =>
  value === undefined ? "-" : format(value);

/** Numbers stand under each other by their last digit. */
function padded(cell: string, column: number, rows: string[][]): string {
  return cell.padStart(Math.max(...rows.map((row) => row[column]?.length ?? 0)));
}

/** In lines that fit a terminal beside the table. */
function wrapped(text: string): string {
  return text.replaceAll(new RegExp(`(.{1,${WIDTH}})( |$)`, "g"), "$1\n").trimEnd();
}
