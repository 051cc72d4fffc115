import type { Waiter } from "../domain/waiter.ts";
import type { Keys } from "./keys.ts";

/** What lua/admission/restore_waiting.lua takes of some waiters, beside what all such scripts take. */
export function waitersToRestore(waiters: Waiter[], keys: Keys) {
  const placed = waiters.map((waiter) => ({
    ...waiter,
    stock: keys.stockName(waiter.sku, waiter.store_id),
  }));
  const names = placed.flatMap(({ waiter_id, stock }) => [
    keys.waiter(waiter_id),
    keys.queue(stock),
    keys.places(stock),
  ]);
  const texts = placed.map((of) => [
    ...[of.waiter_id, of.stock, of.sku, of.store_id, of.user_id],
    ...[of.quantity, of.offer_ms, of.joined_at, of.joined_seq].map(String),
  ]);
  return {
    names: [keys.waiting, ...names],
    args: [
      JSON.stringify([keys.queue(""), keys.places(""), keys.waiter("")]),
      JSON.stringify(texts),
    ],
  };
}
