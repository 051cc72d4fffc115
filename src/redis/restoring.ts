import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { StockState } from "../domain/event.ts";
import type { Hold } from "../domain/hold.ts";
import { type CustomerCount, type KeptRules, keptRulesText } from "../domain/rules.ts";
import type { Waiter } from "../domain/waiter.ts";
import { countWords } from "./counts.ts";
import { GROUP, type Keys } from "./keys.ts";
import { isNoScript, isReply } from "./outcome.ts";
import { isStreamDrained } from "./recording-group.ts";
import { waitersToRestore } from "./restoring-waiters.ts";
import { readLua } from "./scripts.ts";
import { parseInfo } from "./server-check.ts";

/** This Redis is not the one any more with which the admission began, or another worker admits it now. */
export class AdmissionLost extends Error {
  override name = "AdmissionLost";
}

/** A hold to be given back. What it does not have yet is left out. */
export type RestoredHold = Hold & {
  /** The event that ended it. */
  ended_by?: string | undefined;
};

/** NEWER: what Redis has a newer version of stays. FORCED: nothing does that is different. */
type Rebuild = "NEWER" | "FORCED";

export type RestoredStock = StockState & { changed_at: number };

export type Restoring = ReturnType<typeof createRestoring>;
export type RedisSide = Awaited<ReturnType<Restoring["begin"]>>;

/**
 * Redis's side of an admission. All that is written goes through scripts that look whether the admission
 * is still the one at work: a worker that hangs in the middle and wakes up later must not overwrite what
 * was sold meanwhile. They are loaded once, and never again after a NOSCRIPT: so a Redis that restarts
 * in the middle, and may have lost what it was given back, refuses the rest and the opening.
 */
export function createRestoring(redis: Redis, keys: Keys) {
  /** The generation that Redis is admitted with, null when it is not, and the seq of its newest event. */
  async function look(): Promise<{ generation: number | null; seq: number }> {
    const [generation, seq] = await Promise.all([
      readNumber(keys.generation),
      readNumber(keys.seq),
    ]);
    return { generation: generation || null, seq };
  }

  // What is no number counts as none: the counters are written anew then.
  async function readNumber(key: string): Promise<number> {
    try {
      const text = (await redis.get(key)) ?? "";
      return /^\d{1,15}$/.test(text) ? Number(text) : 0;
    } catch (error) {
      if (isReply(error, "WRONGTYPE")) return 0;
      throw error;
    }
  }

  /** Whether every entry was delivered, recorded and acknowledged; also when there is no stream. */
  async function isDrained(): Promise<boolean> {
    try {
      return await isStreamDrained(redis, keys.stream);
    } catch (error) {
      if (isReply(error, "WRONGTYPE")) return true; // it is something else, so there is no stream
      throw error;
    }
  }

  /**
   * Lets Redis begin another file to append to, and drop the old one when it has written anew what it has.
   * When power failed in the middle of a script's writes, Redis leaves out that part, but may keep it in its
   * file, without an end: what is appended behind it would give it one, and the next restart would carry
   * it out (https://github.com/valkey-io/valkey/pull/4342). False when it may not, as with managed ones.
   */
  async function renewFile(): Promise<boolean> {
    try {
      const { aof_enabled, aof_rewrite_in_progress } = parseInfo(await redis.info("persistence"));
      const has_to = aof_enabled === "1" && aof_rewrite_in_progress === "0";
      if (has_to) await redis.call("BGREWRITEAOF");
      return true;
    } catch (error) {
      if (isReply(error, "NOPERM") || isReply(error, "ERR")) return false;
      throw error;
    }
  }

  /** Closes the fence. From here on only what `begin` returns can open it, until it is begun again. */
  async function begin() {
    const token = randomUUID();
    const generation = Number(
      await redis.call("EVAL", [
        ...[readLua("admission/begin.lua"), 2, keys.generation, keys.admission],
        token,
      ]),
    );
    const shas = await loadScripts(redis);

    async function run(script: ScriptName, names: string[], args: (string | number)[]) {
      const command = [shas[script], names.length + 1, keys.admission, ...names, token, ...args];
      const reply = await redis.call("EVALSHA", command).catch((error: unknown) => {
        if (!isNoScript(error)) throw error;
        throw new AdmissionLost("Redis has lost the scripts of the admission.");
      });
      const [word, ...counts] = [reply].flat();
      if (word !== "LOST") return counts.map(Number);
      throw new AdmissionLost("Redis was emptied, or another worker admits it.");
    }

    /** Returns how many were written, and how many units are on hand in them. */
    async function restoreStocks(
      stocks: RestoredStock[],
      rebuild: Rebuild,
    ): Promise<[stocks: number, units: number]> {
      const [written = 0, units = 0] = await run("restore_stocks", stocks.flatMap(keys.ofStock), [
        rebuild,
        texts(stocks.map((of) => [of.available, of.held, of.version, of.changed_at])),
      ]);
      return [written, units];
    }

    /** Returns how many were written. */
    async function restoreHolds(holds: RestoredHold[], rebuild: Rebuild): Promise<number> {
      const [written = 0] = await run(
        "restore_holds",
        [keys.deadlines, ...holds.map(({ hold_id }) => keys.hold(hold_id))],
        [rebuild, texts(holds.map(holdWords))],
      );
      return written;
    }

    /**
     * Takes out holds that are no holds any more. Returns how many there were.
     * @param records idempotency records to be taken out as well; each is a key that `keys.idem` made
     */
    async function forgetHolds(hold_ids: string[], records: string[] = []): Promise<number> {
      const [forgotten = 0] = await run(
        "forget_holds",
        [keys.deadlines, ...hold_ids.map(keys.hold), ...records],
        [hold_ids.length, ...hold_ids],
      );
      return forgotten;
    }

    /** @param records of which each `key` is one that `keys.idem` made */
    async function restoreRecords(
      records: { key: string; text: string; kept_until: number }[],
    ): Promise<void> {
      await run(
        "restore_records",
        records.map(({ key }) => key),
        [texts(records.map(({ text, kept_until }) => [text, kept_until]))],
      );
    }

    /** Lets the sequence go on behind `seq`, and the stream behind `entry_id`. */
    async function restoreCounters(
      seq: number,
      entry_id: string,
      stores: [store_id: string, rank: number][],
    ): Promise<void> {
      await run(
        "restore_counters",
        [keys.seq, keys.stream, keys.stores],
        [seq, entry_id, GROUP, stores.length, ...stores.flat()],
      );
    }

    /**
     * Returns of how many skus they were written.
     * @param part FIRST forgets all that a former master had
     */
    async function restoreRules(
      rules: { sku: string; kept: KeptRules }[],
      rebuild: Rebuild,
      part: "FIRST" | "NEXT",
    ): Promise<number> {
      const [written = 0] = await run(
        "restore_rules",
        [keys.rules],
        [rebuild, part, texts(rules.map(({ sku, kept }) => [sku, keptRulesText(kept)]))],
      );
      return written;
    }

    /**
     * @param part FIRST forgets all that Redis had counted, and whose which hold is
     * @param place up to which customers' bases are among the counts
     */
    async function restoreCounts(
      counts: CustomerCount[],
      part: "FIRST" | "NEXT",
      place = 0,
    ): Promise<void> {
      const names = [keys.customers, keys.own_holds];
      await run("restore_counts", names, [part, texts(countWords(counts, place))]);
    }

    /** @param part FIRST forgets all queues that Redis had */
    async function restoreWaiting(waiters: Waiter[], part: "FIRST" | "NEXT"): Promise<void> {
      const { names, args } = waitersToRestore(waiters, keys);
      await run("restore_waiting", names, [part, ...args]);
    }

    return {
      /** The highest that this Redis knew of. */
      generation,
      /**
       * Tells Redis the generation that it will have, before the ledger has it. So a Redis that knows of
       * none as high as the ledger's has missed an admission.
       */
      announce: (next: number) => run("announce", [], [next]),
      /** @throws AdmissionLost when it has to begin anew, as all of these do */
      check: () => run("still_mine", [], []),
      restoreStocks,
      restoreHolds,
      forgetHolds,
      restoreRecords,
      restoreCounters,
      restoreRules,
      restoreCounts,
      restoreWaiting,
      open: (admitted: number) => run("open", [keys.generation], [admitted]),
    };
  }

  return { look, isDrained, renewFile, begin };
}

const SCRIPTS = [
  "restore_rules",
  "restore_counts",
  "restore_waiting",
  "still_mine",
  "announce",
  "restore_stocks",
  "restore_holds",
  "forget_holds",
  "restore_records",
  "restore_counters",
  "open",
] as const;
type ScriptName = (typeof SCRIPTS)[number];

// Only once the token is taken: a worker that hangs would find them there, and go on.
async function loadScripts(redis: Redis): Promise<Record<ScriptName, string>> {
  const loaded = SCRIPTS.map(async (name) => {
    const sha = await redis.script("LOAD", readLua(`admission/${name}.lua`));
    return [name, String(sha)] as const;
  });
  return Object.fromEntries(await Promise.all(loaded)) as Record<ScriptName, string>; // all of SCRIPTS
}

const holdWords = (hold: RestoredHold): (string | number)[] => [
  hold.hold_id,
  hold.status,
  hold.lines
    .filter(({ quantity }) => quantity > 0) // a line that an event says was taken out
    .map(({ sku, store_id, quantity }) => `${sku}@${store_id}=${quantity}`)
    .join(" "),
  hold.user_id,
  hold.created_at,
  hold.expires_at,
  hold.version,
  hold.ended_at ?? "",
  hold.ended_by ?? "",
  hold.order_id ?? "",
  hold.payment_ref ?? "",
  hold.extensions || "",
  hold.late ? 1 : "",
  hold.partial ? 1 : "",
];

// Lua would make floating point numbers of what is no text.
const texts = (lists: (string | number)[][]) =>
  JSON.stringify(lists.map((list) => list.map(String)));
