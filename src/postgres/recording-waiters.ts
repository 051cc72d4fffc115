import { offerOf, type Waiter } from "../domain/waiter.ts";
import type { Statement } from "./client.ts";

/** Writes what became of waiters. A wait ends once: who has ended it does not wait again. */
export function upsertWaiters(unsorted: Waiter[]): Statement {
  const waiters = unsorted.toSorted((a, b) => (a.waiter_id < b.waiter_id ? -1 : 1));
  return {
    name: "upsert_waiters",
    text: `insert into waiters (waiter_id, status, sku, store_id, quantity, user_id, offer_ms, joined_at,
             joined_seq, hold_id)
           select waiter_id, status, sku, store_id, quantity, user_id, offer_ms,
             to_timestamp(joined_ms / 1000), joined_seq, hold_id
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[],
               $7::integer[], $8::float8[], $9::bigint[], $10::text[])
             as told (waiter_id, status, sku, store_id, quantity, user_id, offer_ms, joined_ms, joined_seq,
               hold_id)
           on conflict (waiter_id) do update
           set status = excluded.status, hold_id = excluded.hold_id
           where waiters.status = 'WAITING'`,
    values: [
      waiters.map(({ waiter_id }) => waiter_id),
      waiters.map(({ status }) => status),
      waiters.map(({ sku }) => sku),
      waiters.map(({ store_id }) => store_id),
      waiters.map(({ quantity }) => quantity),
      waiters.map(({ user_id }) => user_id),
      waiters.map(({ offer_ms }) => offer_ms),
      waiters.map(({ joined_at }) => joined_at),
      waiters.map(({ joined_seq }) => joined_seq),
      waiters.map(({ waiter_id, status }) => (status === "OFFERED" ? offerOf(waiter_id) : null)),
    ],
  };
}
