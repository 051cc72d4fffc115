import { cpus, type as osType } from "node:os";
import { median } from "../bench/figures.ts";
import { type Evidence, type Finding, whole } from "./evidence.ts";
import { answerRows, type FaultRow, faultRows } from "./figures.ts";
import type { Options } from "./options.ts";

const WIDTH = 104;
const SAYS_WIDTH = 58;
const PARTS_WIDTH = 60;
const WRONG_MAX = 4;

/** What one shows to somebody who does not believe it. */
export function formatPage(evidence: Evidence, findings: Finding[], options: Options): string {
  return `${[
    ...intro(evidence, options),
    "",
    ...done(evidence, options),
    "",
    ...answers(evidence),
    "",
    ...promises(findings),
    "",
    ...verdict(findings, options),
  ].join("\n")}\n`;
}

function intro({ books, sale, faults }: Evidence, { seed, shoppers }: Options): string[] {
  const units = [...books.stocked.values()].reduce((sum, some) => sum + some, 0);
  const seconds = (sale.closed_at - sale.opened_at) / 1000;
  const came = sale.came < shoppers ? `${whole(sale.came)} of ${whole(shoppers)}` : whole(shoppers);
  const [cpu] = cpus();
  const machine = `${cpus().length} cores ${cpu?.model.trim() ?? ""}, ${osType()}, Node ${process.versions.node}`;
  return [
    `Holdfast's drill, seed ${seed}, ${new Date(sale.opened_at).toISOString()}, ${machine}`,
    "",
    ...wrapped(
      `${whole(units)} units of ${books.stocked.size} products were on sale for ${seconds.toFixed(0)} s` +
        `${byRules(books)}. ${came} shoppers came, who paid, paid too late, cancelled, left, asked twice, or cut ` +
        `the connection and asked again. Meanwhile ${faultsOf(faults.length)} struck the system, at random moments. ` +
        "Every answer was written down, and afterwards laid beside what both stores say: Redis, which decides, " +
        "and Postgres, which remembers.",
    ),
  ];
}

function byRules({ limited }: Evidence["books"]): string {
  const [rules] = limited.values();
  if (!rules) return "";
  return (
    `, ${limited.size} of them by rules: from a set time on, ${rules.max_per_customer} for each customer and ` +
    `${rules.max_active_holds} hold at a time, with more time for who pays, a queue, and returns`
  );
}

const faultsOf = (count: number) => (count === 1 ? "one fault" : `${count} faults`);

function done(evidence: Evidence, { kinds }: Options): string[] {
  const rows = faultRows(evidence, kinds).map(({ says, times, back, accepted }) => [
    says,
    whole(times),
    ...spread(back),
    ...spread(accepted),
  ]);
  const titles = ["What was done to the system", "times", "away", "longest"];
  return [
    ...table([...titles, "sales again", "longest"], rows, [1, 2, 3, 4, 5]),
    "Seconds, median. away: until it ran again. sales again: until a request sent after it was accepted.",
  ];
}

function answers(evidence: Evidence): string[] {
  const rows = answerRows(evidence).flatMap(({ says, count, per_second, parts }) => {
    const [first = "", ...more] = wrapped(count === 0 ? "" : parts.join(", "), PARTS_WIDTH);
    const row = [says, whole(count), per_second.toFixed(1), first];
    return [row, ...more.map((line) => ["", "", "", line])];
  });
  return table(["What shoppers were told", "answers", "per s", ""], rows, [1, 2]);
}

const spread = (times_ms: FaultRow["back"]) =>
  times_ms.length === 0
    ? ["-", "-"]
    : [median(times_ms) ?? 0, Math.max(...times_ms)].map((ms) => (ms / 1000).toFixed(2));

function promises(findings: Finding[]): string[] {
  const tried = findings.filter(({ verdict }) => verdict !== "not tried");
  const rows = tried.map(({ promise, says, figure, verdict }) => [
    promise.padEnd(3),
    says.padEnd(SAYS_WIDTH),
    figure,
    verdict,
  ]);
  const others = findings.filter(({ verdict }) => verdict === "not tried");
  const names = others.map(({ promise, says, figure }) => `${promise} ${says} (${figure})`.trim());
  return [
    ...table(["", "What was promised, and what was counted", "", ""], rows, []),
    ...wrapped(names.length === 0 ? "" : `Not tried: ${names.join("; ")}.`).filter(isFilled),
  ];
}

function verdict(findings: Finding[], { seed }: Options): string[] {
  const broken = findings.filter((finding) => finding.verdict === "BROKEN");
  if (broken.length === 0) return ["Every promise was kept."];
  const examples = broken.flatMap(({ promise, says, wrong }) =>
    wrong.slice(0, 1).map((sentence) => `  ${promise.padEnd(3)} ${says}: ${sentence}`),
  );
  return [
    `BROKEN: ${broken.length} of these lines. Seed ${seed} plans the same again. The first of each:`,
    ...examples.slice(0, WRONG_MAX).map((line) => line.slice(0, WIDTH)),
  ];
}

/** Columns with a title each; those of numbers are aligned to the right. */
function table(titles: string[], rows: string[][], numbers: number[]): string[] {
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return numbers.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(titles), ...rows.map((row) => line(row))];
}

const isFilled = (line: string) => line !== "";

const wrapped = (text: string, width = WIDTH) =>
  text
    .replaceAll(new RegExp(`(.{1,${width}})( |$)`, "g"), "$1\n")
    .trimEnd()
    .split("\n");
