import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import type { Facts } from "../../scripts/holdfast/status/facts.ts";
import { isWrong } from "../../scripts/holdfast/status/finding.ts";
import { judge } from "../../scripts/holdfast/status/judge.ts";
import { formatStatus } from "../../scripts/holdfast/status/page.ts";

const NOW = Date.now();
const ago = (ms: number) => new Date(NOW - ms).toISOString();
const DAY_MS = 86_400_000;

const none = { items: [], nextCursor: null };
const drift = {
  ...({ sku: "tea", storeId: "main", kind: "HELD", alarm: true } as const),
  ...{ ledger: levels(0), level: null, redis: null, foundAt: ago(0), lastSeenAt: ago(0) },
  ...{ advice: "Look.", proposal: null, movements: [] },
};
const outside = { ...drift, kind: "CHANGED_OUTSIDE" as const, alarm: false };
const all = { alarms: 0, warnings: 0, whole: true };
const report = {
  ...({ finding: "TAIL_LOST", generation: 2, beganAt: ago(5_000), approvedAt: null } as const),
  ...{ finishedAt: ago(4_000), redisSeq: 7, appliedSeq: 9, seenSeq: 12 },
  lost: { events: 3, exact: true, holds: [], units: 0 },
  ...{ restored: null, checked: { stocks: 3, differing: 0, differences: [] }, seconds: 1 },
};
const audit = {
  ...none,
  ...{ lookedAt: ago(1_000), rounds: 4, saleRounds: 4, currentRound: null, accounts: [] },
  open: all,
  lastRound: { beganAt: ago(3_000), endedAt: ago(2_000), stocks: 7 },
};
const partition = { partition: 0, appliedSeq: 9, decidedSeq: 9, backlog: 0, lagMs: 0 };
const open = { state: "OPEN", since: ago(9_000), generation: 1, report: null } as const;
const WELL: Facts = {
  ...{ url: "http://127.0.0.1:8080", worker_url: "http://127.0.0.1:8081", is_local: true },
  ...{ running: ["up", "api", "worker"], data_dir: ".holdfast" },
  ...{ api: { state: "READY" }, worker: { state: "READY" } },
  recovery: { body: open },
  projections: {
    body: { partitions: [{ ...partition, updatedAt: ago(0) }], rebuild: neverRebuilt() },
  },
  ...{
    letters: { body: none },
    payments: { body: none },
    paused: { body: none },
    audit: { body: audit },
  },
  ...{ api_metrics: { body: [] }, worker_metrics: metric("holdfast_recorder_active", 1) },
};

test("nothing is wrong when nothing is", () => {
  expect(judge(WELL)).toEqual([]);
  expect(formatStatus(WELL, [])).toContain("Holdfast at http://127.0.0.1:8080: all is well");
});

const AWAY = { state: "AWAY", why: "connect ECONNREFUSED" } as const;
const lacks = (...names: string[]) => ({
  state: "NOT_READY" as const,
  missing: Object.fromEntries(names.map((name) => [name, `no ${name}`])),
});
const count_drift = {
  ...({ sku: "tea", storeId: null, customerId: "ada", alarm: true } as const),
  kind: "CUSTOMER_COUNT" as const,
  ...{ ledgerSays: "2 1", redisSays: null, foundAt: ago(0), lastSeenAt: ago(0), advice: "" },
  ...{ recount: { sku: "tea", customerId: "ada" }, recountRequested: false },
};
const letter = {
  ...{ messageId: "1-1", seq: 4, error: "payload: not JSON", attempts: 1, failedAt: ago(0) },
  ...{ replayRequestedAt: null, entry: {} },
};

// What is so, what is said first, and the first thing to do.
test.each<[string, Partial<Facts>, RegExp, RegExp]>([
  [
    "the API is down, with everything else",
    { api: AWAY, worker: AWAY, running: [] },
    /^The API does not answer .*: nobody can buy\.$/,
    /npx holdfast up --detach/,
  ],
  [
    "the API alone is down",
    { api: AWAY },
    /^The API does not answer/,
    /Here run: up, api, worker\..*\/log\/api\.log/,
  ],
  [
    "the API of another place is down",
    { api: AWAY, is_local: false, running: [] },
    /^The API does not answer/,
    /--url/,
  ],
  [
    "the worker is down",
    { worker: AWAY },
    /^No worker answers at .*nothing is recorded/,
    /worker\.log/,
  ],
  [
    "the worker is somewhere else, and has done nothing for minutes",
    {
      worker: { state: "NOT_ASKED" },
      worker_url: undefined,
      audit: { body: { ...audit, lookedAt: ago(600_000) } },
    },
    /^No worker has looked at anything since/,
    /worker\.log/,
  ],
  [
    "Redis is down",
    {
      api: lacks("redis", "admission", "lag"),
      recovery: { body: { ...open, state: "REDIS_AWAY" } },
    },
    /^Redis does not answer: nothing is sold/,
    /A worker compares it with Postgres/,
  ],
  [
    "Postgres is down",
    {
      api: lacks("postgres", "migrations", "lag"),
      recovery: { code: "STORE_UNAVAILABLE", why: "" },
    },
    /^Postgres does not answer: what is sold is not recorded/,
    /The sale goes on until BACKLOG_LIMIT/,
  ],
  [
    "migrations are missing",
    { api: lacks("migrations") },
    /^The tables of Postgres/,
    /npx holdfast migrate/,
  ],
  [
    "the backlog is full",
    { api: lacks("backlog") },
    /^Nothing new is taken on/,
    /Postgres and a worker/,
  ],
  [
    "a recovery waits",
    {
      api: lacks("admission"),
      recovery: { body: { ...open, state: "WAITING_FOR_APPROVAL", report } },
    },
    /^Redis has lost data \(TAIL_LOST; 3 events that nobody has\)/,
    /npx holdfast recovery show/,
  ],
  [
    "Redis is closed, and nobody is at it",
    { api: lacks("admission"), recovery: { body: { ...open, state: "CLOSED" } } },
    /^Redis is closed, and no worker is at it/,
    /Start a worker/,
  ],
  [
    "events were lost a moment ago",
    { recovery: { body: { ...open, report } } },
    /^Redis lost 3 events/,
    /npx holdfast recovery show/,
  ],
  [
    "a stock drifts",
    { audit: { body: { ...audit, items: [drift], open: { ...all, alarms: 1 } } } },
    /in 1 place \(HELD\): tea in main/,
    /npx holdfast audit/,
  ],
  [
    "a customer's count drifts",
    { audit: { body: { ...audit, items: [count_drift], open: { ...all, alarms: 1 } } } },
    /in 1 place \(CUSTOMER_COUNT\): tea of ada/,
    /npx holdfast audit/,
  ],
  [
    "there is more than the audit's pages that are looked through",
    { audit: { body: { ...audit, items: [], open: { ...all, whole: false } } } },
    /one may be among the others/,
    /--timeout/,
  ],
  [
    "a letter is dead",
    { letters: { body: { ...none, items: [letter] } } },
    /^1 event could not be recorded.*not JSON$/,
    /npx holdfast dead list/,
  ],
  [
    "Postgres is behind",
    {
      projections: {
        body: {
          partitions: [{ ...partition, backlog: 7, lagMs: 45_000, updatedAt: null }],
          rebuild: neverRebuilt(),
        },
      },
    },
    /^Postgres is 45 s behind \(7 events\)/,
    /worker/,
  ],
  [
    "events are missing",
    { worker_metrics: metric("holdfast_seq_gaps_total", 2) },
    /missing in 2 places/,
    /seq_gaps/,
  ],
  [
    "Redis is nearly full",
    { api_metrics: metric("holdfast_redis_memory_part", 0.8) },
    /80 % of its maxmemory/,
    /maxmemory/,
  ],
  [
    "the token is missing",
    { recovery: { code: "UNAUTHENTICATED", why: "Who are you?" } },
    /does not tell you the rest: Who/,
    /HOLDFAST_TOKEN/,
  ],
  [
    "what goes wrong could not be asked for",
    { audit: { code: "RATE_LIMITED", why: "" }, paused: { code: "INTERNAL_ERROR", why: "" } },
    /^Not everything could be asked.*: audit \(RATE_LIMITED\), paused \(INTERNAL_ERROR\)\.$/,
    /npx holdfast status/,
  ],
  [
    "an API that is ready could not ask Redis",
    { recovery: { body: { ...open, state: "REDIS_AWAY" } } },
    /: recovery \(REDIS_AWAY\)\.$/,
    /npx holdfast status/,
  ],
  [
    "only a part is nobody's to see",
    { audit: { code: "FORBIDDEN", why: "Not you." } },
    /does not tell you the rest: Not you/,
    /HOLDFAST_TOKEN/,
  ],
])("%s: it says so, and what to do", (_, differs, what, todo) => {
  const facts = { ...WELL, ...differs };
  const [first, ...others] = judge(facts);
  expect(first?.what).toMatch(what);
  expect(first?.todo[0]).toMatch(todo);
  expect(first && isWrong(first)).toBe(true);
  // What follows from it is not told as well.
  expect(others).toEqual([]);
  const page = formatStatus(facts, judge(facts));
  expect(page).toContain("1 thing is wrong");
  expect(page).toContain(first?.what);
});

test.each<Partial<Facts>>([
  { recovery: { body: { ...open, state: "REDIS_AWAY" } } },
  { recovery: { code: "RATE_LIMITED", why: "" } },
])("an alarm is told when it is not known whether Redis is open", (differs) => {
  const body = { ...audit, items: [drift], open: { ...all, alarms: 1 } };
  const [first, second] = judge({ ...WELL, ...differs, audit: { body } });
  expect(first?.what).toMatch(/^Redis and Postgres disagree in 1 place/);
  expect(second?.what).toMatch(/^Not everything could be asked/);
});

test.each<[string, Partial<Facts>]>([
  [
    "was lost long ago",
    { recovery: { body: { ...open, report: { ...report, finishedAt: ago(2 * DAY_MS) } } } },
  ],
  [
    "was set by hand",
    { audit: { body: { ...audit, items: [outside], open: { ...all, warnings: 1 } } } },
  ],
  ["is paused", { paused: { body: { ...none, items: [{ sku: "tea", version: 3 }] } } }],
  ["is stopping", { api: lacks("running") }],
  ["records on another worker", { worker_metrics: metric("holdfast_recorder_active", 0) }],
])("what %s is nothing that somebody must act on", (_, differs) => {
  expect(judge({ ...WELL, ...differs }).some(isWrong)).toBe(false);
});

test("every section that is named is a heading of docs/operations.md", () => {
  const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
  const sources = ["judge-parts", "judge-books"].map((name) =>
    readFileSync(new URL(`../../scripts/holdfast/status/${name}.ts`, import.meta.url), "utf8"),
  );
  const named = [...sources.join("").matchAll(/section: "(.*?)"|section = "(.*?)"/g)];
  const sections = named.map(([, one, other]) => one ?? other);
  expect(sections.length).toBeGreaterThan(15);
  expect(sections.filter((section) => !headings.includes(section))).toEqual([]);
});

function levels(available: number) {
  return { onHand: available, reserved: 0, available, version: 1 };
}

function metric(name: string, value: number) {
  return { body: [{ name, labels: "", value }] };
}

function neverRebuilt() {
  return {
    ...{ requestedAt: null, startedAt: null, finishedAt: null, stocksTotal: null },
    ...{ stocksDone: 0, stocksCorrected: 0, state: "NONE" as const },
  };
}
