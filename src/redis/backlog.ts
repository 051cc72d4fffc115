import type { Redis } from "ioredis";
import type { Log } from "../log.ts";
import { backlogEvents, backlogFull, redisMemoryPart } from "../metrics.ts";
import type { Keys } from "./keys.ts";
import { readMemoryPart } from "./memory.ts";
import { type Overload, Overloaded } from "./outcome.ts";
import { ENDING_SCRIPTS, READ_SCRIPTS, type ScriptName } from "./scripts.ts";
import { createStream } from "./stream.ts";

const LOOK_MS = 200;
/** Of `maxmemory`: at 1 Redis itself refuses whatever takes more. */
const MEMORY_PART_MAX = 0.9;
/** What was full is open again below this part of its limit, or it would open and close all the time. */
const REOPENED_AT = 0.9;
/** Each hold ends once, so twice as many events have room for the ends of all that the first ones began. */
const ENDINGS = 2;

export type Backlog = ReturnType<typeof createBacklog>;

/**
 * Sees to it that Redis does not fill up while Postgres is away or too slow. From `limit` unrecorded events
 * on, or when Redis has little memory left, nothing new is taken on; what was begun may end until there are
 * twice as many. It looks five times a second, so a limit may be passed by what is decided meanwhile.
 */
export function createBacklog({
  redis,
  keys,
  limit,
  log,
}: {
  redis: Redis;
  keys: Keys;
  limit: number;
  log: Log;
}) {
  const stream = createStream(redis, keys);
  let beginning: Overloaded | null = null;
  let ending: Overloaded | null = null;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  /** Why a script is not to be called; null when it may be. */
  function refusal(script: ScriptName): Overloaded | null {
    if (!beginning || READ_SCRIPTS.has(script)) return null;
    return ENDING_SCRIPTS.has(script) ? ending : beginning;
  }

  /** Looks once, then again and again until `stop`. */
  async function start(): Promise<void> {
    // Not hidden: when Redis can't be asked, every call says so.
    await look().catch(() => {});
    if (stopped) return;
    timer = setTimeout(() => void start(), LOOK_MS);
    timer.unref();
  }

  async function look(): Promise<void> {
    const [events, memory] = await Promise.all([stream.countUnrecorded(), readMemoryPart(redis)]);
    backlogEvents.set(events);
    redisMemoryPart.set(memory);
    const was = beginning;
    beginning = whatIsFull(events, memory);
    const endings_limit = ENDINGS * limit * (ending ? REOPENED_AT : 1);
    ending = events >= endings_limit ? beginning : null;
    backlogFull.set(beginning ? 1 : 0);
    if (beginning && !was) {
      const { because, message } = beginning;
      log.error({ because, events, limit, memory, err: message }, "nothing new is taken on");
    }
    if (was && !beginning) log.info({ events, limit, memory }, "new requests are taken on again");
  }

  // The same object as long as it lasts: thousands of requests a second may be refused with it.
  function whatIsFull(events: number, memory: number): Overloaded | null {
    const part = (because: Overload) => (beginning?.because === because ? REOPENED_AT : 1);
    if (events >= limit * part("BACKLOG")) {
      return beginning?.because === "BACKLOG" ? beginning : tooManyEvents(limit);
    }
    if (memory >= MEMORY_PART_MAX * part("MEMORY")) {
      return beginning?.because === "MEMORY" ? beginning : tooLittleMemory();
    }
    return null;
  }

  /** For /ready: rejects with words. */
  async function check(): Promise<void> {
    if (beginning) throw new Error(beginning.message);
  }

  function stop() {
    stopped = true;
    clearTimeout(timer);
  }

  return { refusal, start, check, stop };
}

const tooManyEvents = (limit: number) =>
  new Overloaded(
    `${limit} events wait to be recorded in Postgres, so nothing new is taken on.`,
    "BACKLOG",
  );

const tooLittleMemory = () =>
  new Overloaded(
    `Redis uses ${100 * MEMORY_PART_MAX} % of its maxmemory, so nothing new is taken on.`,
    "MEMORY",
  );
