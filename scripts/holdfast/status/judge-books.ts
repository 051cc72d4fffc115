import { placeOf } from "../audit.ts";
import type { Drift, OpenAudit } from "../audit-pages.ts";
import { counted, relative, span } from "../output.ts";
import { bodyOf, type Facts } from "./facts.ts";
import type { Finding } from "./finding.ts";
import { sumOf } from "./samples.ts";

const DAY_MS = 86_400_000;
const LAG_MS_MAX = 30_000;
const MEMORY_PART_MAX = 0.75;

/** What is wrong with what was decided and recorded. */
export function judgeBooks(facts: Facts): Finding[] {
  return [
    ...judgeLosses(facts),
    ...judgeAudit(facts),
    ...judgeLetters(facts),
    ...judgePayments(facts),
    ...judgeSales(facts),
    ...judgeLag(facts),
    ...judgeCounters(facts),
  ];
}

function judgeLosses({ recovery }: Facts): Finding[] {
  const { state, report } = bodyOf(recovery) ?? {};
  if (!report || state === "WAITING_FOR_APPROVAL") return [];
  // What was lost stays lost; who has looked at it for a day has heard of it.
  if (report.finishedAt !== null && isOld(report.finishedAt)) return [];
  const findings: Finding[] = [];
  if (report.lost.events > 0) {
    const many = `${report.lost.exact ? "" : "at least "}${counted(report.lost.events, "event")}`;
    findings.push({
      urgency: "NOW",
      what: `Redis lost ${many} ${relative(report.beganAt)}: who bought then may have nothing.`,
      todo: ["npx holdfast recovery show", "Look for these customers among your payments."],
      section: "HoldfastEventsLost",
    });
  }
  if (report.checked && report.checked.differing > 0) {
    findings.push({
      urgency: "NOW",
      what: `${counted(report.checked.differing, "stock")} had held units that no hold explains when Redis was let in.`,
      todo: ["npx holdfast audit"],
      section: "HoldfastRecoveryDrift",
    });
  }
  return findings;
}

function judgeAudit({ audit, recovery }: Facts): Finding[] {
  // What it had found before Redis was closed is not so any more. Who could not look does not know that.
  const { state } = bodyOf(recovery) ?? { state: "REDIS_AWAY" };
  if (state !== "OPEN" && state !== "REDIS_AWAY") return [];
  const { items, open, lastRound } = bodyOf(audit) ?? NOTHING_OPEN;
  const findings: Finding[] = [];
  const alarms = items.filter(({ alarm }) => alarm);
  const more = open.whole ? "" : " or more";
  if (open.alarms > 0) {
    const kinds = [...new Set(alarms.map(({ kind }) => kind))].join(", ");
    findings.push({
      urgency: "NOW",
      what: `Redis and Postgres disagree in ${counted(open.alarms, "place")}${more} (${kinds}): ${named(alarms)}. With AUDIT_PAUSES_SALES nobody gets a stock, or a sku with rules, that is among them.`,
      todo: ["npx holdfast audit (what each side has, and what can be done)"],
      section: "HoldfastDrift",
    });
  }
  if (open.alarms === 0 && !open.whole) {
    findings.push({
      urgency: "TODAY",
      what: `The audit tells of more than could be looked through: among ${counted(open.warnings, "warning")} was no alarm, but one may be among the others.`,
      todo: ["npx holdfast audit --timeout 60", "npx holdfast audit <sku>, for one that matters"],
      section: "HoldfastDrift",
    });
  }
  const outside = items.filter(({ alarm }) => !alarm);
  if (open.warnings > 0) {
    findings.push({
      urgency: "NOTE",
      what: `${counted(open.warnings, "stock")}${more} set by hand, not explained by an event yet${outside.length > 0 ? `: ${named(outside)}` : ""}.`,
      todo: ["Nothing, if it was meant: the stock's next event explains it."],
      section: null,
    });
  }
  if (lastRound && isOld(lastRound.endedAt)) {
    findings.push({
      urgency: "TODAY",
      what: `The audit has not been through all stocks since ${relative(lastRound.endedAt)}.`,
      todo: ["It waits while Redis is closed, or not all is recorded."],
      section: "HoldfastAuditOld",
    });
  }
  return findings;
}

const NOTHING_OPEN: Pick<OpenAudit, "items" | "lastRound" | "open"> = {
  items: [],
  lastRound: null,
  open: { alarms: 0, warnings: 0, whole: true },
};
const NAMED_MAX = 5;
const named = (drifts: Drift[]) =>
  drifts.slice(0, NAMED_MAX).map(placeOf).join(", ") + (drifts.length > NAMED_MAX ? ", …" : "");

function judgeLetters({ letters }: Facts): Finding[] {
  const { items = [], nextCursor } = bodyOf(letters) ?? {};
  if (items.length === 0) return [];
  const more = nextCursor ? " or more" : "";
  return [
    {
      urgency: "TODAY",
      what: `${counted(items.length, "event")}${more} could not be recorded; the rest goes on. The newest: ${items[0]?.error ?? ""}`,
      todo: ["npx holdfast dead list", "Mend the reason, then: npx holdfast dead replay --all"],
      section: "HoldfastDeadLetters",
    },
  ];
}

function judgePayments({ payments }: Facts): Finding[] {
  const { items = [], nextCursor } = bodyOf(payments) ?? {};
  if (items.length === 0) return [];
  const more = nextCursor ? " or more" : "";
  return [
    {
      urgency: "TODAY",
      what: `${counted(items.length, "customer")}${more} paid for what could not be given any more.`,
      todo: [
        "npx holdfast payments list",
        "Pay back or send it, then: npx holdfast payments resolve",
      ],
      section: "HoldfastUnfulfilledPayments",
    },
  ];
}

function judgeSales({ paused }: Facts): Finding[] {
  const { items = [], nextCursor } = bodyOf(paused) ?? {};
  if (items.length === 0) return [];
  const more = nextCursor || items.length > NAMED_MAX ? ", …" : "";
  const skus = items.slice(0, NAMED_MAX).map(({ sku }) => sku);
  return [
    {
      urgency: "NOTE",
      what: `Paused by its rules, so nobody can buy it: ${skus.join(", ")}${more}`,
      todo: ["To go on with one: npx holdfast sale resume <sku>"],
      section: null,
    },
  ];
}

function judgeLag({ projections, api }: Facts): Finding[] {
  if (api.state === "NOT_READY" && ("lag" in api.missing || "redis" in api.missing)) return [];
  const [partition] = bodyOf(projections)?.partitions ?? [];
  if (!partition || partition.lagMs < LAG_MS_MAX) return [];
  const events = partition.backlog === null ? "" : ` (${counted(partition.backlog, "event")})`;
  return [
    {
      urgency: "TODAY",
      what: `Postgres is ${span(partition.lagMs)} behind${events}: lists are old by so much. The sale goes on.`,
      todo: ["Does a worker run, and has Postgres enough CPU and disk?"],
      section: "HoldfastLag",
    },
  ];
}

type Counter = { metric: string; above?: number } & Omit<Finding, "what"> & {
    says: (value: number) => string;
  };

// Counters begin anew with their process.
const COUNTERS: Counter[] = [
  {
    metric: "holdfast_seq_gaps_total",
    says: (gaps) => `Since the worker started, events were missing in ${counted(gaps, "place")}.`,
    urgency: "NOW",
    todo: [
      './scripts/sql "select * from seq_gaps"',
      "npx holdfast audit shows what they had moved.",
    ],
    section: "HoldfastSeqGap",
  },
  {
    metric: "holdfast_seq_rewinds_total",
    says: () => "Redis has given numbers again that were recorded before: it went back in time.",
    urgency: "NOW",
    todo: ["Stop the sale, keep Redis's file and the log, then: redis-cli SCRIPT FLUSH"],
    section: "HoldfastSeqRewind",
  },
  {
    metric: "holdfast_keeper_stuck_promises",
    says: (stuck) => `${counted(stuck, "initial stock or return")} can't be put in place.`,
    urgency: "NOW",
    todo: ["The worker's log says which, and why."],
    section: "HoldfastStuckPromises",
  },
  {
    metric: "holdfast_corrupt_keys_total",
    says: (met) =>
      `Since the API started, ${counted(met, "request")} met a Redis key that can't be read.`,
    urgency: "TODAY",
    todo: ["The API's log names the key. Set it right: redis-cli SET stock:<sku> <number>"],
    section: "HoldfastCorruptKeys",
  },
  {
    metric: "holdfast_redis_memory_part",
    above: MEMORY_PART_MAX,
    says: (part) => `Redis uses ${Math.round(100 * part)} % of its maxmemory.`,
    urgency: "TODAY",
    todo: ["Raise maxmemory, or lower REPLAY_WINDOW_SECONDS."],
    section: "HoldfastRedisMemory",
  },
];

function judgeCounters({ api_metrics, worker_metrics }: Facts): Finding[] {
  const samples = [bodyOf(worker_metrics), bodyOf(api_metrics)];
  return COUNTERS.flatMap(({ metric, above = 0, says, ...finding }) => {
    const value = Math.max(...samples.map((of) => sumOf(of, metric) ?? 0));
    return value > above ? [{ ...finding, what: says(value) }] : [];
  });
}

const isOld = (time: string) => Date.now() - Date.parse(time) > DAY_MS;
