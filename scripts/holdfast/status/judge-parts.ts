import { stateInWords } from "../recovery.ts";
import { bodyOf, type Facts, type Process } from "./facts.ts";
import type { Finding } from "./finding.ts";
import { judgeUntold } from "./judge-untold.ts";
import { sumOf } from "./samples.ts";

/** What is wrong with the processes and servers: API, worker, Redis, Postgres. */
export function judgeParts(facts: Facts): Finding[] {
  return [...judgeApi(facts), ...judgeMissing(facts), ...judgeWorker(facts), ...judgeUntold(facts)];
}

function judgeApi({ url, api, is_local, running, data_dir }: Facts): Finding[] {
  if (api.state !== "AWAY") return [];
  const what = `The API does not answer at ${url} (${api.why}): nobody can buy.`;
  const section = "HoldfastDown";
  if (!is_local) {
    const todo = [
      "Is that the right address (--url, HOLDFAST_URL)?",
      "Does its process run? When it does not start, its last line in the log says why.",
    ];
    return [{ urgency: "NOW", what, todo, section }];
  }
  if (running.length === 0) {
    const todo = [
      "Nothing runs here. To start all of it: npx holdfast up --detach",
      "If it runs elsewhere: npx holdfast status --url <its address>",
    ];
    return [{ urgency: "NOW", what, todo, section }];
  }
  const todo = [
    `Here run: ${running.join(", ")}. Why the API does not is in ${data_dir}/log/api.log`,
    `To start all of it anew: ${ANEW}`,
  ];
  return [{ urgency: "NOW", what, todo, section }];
}

/** In words for people what the client of Redis says when it has no connection. */
export const plainly = (said: string) =>
  said.startsWith("Stream isn't writeable") ? "no connection to it" : said;

type Judge = (said: string, facts: Facts) => Finding;

// `up` starts anew what dies, as long as it runs itself.
const restart = ({ is_local, running, data_dir }: Facts, name: string) => {
  if (!is_local) return [];
  const log = `${data_dir}/log/${name}.log`;
  return running.includes("up")
    ? [`It is started here again and again; why it ends is in ${log}`]
    : [`Why it ended may be in ${log}. To start all anew: ${ANEW}`];
};

const ANEW = "npx holdfast down, then npx holdfast up --detach";

// By the name of what /ready says is missing.
const MISSING: Record<string, Judge> = {
  redis: (said, facts) => ({
    urgency: "NOW",
    what: `Redis does not answer: nothing is sold (${plainly(said)}).`,
    todo: [
      "Bring it back. A worker compares it with Postgres and opens it by itself, within seconds.",
      ...restart(facts, "redis"),
    ],
    section: "What runs",
  }),
  admission: closed,
  backlog: (said) => ({
    urgency: "NOW",
    what: `Nothing new is taken on, confirm and cancel still work: ${said}`,
    todo: ["Bring back what records: Postgres and a worker. It opens by itself."],
    section: "HoldfastBacklogFull",
  }),
  postgres: (said, facts) => ({
    urgency: "NOW",
    what: `Postgres does not answer: what is sold is not recorded, lists can't be had (${said}).`,
    todo: [
      "Bring it back. The sale goes on until BACKLOG_LIMIT events wait; then all is recorded in order.",
      ...restart(facts, "postgres"),
    ],
    section: "HoldfastNobodyRecords",
  }),
  migrations: (said) => ({
    urgency: "NOW",
    what: `The tables of Postgres are not those of this version: ${said}`,
    todo: ["npx holdfast migrate status", "npx holdfast migrate up"],
    section: "Upgrades",
  }),
  lag: (said) => ({
    urgency: "TODAY",
    what: `${said}: lists and history are old by so much. The sale goes on.`,
    todo: ["Does a worker run, and has Postgres enough CPU and disk?"],
    section: "HoldfastLag",
  }),
  running: () => ({
    urgency: "NOTE",
    what: "A process is stopping; it answers what it has.",
    todo: ["Nothing, if somebody stops it. Another one should take its place."],
    section: "Upgrades",
  }),
};

function closed(said: string, { recovery }: Facts): Finding {
  const now = bodyOf(recovery);
  const finding = { urgency: "NOW", section: "HoldfastClosed" } as const;
  if (now?.state === "WAITING_FOR_APPROVAL") {
    const { lost, finding: is = "" } = now.report ?? {};
    const events = lost
      ? ` (${is}; ${lost.exact ? "" : "at least "}${lost.events} events that nobody has)`
      : "";
    return {
      ...finding,
      what: `Redis has lost data${events}. Nothing is sold until you approve of it.`,
      todo: [
        "npx holdfast recovery show (what was lost)",
        "npx holdfast recovery approve (go on without it)",
      ],
      section: "HoldfastRecoveryWaiting",
    };
  }
  if (now === undefined || now.state === "OPEN") {
    const todo = ["A worker opens it, and needs Postgres for that: do both run?"];
    return { ...finding, what: `Redis is not admitted, so nothing is sold: ${said}`, todo };
  }
  if (now.state === "CLOSED") {
    const todo = ["Start a worker. It opens Redis within seconds, and needs Postgres for that."];
    return { ...finding, what: stateInWords(now.state), todo };
  }
  const todo = [
    "Wait some seconds: npx holdfast recovery show. If it stays, read the worker's log.",
  ];
  return { ...finding, what: stateInWords(now.state), todo };
}

function judgeMissing(facts: Facts): Finding[] {
  const told = { ...missingOf(facts.worker), ...missingOf(facts.api) };
  // Whoever has no Redis knows of no admission either.
  if ("redis" in told) {
    delete told.admission;
    delete told.lag;
  }
  if ("postgres" in told) {
    delete told.migrations;
    delete told.lag;
  }
  return Object.entries(told).map(
    ([name, said]) =>
      MISSING[name]?.(said, facts) ?? {
        ...{ urgency: "NOW", what: `${name} is missing: ${said}` },
        ...{ todo: ["Read the log of the API and of the worker."], section: null },
      },
  );
}

const missingOf = (process: Process) =>
  process.state === "NOT_READY" ? { ...process.missing } : {};

/** The worker's audit looks at something every second. */
const LOOKED_MS_MAX = 120_000;

function judgeWorker(facts: Facts): Finding[] {
  const { worker, worker_url, is_local, data_dir, audit, recovery, worker_metrics } = facts;
  const nobody = {
    urgency: "NOW",
    section: "HoldfastNobodyRecords",
    todo: [
      is_local
        ? `Why it ended is in ${data_dir}/log/worker.log. To start it: ${ANEW}`
        : "Start one. When it does not start, its last line in the log says why.",
    ],
  } as const;
  const means = "nothing is recorded, no hold expires, and a Redis that restarts stays closed";
  if (worker.state === "AWAY" && facts.api.state === "AWAY" && facts.running.length === 0) {
    return [];
  }
  if (worker.state === "AWAY") {
    return [{ ...nobody, what: `No worker answers at ${worker_url} (${worker.why}): ${means}.` }];
  }
  const lookedAt = bodyOf(audit)?.lookedAt;
  const is_open = bodyOf(recovery)?.state === "OPEN";
  if (is_open && lookedAt && Date.now() - Date.parse(lookedAt) > LOOKED_MS_MAX) {
    return [{ ...nobody, what: `No worker has looked at anything since ${lookedAt}: ${means}.` }];
  }
  const records = sumOf(bodyOf(worker_metrics), "holdfast_recorder_active");
  if (records !== 0 || worker.state !== "READY") return [];
  return [
    {
      urgency: "NOTE",
      what: `The worker at ${worker_url} does not record: it stands by for another one.`,
      todo: ["If there is no other one, read its log."],
      section: "HoldfastNobodyRecords",
    },
  ];
}
