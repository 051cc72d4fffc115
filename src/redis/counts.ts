import type { Redis } from "ioredis";
import type { CustomerBase, CustomerCount } from "../domain/rules.ts";
import type { Batcher } from "./batcher.ts";
import { type CallContext, commonRefusal, createSubmit } from "./deciding.ts";
import type { Keys } from "./keys.ts";
import { CorruptKey } from "./outcome.ts";

/** Where lua/add_counts.lua keeps how far it has come. */
export const PLACE_FIELD = "place";

/** Counts as Redis keeps them, each with its field; and up to which place bases are among them. */
export const countWords = (counts: CustomerCount[], place: number): (string | number)[][] => [
  ...(place > 0 ? [[PLACE_FIELD, place]] : []),
  ...counts.map(({ sku, user_id, units, active }) => [`${sku} ${user_id}`, `${units} ${active}`]),
];

export type Counts = ReturnType<typeof createCounts>;

/** What customers have of skus that are limited per customer, as Redis counts it. */
export function createCounts({
  batcher,
  redis,
  keys,
}: {
  batcher: Batcher;
  redis: Redis;
  keys: Keys;
}) {
  const submit = createSubmit(batcher);

  /** Up to which place Redis has what customers had before they were counted. */
  async function readPlace(): Promise<number> {
    const place = (await redis.hget(keys.customers, PLACE_FIELD)) ?? "0";
    if (!/^\d{1,15}$/.test(place)) throw new CorruptKey(keys.customers);
    return Number(place);
  }

  /** Adds them, each once. @param bases in the order of their places, at most 500 */
  async function addBases(bases: CustomerBase[], context: CallContext): Promise<void> {
    const words = bases.flatMap(({ place, sku, user_id, units, active }) => [
      String(place),
      sku,
      user_id,
      String(units),
      String(active),
    ]);
    const args = [String(bases.length), ...words];
    const tuple = await submit("add_counts", context, { keys: [], args });
    if (tuple[0] !== "ADDED" && tuple[0] !== "REPLAYED") throw commonRefusal(tuple);
  }

  return { readPlace, addBases };
}
