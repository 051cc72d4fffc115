import { setTimeout as sleep } from "node:timers/promises";
import type { Span } from "@opentelemetry/api";
import { type AdmissionState, judge } from "../src/domain/recovery.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import type { LedgerSide } from "../src/postgres/admission.ts";
import type { LastReport } from "../src/postgres/recovery.ts";
import type { Heard } from "../src/redis/heard.ts";
import type { HeldUnits } from "../src/redis/held-units.ts";
import type { Keys } from "../src/redis/keys.ts";
import type { RedisSide, Restoring } from "../src/redis/restoring.ts";
import type { Scripts } from "../src/redis/scripts.ts";
import { currentTracer, failSpan } from "../src/tracing.ts";
import { type Agent, isBug } from "./loop.ts";
import { recoveryGeneration, recoveryWaiting } from "./metrics.ts";
import { reportAdmission } from "./recovery-report.ts";
import { checkHeld, nothingRestored, restore } from "./restorer.ts";

const LOOK_EVERY_MS = 200;
const LEDGER_EVERY_MS = 1_000;
const DRAIN_EVERY_MS = 20;
const TOUCH_EVERY_MS = 2_000;

/** A step is done; PAUSE: the next one has to wait for somebody else. */
type Step = "DONE" | "PAUSE";
type Work = {
  ledger: LedgerSide;
  steps: AsyncGenerator<Step, void>;
  touched_at: number;
  span: Span | undefined;
};

/**
 * Lets Redis in again when it may have lost data, that is when its scripts or its generation are gone:
 * closes the fence, waits until everything in the stream is recorded, compares both sides, gives Redis
 * back what the ledger knows, and opens the fence with a new generation. Every step may be done again; a
 * worker that dies in the middle leaves the fence closed, and the next one begins anew. One at a time,
 * by a lock in Postgres.
 */
export function createAdmitter(deps: {
  scripts: Scripts;
  restoring: Restoring;
  heldUnits: HeldUnits;
  keys: Keys;
  readAdmission: () => Promise<{ generation: number; state: AdmissionState }>;
  /** Null while another worker admits. */
  openAdmission: () => Promise<LedgerSide | null>;
  /** What those who listen to Redis know of all that it has decided. */
  askWhoHeard: () => Promise<Heard>;
  /** Redis's clock, in ms. */
  redisNow: () => Promise<number>;
  default_store: string;
  /** "manual": when Redis has lost data, an operator must agree first. */
  recovery: "auto" | "manual";
  log: Log;
}): Agent & { close: () => Promise<void> } {
  const { scripts, restoring, heldUnits, keys, log } = deps;
  let work: Work | null = null;
  let next_ledger_look_at = 0;

  async function runOnce(): Promise<number> {
    if (!work) {
      const found = await look();
      if (!found || found.settled) return 0;
      const ledger = await deps.openAdmission();
      if (!ledger) return 0;
      const span = currentTracer()?.startSpan("admit redis");
      work = { ledger, steps: admit(ledger), touched_at: monotonicNow(), span };
    }
    try {
      await stayInTouch(work);
      const { done, value } = await work.steps.next();
      if (done) await close();
      return !done && value === "PAUSE" ? 0 : 1;
    } catch (error) {
      if (work?.span) failSpan(work.span, "BEGUN_ANEW");
      await close();
      throw error;
    }
  }

  /**
   * Whether Redis is open, and nobody has left a recovery unfinished. Null while Redis is away. Also one
   * that is open must not be when the ledger knows a newer generation: it is a former master that has
   * come back.
   */
  async function look(): Promise<{ open: boolean; settled: boolean } | null> {
    try {
      const admitted = await scripts.isAdmitted();
      const { generation } = await restoring.look();
      if (!admitted || generation === null) return { open: false, settled: false };
      recoveryGeneration.set(generation);
      const known = await lookAtLedger();
      const open = known === null || known.generation <= generation;
      return { open, settled: open && (known === null || known.state === "OPEN") };
    } catch (error) {
      if (isBug(error)) throw error;
      return null;
    }
  }

  // Now and then: for Postgres being away nobody must stop selling.
  async function lookAtLedger() {
    if (monotonicNow() < next_ledger_look_at) return null;
    next_ledger_look_at = monotonicNow() + LEDGER_EVERY_MS;
    return deps.readAdmission().catch(() => null);
  }

  async function* admit(ledger: LedgerSide): AsyncGenerator<Step, void> {
    next_ledger_look_at = 0;
    const found = await look();
    if (found?.open) {
      await ledger.finish(null); // somebody opened it, and did not come to say so
      return;
    }
    const closed_at = monotonicNow();
    if (!(await restoring.renewFile())) {
      log.warn("redis does not write its file anew when it is told to: BGREWRITEAOF");
    }
    const redis = await restoring.begin();
    log.warn(
      { generation: redis.generation },
      "redis is closed until it was compared with the ledger",
    );
    await ledger.setState("DRAINING");
    const heard = await deps.askWhoHeard();
    yield* drained(redis);
    const waited_ms = yield* approved(ledger, redis, heard);

    const { seq: redis_seq } = await restoring.look();
    const seen_redis = { redis_seq, generation: redis.generation, heard };
    const { next_generation } = await ledger.compare(seen_redis);
    await redis.announce(next_generation);
    const raised = await ledger.raise(seen_redis, next_generation);
    yield "DONE";

    const restored = nothingRestored();
    const now = await deps.redisNow();
    const { rebuild } = raised;
    if (rebuild !== "NO") {
      await ledger.setState("RESTORING");
      const sides = { ledger: ledger.restorable, redis, heldUnits, keys };
      for await (const _ of restore(sides, rebuild, now, restored)) yield "DONE";
    }
    if (raised.finding !== "INTACT") {
      const stores = rebuild === "NO" ? [] : await otherStores(ledger);
      await redis.restoreCounters(raised.seq, raised.applied_entry_id, stores);
      yield "DONE";
    }
    await ledger.setState("CHECKING");
    const checked = yield* done(checkHeld(ledger.restorable, heldUnits));

    await scripts.load(raised.generation);
    yield "DONE";
    await redis.open(raised.generation);
    yield "DONE";
    await scripts.learn();
    const ms = Math.round(monotonicNow() - closed_at - waited_ms);
    const last: LastReport = { restored, checked, ms };
    const recovery = await ledger.finish(last);
    reportAdmission({ ...raised, ...last, recovery }, log);
  }

  async function* drained(redis: RedisSide): AsyncGenerator<Step, void> {
    while (!(await restoring.isDrained())) {
      await redis.check();
      await sleep(DRAIN_EVERY_MS);
      yield "DONE";
    }
    yield "DONE";
  }

  /** Returns how long it has waited for somebody to agree, in ms. */
  async function* approved(
    ledger: LedgerSide,
    redis: RedisSide,
    heard: Heard,
  ): AsyncGenerator<Step, number> {
    if (deps.recovery === "auto") return 0;
    const asked_at = monotonicNow();
    const { seq: redis_seq } = await restoring.look();
    const sides = await ledger.compare({ redis_seq, generation: redis.generation, heard });
    const { finding, lost, rebuild } = judge(sides);
    if (finding === "INTACT" || (await ledger.askApproval(sides))) return 0;
    await ledger.setState("WAITING_FOR_APPROVAL");
    log.error(
      { ...sides, finding, lost, rebuild },
      "redis has lost data, and nothing is sold until somebody agrees: POST /v1/recovery:approve",
    );
    recoveryWaiting.set(1);
    try {
      while (!(await ledger.isApproved())) {
        await redis.check(); // it may come back with everything
        yield "PAUSE";
      }
    } finally {
      recoveryWaiting.set(0);
    }
    log.info("the recovery is approved");
    return monotonicNow() - asked_at;
  }

  // The registry has the default store only when somebody gave it a rank.
  const otherStores = async (ledger: LedgerSide) =>
    (await ledger.restorable.stores()).filter(
      ([store_id, rank]) => store_id !== deps.default_store || rank !== 0,
    );

  async function stayInTouch(of: Work) {
    if (monotonicNow() < of.touched_at + TOUCH_EVERY_MS) return;
    await of.ledger.stayInTouch();
    of.touched_at = monotonicNow();
  }

  async function close() {
    const ended = work;
    work = null;
    if (!ended) return;
    ended.span?.end();
    await ended.steps.return().catch(() => {}); // what it has begun is begun anew
    await ended.ledger.close().catch(() => {}); // its connection may be what failed
  }

  return { name: "admitter", idle_ms: LOOK_EVERY_MS, runOnce, close };
}

// Hands on the steps of what goes through chunks, and its result.
async function* done<Result>(chunks: AsyncGenerator<void, Result>): AsyncGenerator<Step, Result> {
  for (;;) {
    const { value, done: ended } = await chunks.next();
    if (ended) return value;
    yield "DONE";
  }
}
