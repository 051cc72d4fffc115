import { counted, grouped, paint, relative, span } from "../output.ts";
import { bodyOf, type Facts, type Process, type Read } from "./facts.ts";
import { type Finding, isWrong, type Urgency } from "./finding.ts";
import { plainly } from "./judge-parts.ts";
import { sumOf } from "./samples.ts";

/** The page: how each part is, and then what is wrong and what to do about it. */
export function formatStatus(facts: Facts, findings: Finding[]): string {
  const wrong = findings.filter(isWrong).length;
  const verdict =
    wrong === 0
      ? paint("green", "all is well")
      : paint("red", `${counted(wrong, "thing")} ${wrong === 1 ? "is" : "are"} wrong`);
  const rows = PARTS.map(
    ([name, says]) => `  ${paint("bold", name.padEnd(NAME_CHARS))}${says(facts)}\n`,
  );
  return `Holdfast at ${facts.url}: ${verdict}\n\n${rows.join("")}${listed(findings)}`;
}

const NAME_CHARS = 14;

const PARTS: [name: string, says: (facts: Facts) => string][] = [
  ["API", ({ api }) => processWords(api)],
  ["worker", workerWords],
  ["Redis", redisWords],
  ["Postgres", postgresWords],
  ["recorded", recordedWords],
  ["recovery", ({ recovery }) => told(recovery, ({ report }) => reportWords(report))],
  ["dead letters", ({ letters }) => told(letters, (page) => countWords(page))],
  ["audit", auditWords],
  ["payments", ({ payments }) => told(payments, (page) => `${countWords(page)} unfulfilled`)],
  ["sales", ({ paused }) => told(paused, salesWords)],
];

const salesWords = ({ items, nextCursor }: { items: unknown[]; nextCursor: string | null }) =>
  items.length === 0
    ? "none is paused"
    : paint("yellow", `${items.length}${nextCursor === null ? "" : " or more"} paused`);

const good = (text: string) => paint("green", text);
const bad = (text: string) => paint("red", text);
const unknown = (why: string) => paint("dim", `not known (${why})`);

/** What was answered, or why nobody knows. */
function told<Body>(read: Read<Body>, says: (body: Body) => string): string {
  return "body" in read ? says(read.body) : unknown(read.code);
}

function processWords(process: Process): string {
  switch (process.state) {
    case "READY":
      return good("ready");
    case "NOT_READY":
      return `${bad("not ready")}: ${Object.keys(process.missing).join(", ")}`;
    case "AWAY":
      return `${bad("no answer")}: ${process.why}`;
    case "NOT_ASKED":
      return unknown("name its address: --worker-url");
  }
}

function workerWords({ worker, worker_metrics, audit }: Facts): string {
  const active = sumOf(bodyOf(worker_metrics), "holdfast_recorder_active");
  const role = active === undefined ? "" : active > 0 ? ", records" : ", stands by";
  const lookedAt = bodyOf(audit)?.lookedAt;
  const at_work = lookedAt ? `, last at work ${relative(lookedAt)}` : "";
  return processWords(worker) + (worker.state === "READY" ? role : at_work);
}

const missingOf = ({ api, worker }: Facts) => ({
  ...(worker.state === "NOT_READY" ? worker.missing : {}),
  ...(api.state === "NOT_READY" ? api.missing : {}),
});
const isAnswering = ({ api, worker }: Facts) =>
  [api, worker].some(({ state }) => state === "READY" || state === "NOT_READY");

function redisWords(facts: Facts): string {
  if (!isAnswering(facts)) return unknown("nobody answers who could tell");
  const missing = missingOf(facts);
  if ("redis" in missing) return `${bad("no answer")}: ${plainly(missing.redis)}`;
  const state = bodyOf(facts.recovery)?.state ?? ("admission" in missing ? "CLOSED" : "OPEN");
  const part = sumOf(bodyOf(facts.api_metrics), "holdfast_redis_memory_part");
  const memory =
    part === undefined
      ? ""
      : part === 0
        ? ", without maxmemory"
        : `, uses ${Math.round(100 * part)} % of its maxmemory`;
  return (state === "OPEN" ? good("open") : bad(state)) + memory;
}

function postgresWords(facts: Facts): string {
  if (!isAnswering(facts)) return unknown("nobody answers who could tell");
  const missing = missingOf(facts);
  if ("postgres" in missing) return `${bad("no answer")}: ${missing.postgres}`;
  return "migrations" in missing ? bad(`migrations are ${missing.migrations}`) : good("there");
}

function recordedWords({ projections }: Facts): string {
  return told(projections, ({ partitions: [partition] }) => {
    if (!partition) return "nothing yet";
    const { appliedSeq, backlog, lagMs } = partition;
    if (backlog === 0) return `all ${counted(appliedSeq, "event")}`;
    const waiting = backlog === null ? "" : `, ${grouped(backlog)} wait`;
    return `${counted(appliedSeq, "event")}${waiting}, ${span(lagMs)} behind`;
  });
}

function reportWords(report: { finding: string; beganAt: string } | null): string {
  return report ? `the last one ${relative(report.beganAt)} (${report.finding})` : "never needed";
}

const countWords = ({ items, nextCursor }: { items: unknown[]; nextCursor: string | null }) =>
  items.length === 0 ? "none" : bad(`${items.length}${nextCursor === null ? "" : " or more"}`);

function auditWords({ audit }: Facts): string {
  return told(audit, ({ open, lastRound }) => {
    const round = lastRound
      ? `${counted(lastRound.stocks, "stock")} looked at, ended ${relative(lastRound.endedAt)}`
      : "no round is done yet";
    if (open.alarms > 0) return `${bad(counted(open.alarms, "drift"))}, ${round}`;
    return `${open.whole ? good("both sides agree") : unknown("too much to look through")}, ${round}`;
  });
}

const LABELS: Record<Urgency, string> = { NOW: "now", TODAY: "today", NOTE: "note" };

function listed(findings: Finding[]): string {
  if (findings.length === 0) return "";
  const items = findings.map(({ urgency, what, todo, section }, index) => {
    const label = paint(urgency === "NOW" ? "red" : "yellow", `[${LABELS[urgency]}]`);
    const lines = todo.map((line) => `     → ${line}\n`);
    const more =
      section === null ? "" : `     ${paint("dim", `docs/operations.md, "${section}"`)}\n`;
    return `${`${index + 1}.`.padStart(4)} ${label} ${what}\n${lines.join("")}${more}`;
  });
  return `\nWhat is wrong, and what to do:\n${items.join("")}`;
}
