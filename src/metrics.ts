import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export const registry = new Registry();
collectDefaultMetrics({ register: registry });

const registers = [registry];
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

// Labels come from closed sets only: a label with ids in it would grow until the process dies.
export const httpRequests = new Counter({
  name: "holdfast_http_requests_total",
  help: "Answered HTTP requests by route and status.",
  labelNames: ["route", "status"] as const,
  registers,
});
export const httpSeconds = new Histogram({
  name: "holdfast_http_request_seconds",
  help: "Time from a request's head to its answer's end.",
  labelNames: ["route"] as const,
  buckets: SECONDS,
  registers,
});
export const holdOutcomes = new Counter({
  name: "holdfast_holds_total",
  help: "What the scripts decided, by operation and outcome word.",
  labelNames: ["operation", "outcome"] as const,
  registers,
});
export const redisCallSeconds = new Histogram({
  name: "holdfast_redis_call_seconds",
  help: "Round trip of one script call, a whole batch.",
  labelNames: ["script"] as const,
  buckets: SECONDS,
  registers,
});
export const redisBatchSize = new Histogram({
  name: "holdfast_redis_batch_size",
  help: "Requests in one script call.",
  labelNames: ["script"] as const,
  buckets: [1, 2, 4, 8, 16, 32, 64, 128],
  registers,
});
export const redisOutcomes = new Counter({
  name: "holdfast_redis_outcomes_total",
  help: "Script calls by outcome class: EXECUTED, NOT_EXECUTED, UNKNOWN.",
  labelNames: ["outcome"] as const,
  registers,
});
export const queueLength = new Gauge({
  name: "holdfast_queue_length",
  help: "Requests waiting for a script call.",
  registers,
});
export const corruptKeys = new Counter({
  name: "holdfast_corrupt_keys_total",
  help: "Requests that met a Redis key holding something else than it should. Alarm when it moves.",
  registers,
});

export const recorderEvents = new Counter({
  name: "holdfast_recorder_events_total",
  help: "Stream entries by what the recorder did: APPLIED, DUPLICATE, DEAD.",
  labelNames: ["outcome"] as const,
  registers,
});
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

const outcomeCounters = new Map<string, { inc: () => void }>();

/** `holdOutcomes.inc` for the hot path: looking a labelled child up by object costs more than the count. */
export function countHoldOutcome(operation: string, outcome: string) {
  const id = `${operation} ${outcome}`;
  let counter = outcomeCounters.get(id);
  if (!counter) {
    counter = holdOutcomes.labels({ operation, outcome });
    outcomeCounters.set(id, counter);
  }
  counter.inc();
}
