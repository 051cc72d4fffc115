import { Counter, Gauge, Histogram } from "prom-client";
import { ALL_DRIFT_KINDS } from "../src/domain/audit.ts";
import { FINDINGS } from "../src/domain/recovery.ts";
import { registry, SECONDS } from "../src/metrics.ts";

const registers = [registry];

export const recorderEvents = new Counter({
  name: "holdfast_recorder_events_total",
  help: "Stream entries by what the recorder did: APPLIED, DUPLICATE, DEAD, REFUSED (of an older generation).",
  labelNames: ["outcome"] as const,
  registers,
});
for (const outcome of ["APPLIED", "DUPLICATE", "DEAD", "REFUSED"])
  recorderEvents.inc({ outcome }, 0);
export const recorderBatchSeconds = new Histogram({
  name: "holdfast_recorder_batch_seconds",
  help: "Time to apply one batch of events to Postgres.",
  buckets: SECONDS,
  registers,
});
export const recorderExternal = new Counter({
  name: "holdfast_recorder_external_movements_total",
  help: "Changes of stock found that no event explains (redis-cli SET, or lost events).",
  registers,
});
export const recorderActive = new Gauge({
  name: "holdfast_recorder_active",
  help: "1 while this worker is the one that records.",
  registers,
});
export const seqGaps = new Counter({
  name: "holdfast_seq_gaps_total",
  help: "Gaps found in the sequence of events: events were lost. Alarm when it moves.",
  registers,
});
export const seqRewinds = new Counter({
  name: "holdfast_seq_rewinds_total",
  help: "New events under a seq that was recorded before: Redis lost data. Alarm when it moves.",
  registers,
});
export const lagEvents = new Gauge({
  name: "holdfast_stream_lag_events",
  help: "Events in Redis that Postgres has not recorded yet.",
  registers,
});
export const lagSeconds = new Gauge({
  name: "holdfast_stream_lag_seconds",
  help: "Age of the oldest event that Postgres has not recorded yet.",
  registers,
});
export const sweeperHolds = new Counter({
  name: "holdfast_sweeper_holds_total",
  help: "Due holds by the script's outcome word.",
  labelNames: ["outcome"] as const,
  registers,
});
export const sweeperLateSeconds = new Histogram({
  name: "holdfast_sweeper_late_seconds",
  help: "How long after its deadline a hold was expired.",
  buckets: [0.1, 0.25, 0.5, 1, 2, 5, 10, 60],
  registers,
});
export const trimmedEntries = new Counter({
  name: "holdfast_trimmer_entries_total",
  help: "Recorded stream entries cut off.",
  registers,
});
export const prunedEvents = new Counter({
  name: "holdfast_pruner_events_total",
  help: "Events forgotten: old rows deleted from processed_events.",
  registers,
});
export const prunedRecords = new Counter({
  name: "holdfast_pruner_records_total",
  help: "Idempotency records forgotten: rows of idempotency_records that no longer counted.",
  registers,
});
export const rebuilderStocks = new Counter({
  name: "holdfast_rebuilder_stocks_total",
  help: "Stocks compared with their movements: RIGHT, CORRECTED, IMPOSSIBLE (the movements are wrong).",
  labelNames: ["outcome"] as const,
  registers,
});
for (const outcome of ["RIGHT", "CORRECTED", "IMPOSSIBLE"]) rebuilderStocks.inc({ outcome }, 0);
export const keeperMended = new Counter({
  name: "holdfast_keeper_mended_total",
  help: "What was half done between Postgres and Redis, and was mended.",
  labelNames: ["what"] as const,
  registers,
});
for (const what of ["STORE_IN_REDIS", "STORE_IN_POSTGRES", "INITIAL_STOCK", "RETURN"]) {
  keeperMended.inc({ what }, 0);
}
export const keeperStuck = new Gauge({
  name: "holdfast_keeper_stuck_promises",
  help: "Initial stocks and returns that can't be put in place: the log says why. Alarm above 0.",
  registers,
});
export const recoveryAdmissions = new Counter({
  name: "holdfast_recovery_admissions_total",
  help: "How often Redis was let in, by what it was found to be: INTACT, EMPTY, TAIL_LOST, ENTRIES_LOST.",
  labelNames: ["finding"] as const,
  registers,
});
for (const finding of FINDINGS) recoveryAdmissions.inc({ finding }, 0);
export const recoveryGeneration = new Gauge({
  name: "holdfast_recovery_generation",
  help: "The newest admission of Redis that this worker knows.",
  registers,
});
export const recoveryWaiting = new Gauge({
  name: "holdfast_recovery_waiting",
  help: "1 while Redis stays closed until POST /v1/recovery:approve. Alarm above 0.",
  registers,
});
export const recoverySeconds = new Histogram({
  name: "holdfast_recovery_seconds",
  help: "How long Redis was closed, from the beginning of an admission to its end.",
  buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  registers,
});
export const recoveryEventsLost = new Counter({
  name: "holdfast_recovery_events_lost_total",
  help: "Events that Redis decided and lost before they were recorded. Alarm when it moves.",
  registers,
});
export const recoveryRestored = new Counter({
  name: "holdfast_recovery_restored_total",
  help: "What Redis had lost and was given back.",
  labelNames: ["what"] as const,
  registers,
});
export const recoveryDrift = new Gauge({
  name: "holdfast_recovery_drift_stocks",
  help: "Stocks whose held units were not those of their holds at the last admission. Alarm above 0.",
  registers,
});
export const auditStocks = new Counter({
  name: "holdfast_audit_stocks_total",
  help: "Looks at a stock, at Redis and at the ledger.",
  registers,
});
export const auditSales = new Counter({
  name: "holdfast_audit_sales_total",
  help: "Looks at what limits a sale, at Redis and at the ledger: rules, counts of customers, own holds, who waits.",
  registers,
});
export const auditDrift = new Gauge({
  name: "holdfast_audit_drift",
  help: "Stocks, rules, counts of customers, and waiters on which Redis and the ledger disagree, by kind. Alarm above 0, but for CHANGED_OUTSIDE.",
  labelNames: ["kind"] as const,
  registers,
});
for (const kind of ALL_DRIFT_KINDS) auditDrift.set({ kind }, 0);
export const auditRoundAge = new Gauge({
  name: "holdfast_audit_round_age_seconds",
  help: "How long ago the audit has last looked at all stocks, and at all that limits sales; 0 before it ever has, and on a standby.",
  labelNames: ["of"] as const,
  registers,
});
for (const what of ["STOCKS", "SALES"]) auditRoundAge.set({ of: what }, 0);
export const unresolvedPayments = new Gauge({
  name: "holdfast_unresolved_payments",
  help: "Payments for which nothing could be given, and that nobody has resolved. Alarm above 0.",
  registers,
});
export const agentFailures = new Counter({
  name: "holdfast_agent_failures_total",
  help: "Failed runs of the worker's agents.",
  labelNames: ["agent"] as const,
  registers,
});
