import { count, type Evidence, type Finding, lossesOf, reportsOf, whole } from "../evidence.ts";
import type { Fault } from "../faults.ts";
import { type Entry, isDecision, isUnavailable } from "../journal.ts";
import { kindOf } from "../kinds.ts";
import { answerOf } from "../told.ts";

/** Of the issue: after it lost everything, Redis is open again within this time of Postgres and a worker. */
const READMITTED_MS_MAX = 10_000;
/** A shorter time says nothing about whether sales went on. */
const QUIET_MS_MIN = 500;

const NOT_TRIED = "--faults flushall does";

type Time = { from: number; to: number };

/** What was done to the system, and how sales went meanwhile and afterwards. */
export function outageFindings(evidence: Evidence): Finding[] {
  return [
    badEvents(),
    shutAfterLoss(evidence),
    readmitted(evidence),
    soldWithoutPostgres(evidence),
    recovered(evidence),
  ];
}

// A drill has none: it would have to write into Redis behind the scripts' back.
function badEvents(): Finding {
  const figure = "the tests do";
  const says = "bad events that blocked others";
  return { promise: "G9", says, figure, verdict: "not tried", wrong: [] };
}

// An empty Redis would sell what was sold already, or deny what was promised.
function shutAfterLoss(evidence: Evidence): Finding {
  const times = lossesOf(evidence).flatMap(({ readmission }) =>
    readmission ? [{ from: readmission.lost_at, to: readmission.shut_until }] : [],
  );
  const decisions = decisionsOf(evidence);
  const asked = evidence.journal.filter((entry) => times.some((time) => isWithin(entry, time)));
  const wrong = decisions
    .filter((entry) => !isOfLedger(entry) && times.some((time) => isWithin(entry, time)))
    .map(({ key, request, outcome }) => {
      const { status = 0, code = "" } = outcome.end === "ANSWERED" ? outcome.answer : {};
      return `${key} (${request.action}): ${status} ${code}`.trimEnd();
    });
  const of = { number: asked.length, what: "requests" };
  const row = count("G11", "answers other than 'come back' by an emptied Redis", wrong, of);
  return times.length === 0 ? { ...row, figure: NOT_TRIED } : row;
}

// How much of an order may come back is decided in Postgres; only what is new takes Redis.
function isOfLedger(entry: Entry): boolean {
  const { status = 0, replayed = false } = answerOf(entry) ?? {};
  return entry.request.action === "RETURN" && (status >= 400 || replayed);
}

function readmitted(evidence: Evidence): Finding {
  const losses = lossesOf(evidence);
  const helpersAway = evidence.faults
    .filter(({ kind }) => ["postgres", "worker"].includes(kindOf(kind).part))
    .map(awayTime);
  const wrong = losses.flatMap(({ readmission }) => {
    if (!readmission) return [];
    const { lost_at, admitted_at } = readmission;
    if (admitted_at === null) return ["nobody noticed that Redis is empty, and let it in again"];
    // Only a worker can let it in, and only Postgres knows what to give back.
    const helped = subtract([{ from: lost_at, to: admitted_at }], helpersAway);
    const took_ms = helped.reduce((ms, { from, to }) => ms + to - from, 0);
    return took_ms > READMITTED_MS_MAX ? [`Redis was let in after ${whole(took_ms)} ms only`] : [];
  });
  const reports = reportsOf(evidence);
  if (losses.length > 0 && reports.length === 0) wrong.push("nothing says how much was lost");
  // Then somebody has listened to Redis all the time.
  const nothing_else_failed = losses.length === evidence.faults.length;
  if (nothing_else_failed && reports.some(({ exact }) => !exact)) {
    wrong.push("it is not known how much was lost, though nothing else had failed");
  }
  const told = reports.map(({ events_lost, exact }) =>
    exact ? `${events_lost}` : `at least ${events_lost}`,
  );
  return {
    promise: "G11",
    says: "an emptied Redis, back in 10 s and the loss told",
    figure:
      losses.length === 0 ? NOT_TRIED : `events lost, as told: ${told.join(", ") || "nothing"}`,
    verdict: losses.length === 0 ? "not tried" : wrong.length > 0 ? "BROKEN" : "kept",
    wrong,
  };
}

// While Postgres is away and nothing else is, shoppers must notice nothing.
function soldWithoutPostgres(evidence: Evidence): Finding {
  const { faults, sale } = evidence;
  const away = faults.filter(({ kind }) => kindOf(kind).part === "postgres").map(awayTime);
  const others = faults.filter(({ kind }) => ["api", "redis"].includes(kindOf(kind).part));
  const quiet = subtract(away, others.map(troubledTime))
    // Shoppers who are there after the last one came may have nothing left to ask.
    .map(({ from, to }) => ({ from, to: Math.min(to, sale.last_came_at) }))
    .filter(({ from, to }) => to - from >= QUIET_MS_MIN);
  const decisions = decisionsOf(evidence);
  const counts = quiet.map((time) => decisions.filter((entry) => isWithin(entry, time)).length);
  const wrong = quiet.flatMap(({ from, to }, i) =>
    counts[i] === 0 ? [`nothing was decided in ${whole(to - from)} ms without Postgres`] : [],
  );
  const decided = counts.reduce((sum, number) => sum + number, 0);
  const seconds = quiet.reduce((sum, { from, to }) => sum + to - from, 0) / 1000;
  return {
    promise: "G12",
    says: "requests decided while Postgres was away",
    figure:
      quiet.length > 0 ? `${whole(decided)} in ${seconds.toFixed(1)} s` : "--faults postgres does",
    verdict: wrong.length > 0 ? "BROKEN" : quiet.length === 0 ? "not tried" : "kept",
    wrong,
  };
}

function recovered({ faults, sale }: Evidence): Finding {
  const wrong = faults.flatMap(({ kind, struck_at, accepted_at }) =>
    accepted_at === null
      ? [`nothing was accepted after ${at(struck_at - sale.opened_at)}: ${kindOf(kind).says}`]
      : [],
  );
  const of = { number: faults.length, what: "faults" };
  return count("", "faults after which sales did not go on by themselves", wrong, of);
}

/** Answers that decided something: done, or refused by a rule. */
const decisionsOf = ({ journal }: Evidence) =>
  journal.filter((entry) => {
    const answer = answerOf(entry);
    return answer !== undefined && isDecision(entry) && !isUnavailable(answer);
  });

const isWithin = ({ sent_at, ended_at }: { sent_at: number; ended_at: number }, time: Time) =>
  sent_at > time.from && ended_at < time.to;

const awayTime = ({ struck_at, back_at }: Fault): Time => ({
  from: struck_at,
  to: back_at ?? struck_at,
});

/** Until a request was accepted again. */
const troubledTime = ({ struck_at, accepted_at }: Fault): Time => ({
  from: struck_at,
  to: accepted_at ?? Number.POSITIVE_INFINITY,
});

/** What is left of some times when others are cut out of them. */
function subtract(times: Time[], others: Time[]): Time[] {
  return others.reduce(
    (left, { from, to }) =>
      left.flatMap((time) =>
        [
          { from: time.from, to: Math.min(time.to, from) },
          { from: Math.max(time.from, to), to: time.to },
        ].filter((part) => part.to > part.from),
      ),
    times,
  );
}

const at = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
