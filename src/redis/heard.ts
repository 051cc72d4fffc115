import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Redis } from "ioredis";
import { within } from "../within.ts";
import type { Keys } from "./keys.ts";
import type { Scripts } from "./scripts.ts";
import { createStream } from "./stream.ts";

/** For those who have answers; one that hangs can't say anything anyhow. */
const ASK_MS_MAX = 1_000;
/** As long as it has not. */
const CATCH_UP_EVERY_MS = 100;

/** What somebody knows of all that Redis has decided. */
export type Heard = {
  /** The newest event, and the admission under which it was decided. */
  generation: number;
  seq: number;
  /** Nothing was decided behind it that this one could have missed. */
  all: boolean;
};

const NOTHING: Heard = { generation: 0, seq: 0, all: false };

/**
 * Hears what Redis decides: each script that makes events says its seq on a channel, in the same step. What
 * Redis has lost before it was recorded is known to those alone who have heard of it, so every process
 * listens, and answers the one that lets Redis in again. Whoever has listened without a break since Redis was
 * open has heard all.
 * @param subscriber a connection that is used for nothing else than channels
 */
export function createHeard({
  redis,
  subscriber,
  keys,
  scripts,
}: {
  redis: Redis;
  subscriber: Redis;
  keys: Keys;
  scripts: Pick<Scripts, "isAdmitted" | "generation">;
}) {
  const { lastSeqAdmitted } = createStream(redis, keys);
  let heard = NOTHING;
  let breaks = 0;
  let catching_up = false;
  /** Our own questions, by their token. */
  const questions = new Map<string, (answer: Heard) => void>();

  subscriber.on("message", (channel, text: string) => {
    if (channel === keys.seq) hear(text);
  });
  subscriber.on("close", () => {
    breaks += 1;
    heard = { ...heard, all: false };
  });
  const timer = setInterval(() => void catchUp(), CATCH_UP_EVERY_MS);
  timer.unref();
  subscriber.on("end", () => clearInterval(timer));

  function hear(text: string) {
    const [word, ...rest] = text.split(" ");
    if (word === "DECIDED") {
      const [generation, seq] = rest.map(Number);
      note(generation, seq);
    }
    if (word === "ASKED") {
      const [token = ""] = rest;
      const our_own = questions.get(token);
      if (our_own) our_own(heard);
      else tell(token).catch(() => {}); // who asks does not wait for long
    }
    if (word === "HEARD") {
      const [token = "", generation, seq, all] = rest;
      const answer = questions.get(token);
      answer?.({ generation: Number(generation), seq: Number(seq), all: all === "ALL" });
    }
  }

  // Redis may be anybody's to write to: what is no number is nothing that was heard.
  function note(generation = Number.NaN, seq = Number.NaN): boolean {
    if (!Number.isSafeInteger(generation) || !Number.isSafeInteger(seq)) return false;
    heard = newest(heard, { generation, seq, all: heard.all });
    return true;
  }

  /**
   * Listens, and finds out what was decided before. Only of a Redis that is open: one that was restarted,
   * and that nobody has admitted since, may have forgotten what it had decided last.
   */
  async function catchUp(): Promise<void> {
    if (heard.all || catching_up || subscriber.status !== "ready") return;
    catching_up = true;
    const breaks_before = breaks;
    try {
      await subscriber.subscribe(keys.seq);
      const found = await lastSeqAdmitted();
      const is_open = (await scripts.isAdmitted()) && scripts.generation() === found?.generation;
      if (!is_open || breaks !== breaks_before) return;
      if (note(found?.generation, found?.seq)) heard = { ...heard, all: true };
    } catch {
      // It is tried again, as it is while Redis is not open.
    } finally {
      catching_up = false;
    }
  }

  async function tell(token: string): Promise<void> {
    const { generation, seq, all } = heard;
    await redis.publish(keys.seq, `HEARD ${token} ${generation} ${seq} ${all ? "ALL" : "NOT_ALL"}`);
  }

  /**
   * Asks everybody who listens, us too, what they have heard. To be asked while Redis decides nothing; the
   * question goes the same way as what was decided before it, and so comes behind it.
   */
  async function ask(): Promise<Heard> {
    const token = randomUUID();
    const { promise: enough, resolve } = Promise.withResolvers<void>();
    let best = { ...heard, all: false };
    let asked = Number.POSITIVE_INFINITY;
    let answered = 0;
    questions.set(token, (answer) => {
      best = { ...newest(best, answer), all: best.all || answer.all };
      answered += 1;
      if (answer.all || answered >= asked) resolve();
    });
    try {
      // Without it the answers would be for nobody. Redis may just have come back.
      const signal = AbortSignal.timeout(ASK_MS_MAX);
      if (subscriber.status !== "ready") await once(subscriber, "ready", { signal });
      await subscriber.subscribe(keys.seq);
      asked = await redis.publish(keys.seq, `ASKED ${token}`);
      if (answered >= asked) resolve();
      await within(ASK_MS_MAX, enough);
    } catch {
      // What has arrived while we were busy ourselves counts: it is read before this is called.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      questions.delete(token);
    }
    return best;
  }

  return { ask };
}

const newest = (one: Heard, other: Heard) =>
  other.generation > one.generation || (other.generation === one.generation && other.seq > one.seq)
    ? other
    : one;
