import { IDEMPOTENCY_MS } from "../src/domain/limits.ts";
import { Rejection } from "../src/domain/rejection.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import type { CallContext } from "../src/redis/deciding.ts";
import { CorruptKey } from "../src/redis/outcome.ts";
import { keeperMended } from "./metrics.ts";

const CALL_MS_MAX = 5_000;
const AT_ONCE_MAX = 500;
/** A promise that is younger is still the API's to keep. */
const AGE_MS_MIN = 10_000;
/** While it is younger, Redis still knows whether it was kept. An hour less than a record's life. */
const AGE_MS_MAX = IDEMPOTENCY_MS - 3_600_000;
const FIRST_ID = "00000000-0000-0000-0000-000000000000";

type Kept = { event_id: string; request_id: string; actor: string | null; age_ms: number };

/**
 * Goes through what Postgres promised and Redis may not have been told, a batch a run. How often a promise is
 * kept makes no difference: its event_id is the key.
 */
export function createPromiseKeeper<Promised extends Kept>({
  kind,
  words,
  read,
  keep,
  told,
  redisNow,
  generation,
  log,
}: {
  kind: "INITIAL_STOCK" | "RETURN";
  words: { kept: string; stuck: string };
  /** Open promises of this age, behind an event_id. */
  read: (age_ms: number, after: string, count: number) => Promise<Promised[]>;
  /** Returns when it was kept, in ms on Redis's clock. */
  keep: (promise: Promised, context: CallContext) => Promise<number>;
  /** What the log says of one. */
  told: (promise: Promised) => object;
  redisNow: () => Promise<number>;
  /** Of Redis's admission: since another one, what was done before may be gone. */
  generation: () => number | null;
  log: Log;
}) {
  let kept_under = generation();
  const kept = new Set<string>();
  let stuck = new Set<string>();
  let cursor = FIRST_ID;
  let pass = { open: new Set<string>(), stuck: new Set<string>() };

  /** Returns how many it has looked at, or 0 at the end of a pass through all. */
  async function runOnce(): Promise<number> {
    if (generation() !== kept_under) kept.clear();
    kept_under = generation();
    const promises = await read(AGE_MS_MIN, cursor, AT_ONCE_MAX);
    const now = await redisNow();
    const results = await Promise.allSettled(promises.map((promise) => keepOne(promise, now)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    for (const { event_id } of promises) pass.open.add(event_id);
    cursor = promises.at(-1)?.event_id ?? FIRST_ID;
    if (promises.length === AT_ONCE_MAX) return promises.length;
    endPass();
    return 0;
  }

  async function keepOne(promise: Promised, now: number): Promise<void> {
    const { event_id, request_id, age_ms } = promise;
    const actor = promise.actor ?? undefined;
    if (kept.has(event_id)) return; // only the recorder is late
    if (age_ms > AGE_MS_MAX) {
      reportStuck(promise, "too old to tell whether Redis has done it");
      return;
    }
    try {
      const deadline = monotonicNow() + CALL_MS_MAX;
      const kept_at = await keep(promise, { request_id, actor, deadline });
      kept.add(event_id);
      if (kept_at < now) return; // it was done
      keeperMended.inc({ what: kind });
      log.info(told(promise), words.kept);
    } catch (error) {
      if (error instanceof Rejection) reportStuck(promise, error.detail);
      else if (error instanceof CorruptKey) reportStuck(promise, error.message);
      else throw error;
    }
  }

  // Once for each, though it is tried again with each pass.
  function reportStuck(promise: Promised, reason: string) {
    const { event_id } = promise;
    pass.stuck.add(event_id);
    if (stuck.has(event_id)) return;
    stuck.add(event_id);
    log.error({ ...told(promise), reason }, words.stuck);
  }

  function endPass() {
    for (const event_id of kept) if (!pass.open.has(event_id)) kept.delete(event_id);
    stuck = pass.stuck;
    pass = { open: new Set(), stuck: new Set() };
    cursor = FIRST_ID;
  }

  return { runOnce, stuck: () => stuck.size };
}
