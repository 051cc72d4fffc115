import type { Redis } from "ioredis";
import type { HeldDifference } from "../domain/recovery.ts";
import type { Keys } from "./keys.ts";
import { isReply } from "./outcome.ts";
import { readLua } from "./scripts.ts";

const AT_ONCE = 2_000;

export type HeldUnits = ReturnType<typeof createHeldUnits>;

/** Looks whether units are held by holds, and by nothing else. To be asked while nothing is decided. */
export function createHeldUnits(redis: Redis, keys: Keys) {
  /** The ids of all holds that have a deadline, chunk by chunk. */
  async function* activeIds(): AsyncGenerator<string[]> {
    for (let first = 0; ; first += AT_ONCE) {
      const asked = redis.pipeline().zrange(keys.deadlines, `${first}`, `${first + AT_ONCE - 1}`);
      const ids = (await repliesOf<string[]>(asked))[0] ?? [];
      if (ids.length > 0) yield ids;
      if (ids.length < AT_ONCE) return;
    }
  }

  /** Units in active holds, by stock, a bit at a time: the last that is yielded is the sum. */
  async function* sumHolds(): AsyncGenerator<Map<string, HeldDifference>> {
    const script = readLua("admission/sum_held.lua");
    const sums = new Map<string, HeldDifference>();
    for await (const ids of activeIds()) {
      const names = ids.map(keys.hold);
      const flat = [await redis.call("EVAL", [script, names.length, ...names])].flat();
      for (let i = 0; i + 1 < flat.length; i += 2) {
        const [sku = "", store_id = ""] = String(flat[i]).split("@");
        sumOf(sums, sku, store_id).in_holds += Number(flat[i + 1]);
      }
      yield sums;
    }
  }

  /**
   * Compares what the stocks say with what the holds sum up to.
   * @param sums of `sumHolds`; every stock that the ledger says has units held must be in it, if only with 0
   */
  async function* compare(
    sums: Map<string, HeldDifference>,
  ): AsyncGenerator<{ stocks: number; differences: HeldDifference[] }> {
    const all = [...sums.values()];
    for (let first = 0; first < all.length; first += AT_ONCE) {
      const some = all.slice(first, first + AT_ONCE);
      const asked = redis.pipeline();
      for (const { sku, store_id } of some) asked.hget(keys.item(sku, store_id), "held");
      const held = await repliesOf<string>(asked);
      const compared = some.map((sum, i) => ({ ...sum, held: Number(held[i] ?? 0) }));
      yield {
        stocks: some.length,
        differences: compared.filter((stock) => stock.held !== stock.in_holds),
      };
    }
  }

  return { activeIds, sumHolds, compare };
}

/** Where a stock's sum stands, made if it is not there yet. */
export function sumOf(
  sums: Map<string, HeldDifference>,
  sku: string,
  store_id: string,
): HeldDifference {
  const stock = `${sku}@${store_id}`;
  const known = sums.get(stock);
  if (known) return known;
  const sum = { sku, store_id, held: 0, in_holds: 0 };
  sums.set(stock, sum);
  return sum;
}

// Null for a key that holds something else than it should: it is one of those that differ.
async function repliesOf<Reply>(asked: ReturnType<Redis["pipeline"]>): Promise<(Reply | null)[]> {
  const replies = (await asked.exec()) ?? [];
  return replies.map(([error, reply]) => {
    if (!error) return reply as Reply; // what the command replies
    if (isReply(error, "WRONGTYPE")) return null;
    throw error;
  });
}
