import { BUDGET_MS, SLACK_MS } from "../ask.ts";
import { count, type Evidence, type Finding, whole } from "../evidence.ts";
import { type Answer, type Entry, isUnavailable } from "../journal.ts";
import { answerOf, holdIn, offerOf } from "../told.ts";
import { answersFinding } from "./answers.ts";
import { forgiven } from "./lost.ts";

/** How long after its time a request may still take effect (G5). */
const LATE_MS = 2_000;
/** Every request is answered in time, with an answer that can be explained, and takes effect in time. */
export function requestFindings(evidence: Evidence): Finding[] {
  return [reusedKeys(evidence), lateEffects(evidence), hung(evidence), answersFinding(evidence)];
}

function reusedKeys(evidence: Evidence): Finding {
  const gone = forgiven(evidence);
  const wrong: string[] = [];
  let misused = 0;
  for (const { key, entries } of evidence.told.keys) {
    if (entries.some((entry) => gone.has(answerOf(entry)?.hold_id ?? ""))) continue;
    const done = entries.filter((entry) => isDone(answerOf(entry)));
    const taken = done.findIndex((entry) => (answerOf(entry)?.status ?? 0) < 300);
    if (taken < 0) continue;
    const first = JSON.stringify(done[taken]?.request);
    // What was decided after the key was taken; two that are under way together may meet in any order.
    for (const entry of done) {
      if (JSON.stringify(entry.request) === first) continue;
      if (entry.sent_at < (done[taken]?.ended_at ?? 0)) continue;
      misused += 1;
      const { status = 0, code = "" } = answerOf(entry) ?? {};
      if (status !== 422) wrong.push(`${key} was used for something else: ${status} ${code}`);
    }
  }
  const of = { number: misused, what: "tried" };
  return count("G4", "another request under a used key, not refused", wrong, of);
}

const isDone = (answer: Answer | undefined) => answer !== undefined && !isUnavailable(answer);

// A hold is made, paid or cancelled within the time of some request for it.
function lateEffects({ books, told }: Evidence): Finding {
  const wrong: string[] = [];
  const lasts = new Map<string, number>();
  for (const { entries } of told.keys) {
    for (const entry of entries) {
      const effect = effectOf(entry);
      lasts.set(effect, Math.max(lasts.get(effect) ?? 0, entry.sent_at + entry.frozen_ms));
    }
  }
  let effects = 0;
  const check = (what: string, effect: string, at: number | null) => {
    const last = lasts.get(effect);
    if (last === undefined || at === null) return;
    effects += 1;
    const late_ms = at - last - BUDGET_MS;
    if (late_ms > LATE_MS) wrong.push(`${what} ${whole(late_ms)} ms after its last request's time`);
  };
  const holds = new Map([...books.postgres.holds, ...books.redis.holds]);
  // These were asked for long before.
  for (const waiter_id of books.postgres.waiters.keys()) holds.delete(offerOf(waiter_id));
  for (const { hold_id, user_id, status, created_at, ended_at } of holds.values()) {
    check(`${hold_id} was made`, `RESERVE ${user_id}`, created_at);
    if (status === "CONFIRMED") check(`${hold_id} was paid`, `CONFIRM ${hold_id}`, ended_at);
    if (status === "CANCELLED") check(`${hold_id} was cancelled`, `CANCEL ${hold_id}`, ended_at);
  }
  const of = { number: effects, what: "effects" };
  return count("G5", "requests carried out 2 s or more after their time", wrong, of);
}

function effectOf({ request }: Entry): string {
  const whose = request.action === "RESERVE" ? request.user_id : holdIn(request);
  return `${request.action} ${whose}`;
}

function hung({ journal }: Evidence): Finding {
  const wrong = journal.flatMap(({ key, request, outcome, sent_at, ended_at }) =>
    outcome.end === "HUNG" ? [`${key} (${request.action}): ${whole(ended_at - sent_at)} ms`] : [],
  );
  const answered = journal.filter(({ outcome }) => outcome.end === "ANSWERED");
  const slowest = answered.reduce(
    (ms, { sent_at, ended_at, frozen_ms }) => Math.max(ms, ended_at - sent_at - frozen_ms),
    0,
  );
  return count(
    "G10",
    `hung: requests without an answer in ${(BUDGET_MS + SLACK_MS) / 1000} s`,
    wrong,
    {
      number: journal.length,
      what: "requests",
      note: ` (slowest ${(slowest / 1000).toFixed(1)} s)`,
    },
  );
}
