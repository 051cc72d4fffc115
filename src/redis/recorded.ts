import type { Redis } from "ioredis";
import { monotonicNow } from "../now.ts";
import { within } from "../within.ts";
import type { Keys } from "./keys.ts";
import { Overloaded } from "./outcome.ts";

const WAITING_MAX = 10_000;

type Waiting = { seq: number; resolve: () => void };

/**
 * Waits until events are recorded. The recorder announces how far it has come after each batch
 * (`consumer.announce`), so nobody who waits has to ask again and again.
 * @param subscriber a connection that is for channels alone; it subscribes when first somebody waits
 */
export function createRecorded({
  subscriber,
  keys,
  lastSeq,
  readProgress,
}: {
  subscriber: Redis;
  keys: Keys;
  lastSeq: () => Promise<number>;
  readProgress: () => Promise<{ applied_seq: number }>;
}) {
  const waiting = new Set<Waiting>();
  let applied_seq = 0;
  let subscribing: Promise<void> | undefined;

  subscriber.on("message", (channel, text: string) => {
    if (channel === keys.recorded) noteApplied(Number(text));
  });
  // What was announced meanwhile is lost.
  subscriber.on("close", () => {
    subscribing = undefined;
  });
  subscriber.on("ready", () => {
    if (waiting.size > 0) subscribe().catch(() => {}); // it comes again with the next `ready`, or who waits
  });

  function noteApplied(seq: number) {
    applied_seq = seq;
    for (const waiter of waiting) if (waiter.seq <= seq) waiter.resolve();
  }

  function subscribe(): Promise<void> {
    subscribing ??= subscribeAndCatchUp().catch((error: unknown) => {
      subscribing = undefined;
      throw error;
    });
    return subscribing;
  }

  // In this order: what is recorded between the two is announced.
  async function subscribeAndCatchUp() {
    await subscriber.subscribe(keys.recorded);
    const progress = await readProgress();
    noteApplied(Math.max(applied_seq, progress.applied_seq));
  }

  /**
   * Whether everything that was decided until now is recorded, within `ms`. False too when nobody can say.
   * @throws Overloaded when too many wait already
   */
  async function wait(ms: number): Promise<boolean> {
    if (waiting.size >= WAITING_MAX) throw new Overloaded(`${waiting.size} wait for the ledger.`);
    const until = monotonicNow() + ms;
    try {
      await within(ms, subscribe());
      const seq = await within(until - monotonicNow(), lastSeq());
      return seq <= applied_seq || (await applied(seq, until));
    } catch {
      return false; // what was decided stands; only when it is recorded is not known
    }
  }

  async function applied(seq: number, until: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { seq, resolve };
    waiting.add(waiter);
    try {
      await within(until - monotonicNow(), promise);
      return true;
    } finally {
      waiting.delete(waiter);
    }
  }

  return { wait };
}
