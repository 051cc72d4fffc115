import {
  queueLength,
  redisBatchSize,
  redisCallSeconds,
  redisOutcomes,
  shedRequests,
} from "../metrics.ts";
import { monotonicNow } from "../now.ts";
import { failSpan } from "../tracing.ts";
import type { Clock } from "./clock.ts";
import type { Keys } from "./keys.ts";
import { failedOutcome, Overloaded, Recovering, RedisFault } from "./outcome.ts";
import { createPace } from "./pace.ts";
import {
  type AskingSpan,
  countArgument,
  endAsking,
  failAsking,
  startAsking,
  startCall,
} from "./script-spans.ts";
import { READ_SCRIPTS, type ScriptName } from "./scripts.ts";

/** Two: while Redis works on one batch and its fsync, the next is there already. More would be smaller. */
const IN_FLIGHT_MAX = 2;
const BATCH_MAX = 128;
/** Keys in one call, unless a request has more by itself: wide ones must not make a call that lasts. */
const KEYS_MAX = 4_096;
const RETRY_MS = 50;
const OVERDUE_CHECK_MS = 100;
/** Who would wait for a larger part of its time is refused at once: the truth may be twice the estimate. */
export const WAIT_PART_MAX = 0.25;

/** One request's part of a script call. */
export type ScriptRequest = { keys: string[]; args: string[] };
/** One request's reply: the outcome word, then what belongs to it. */
export type Tuple = [outcome: string, ...rest: unknown[]];

type Waiting = {
  request: ScriptRequest;
  /** Local ms: from then on nobody waits for the answer any more. */
  deadline: number;
  /** An earlier call with this request may have been executed. */
  maybe_executed: boolean;
  settled: boolean;
  asking: AskingSpan | undefined;
  resolve: (reply: Tuple) => void;
  reject: (error: Error) => void;
};

export type Batcher = ReturnType<typeof createBatcher>;

/**
 * Group commit. Requests that arrive while calls are in flight form the next batch, so under load one script
 * call and one fsync carry many requests, and without load a request waits for nobody.
 *
 * @param call runs a script once and resolves with its reply; rejects when no reply came
 */
export function createBatcher(deps: {
  call: (script: ScriptName, keys: string[], args: string[]) => Promise<unknown>;
  clock: Clock;
  keys: Keys;
  queue_max: number;
  /** Requests in one call: Redis serves nobody else until it has carried all of them out. */
  batch_max?: number;
  /** Why requests of this script are not taken on at the moment; null when they are. */
  refusal?: (script: ScriptName) => Overloaded | null;
}) {
  const { batch_max = BATCH_MAX } = deps;
  const queues = new Map<ScriptName, Waiting[]>();
  const in_flight = new Set<Waiting[]>();
  const pace = createPace();
  let queued = 0;
  let start_planned = false;

  /**
   * Runs one request of `script` in some batch.
   * @param deadline local ms. The answer comes by then: the script refuses the request when it is later.
   * @throws RedisFault NOT_EXECUTED when it surely did nothing (Recovering is one), UNKNOWN when it may have
   * @throws Overloaded when too much is waiting
   */
  function submit(script: ScriptName, request: ScriptRequest, deadline: number): Promise<Tuple> {
    const overloaded = refusal(script, deadline - monotonicNow());
    if (overloaded) {
      shedRequests.inc({ because: overloaded.because });
      return Promise.reject(overloaded);
    }
    return new Promise((resolve, reject) => {
      enqueue(script, [
        {
          request,
          deadline,
          maybe_executed: false,
          settled: false,
          asking: startAsking(script),
          resolve,
          reject,
        },
      ]);
    });
  }

  /** Why a request that has `ms_left` would be refused right now; null when it would be taken. */
  function refusal(script: ScriptName, ms_left: number): Overloaded | null {
    if (queued >= deps.queue_max || waitOf(script) > Math.max(0, ms_left) * WAIT_PART_MAX) {
      return QUEUE_FULL;
    }
    return deps.refusal?.(script) ?? null;
  }

  // Queues take turns.
  const waitOf = (script: ScriptName) =>
    (queues.get(script)?.length ?? 0) * queues.size * pace.msPerRequest();

  function enqueue(script: ScriptName, waiting: Waiting[]) {
    const queue = queues.get(script);
    if (queue) queue.push(...waiting);
    else queues.set(script, waiting);
    queued += waiting.length;
    queueLength.set(queued);
    planStart();
  }

  // After this turn of the event loop, so that the requests that all sockets brought in it go together.
  function planStart() {
    if (start_planned || queued === 0 || in_flight.size >= IN_FLIGHT_MAX) return;
    start_planned = true;
    setImmediate(startCalls);
  }

  function startCalls() {
    start_planned = false;
    while (in_flight.size < IN_FLIGHT_MAX) {
      const [script, queue] = queues.entries().next().value ?? [];
      if (!script || !queue) break;
      const batch = queue.splice(0, batchSize(queue));
      queued -= batch.length;
      // What is left goes behind the other scripts, so that none of them waits for this one to be empty.
      queues.delete(script);
      if (queue.length > 0) queues.set(script, queue);
      const open = batch.filter((waiting) => !waiting.settled);
      if (open.length > 0) void run(script, open, queue.length > 0);
    }
    queueLength.set(queued);
  }

  function batchSize(queue: Waiting[]): number {
    let size = 0;
    let keys = 0;
    for (const { request } of queue) {
      keys += request.keys.length;
      if (size === batch_max || (keys > KEYS_MAX && size > 0)) break;
      size += 1;
    }
    return size;
  }

  /** @param full more requests were waiting than one call takes */
  async function run(script: ScriptName, batch: Waiting[], full: boolean) {
    in_flight.add(batch);
    const sent = monotonicNow();
    const stopTimer = redisCallSeconds.startTimer({ script });
    redisBatchSize.observe({ script }, batch.length);
    const span = startCall(script, batch);
    try {
      const { keys, args } = joinRequests(script, batch);
      const reply = await deps.call(script, keys, args);
      const { redis_now, tuples } = parseReply(reply, batch.length);
      deps.clock.learn(redis_now, sent, monotonicNow());
      redisOutcomes.inc({ outcome: "EXECUTED" });
      for (const [i, waiting] of batch.entries()) settle(waiting, tuples[i]);
      pace.learn(batch.length, { full, busy: queued > 0 });
    } catch (error) {
      const outcome = retryOrFail(script, batch, error);
      if (span) failSpan(span, outcome);
    } finally {
      span?.end();
      stopTimer();
      in_flight.delete(batch);
      planStart();
    }
  }

  function joinRequests(script: ScriptName, batch: Waiting[]) {
    const keys = READ_SCRIPTS.has(script) ? [] : [...deps.keys.shared];
    const args = [countArgument(script, batch)];
    for (const { request, deadline } of batch) {
      keys.push(...request.keys);
      args.push(String(Math.floor(deps.clock.fromLocal(deadline))), ...request.args);
    }
    return { keys, args };
  }

  function settle(waiting: Waiting, tuple: Tuple | undefined) {
    if (waiting.settled) return;
    waiting.settled = true;
    endAsking(waiting.asking, tuple?.[0] ?? "LATE");
    if (tuple && tuple[0] !== "LATE") waiting.resolve(tuple);
    else waiting.reject(fault(waiting, "The request's time was over before Redis came to it."));
  }

  // A request that surely did nothing fails at once: the caller is told so and may come back. One that may
  // have been executed is asked again, since the answer is there to be had: its keys make it idempotent.
  function retryOrFail(script: ScriptName, batch: Waiting[], error: unknown) {
    const outcome = failedOutcome(error);
    redisOutcomes.inc({ outcome });
    const again: Waiting[] = [];
    for (const waiting of batch) {
      waiting.maybe_executed ||= outcome === "UNKNOWN";
      if (waiting.settled) continue;
      if (waiting.maybe_executed && monotonicNow() + RETRY_MS < waiting.deadline)
        again.push(waiting);
      else fail(waiting, "Redis could not be asked.", error);
    }
    if (again.length > 0) setTimeout(() => enqueue(script, again), RETRY_MS);
    return outcome;
  }

  function fail(waiting: Waiting, message: string, cause?: unknown) {
    waiting.settled = true;
    failAsking(waiting.asking, waiting.maybe_executed ? "UNKNOWN" : "NOT_EXECUTED");
    waiting.reject(fault(waiting, message, cause));
  }

  // Answers in time whoever still waits at its deadline, in a queue or in flight.
  function failOverdue() {
    const now = monotonicNow();
    for (const queue of queues.values()) {
      for (const waiting of queue) {
        if (!waiting.settled && waiting.deadline <= now)
          fail(waiting, "No place in a call in time.");
      }
    }
    for (const batch of in_flight) {
      for (const waiting of batch) {
        if (waiting.settled || waiting.deadline > now) continue;
        waiting.maybe_executed = true;
        fail(waiting, "Redis has not answered in time.");
      }
    }
  }
  const overdueTimer = setInterval(failOverdue, OVERDUE_CHECK_MS);
  overdueTimer.unref();

  return { submit, refusal, stop: () => clearInterval(overdueTimer) };
}

// One for all: thousands a second may be refused with it.
const QUEUE_FULL = new Overloaded("Too many requests are waiting for Redis.");

function fault(waiting: Waiting, message: string, cause?: unknown): RedisFault {
  if (cause instanceof Recovering && !waiting.maybe_executed) return cause;
  return new RedisFault(waiting.maybe_executed ? "UNKNOWN" : "NOT_EXECUTED", message, cause);
}

/** Checks the shape every batch script replies with: {now, one tuple for each request}. */
function parseReply(reply: unknown, count: number): { redis_now: number; tuples: Tuple[] } {
  const [redis_now, tuples] = Array.isArray(reply) ? reply : [];
  if (typeof redis_now !== "number" || !Array.isArray(tuples) || tuples.length !== count) {
    throw new Error("A script replied something else than a tuple for each request.");
  }
  return { redis_now, tuples };
}
