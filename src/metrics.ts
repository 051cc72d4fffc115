import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { WHYS } from "./domain/payment.ts";

export const registry = new Registry();
collectDefaultMetrics({ register: registry });

const registers = [registry];
export const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

// What both processes count; worker/metrics.ts has the rest. Counters with a closed set of labels start
// at 0, so that an alarm sees their first increase. Ids are never labels: those would grow for ever.
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
export const httpInFlight = new Gauge({
  name: "holdfast_http_requests_in_flight",
  help: "Requests that have begun and are not answered yet.",
  registers,
});
export const httpConnections = new Gauge({
  name: "holdfast_http_connections",
  help: "Open connections of clients.",
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
for (const outcome of ["EXECUTED", "NOT_EXECUTED", "UNKNOWN"]) redisOutcomes.inc({ outcome }, 0);
export const queueLength = new Gauge({
  name: "holdfast_queue_length",
  help: "Requests waiting for a script call.",
  registers,
});
export const refusing = new Gauge({
  name: "holdfast_refusing",
  help: "Processes that decide nothing, because Redis is not admitted since it may have lost data.",
  registers,
});
export const shedRequests = new Counter({
  name: "holdfast_shed_total",
  help: "Requests refused as OVERLOADED, by what there was too much of: QUEUE, BACKLOG, MEMORY.",
  labelNames: ["because"] as const,
  registers,
});
for (const because of ["QUEUE", "BACKLOG", "MEMORY"]) shedRequests.inc({ because }, 0);
export const rateLimited = new Counter({
  name: "holdfast_rate_limited_total",
  help: "Requests refused as RATE_LIMITED, by whose limit it was: caller, customer, address.",
  labelNames: ["by"] as const,
  registers,
});
for (const by of ["caller", "customer", "address"]) rateLimited.inc({ by }, 0);
export const rateLimitsAlone = new Gauge({
  name: "holdfast_rate_limits_alone",
  help: "Processes whose rate limits are their own at the moment, because Redis can't be asked.",
  registers,
});
export const backlogFull = new Gauge({
  name: "holdfast_backlog_full",
  help: "Processes that take nothing new on: too many events are not recorded, or Redis is nearly full.",
  registers,
});
export const backlogEvents = new Gauge({
  name: "holdfast_backlog_events",
  help: "Events in Redis that are not recorded, as BACKLOG_LIMIT counts them.",
  aggregator: "max",
  registers,
});
export const redisMemoryPart = new Gauge({
  name: "holdfast_redis_memory_part",
  help: "Part of its maxmemory that Redis uses; 0 when it has no such limit.",
  aggregator: "max",
  registers,
});
export const unfulfilledPayments = new Counter({
  name: "holdfast_unfulfilled_payments_total",
  help: "Payments for which nothing could be given any more, by reason. Each needs somebody to see to it.",
  labelNames: ["why"] as const,
  registers,
});
for (const why of WHYS) unfulfilledPayments.inc({ why }, 0);
export const corruptKeys = new Counter({
  name: "holdfast_corrupt_keys_total",
  help: "Requests that met a Redis key holding something else than it should. Alarm when it moves.",
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
