import { STORES_MAX } from "../domain/limits.ts";
import { tooManyStores } from "../domain/rejection.ts";
import { keepDeed } from "./audit-log.ts";
import type { Pool } from "./client.ts";
import { type IdempotentCall, once } from "./once.ts";
import type { Transaction } from "./transaction.ts";

export type Store = {
  store_id: string;
  name: string;
  /** 0 is the nearest. */
  latency_rank: number;
  /** Null for a default store that nobody has named yet. */
  created_at: number | null;
};

export function createStores(pool: Pool, default_store: string) {
  /**
   * Makes or changes a store. Without a rank, one that is there keeps its own and a new one gets 0.
   * @throws Rejection IDEMPOTENCY_KEY_REUSED, or INVALID_REQUEST when there is no room for more
   */
  async function putStore(
    input: { store_id: string; name: string; latency_rank?: number | undefined },
    call: IdempotentCall,
  ) {
    const { result, replayed } = await once(pool, call, async (transaction) => {
      const { rows: known } = await transaction.query<StoreRow>({
        name: "lock_store",
        text: `select store_id, name, latency_rank, created_at from stores where store_id = $1
               for update`,
        values: [input.store_id],
      });
      const { rows } = await transaction.query<StoreRow>({
        name: "put_store",
        text: `insert into stores (store_id, name, latency_rank) values ($1, $2, coalesce($3::integer, 0))
               on conflict (store_id) do update
               set name = excluded.name, latency_rank = coalesce($3::integer, stores.latency_rank)
               returning store_id, name, latency_rank, created_at`,
        values: [input.store_id, input.name, input.latency_rank],
      });
      const [row] = rows;
      if (!row) throw new Error("An upsert returned no row."); // it always does
      const { rows: all } = await transaction.query<{ count: number }>(
        "select count(*) as count from stores",
      );
      if ((all[0]?.count ?? 0) > STORES_MAX) throw tooManyStores();
      const [before = null] = known.map(storeOf);
      const after = storeOf(row);
      const deed = { what: "STORE_SET", subject: input.store_id, before, after } as const;
      const is_same = before?.name === after.name && before.latency_rank === after.latency_rank;
      if (!is_same) await keepDeed(transaction, call.by, deed);
      return after;
    });
    return { store: result, replayed };
  }

  /** All of them by id, of which there are not many. The default store is among them, recorded or not. */
  async function listStores(): Promise<Store[]> {
    const { rows } = await pool.query<StoreRow>({
      name: "list_stores",
      text: `select store_id, name, latency_rank, created_at from stores
             union all
             select $1, $1, 0, null where not exists (select from stores where store_id = $1)
             order by store_id`,
      values: [default_store],
    });
    return rows.map(storeOf);
  }

  return { putStore, listStores };
}

/**
 * The store that has the least in total by the ledger's word, counting what is promised to it; of several the
 * first by id. It reads all levels: a new product with stock is rare, and an index would cost each sale.
 */
export async function leastStocked(
  transaction: Transaction,
  default_store: string,
): Promise<string> {
  const { rows } = await transaction.query<{ store_id: string }>({
    name: "least_stocked",
    text: `select store_id
           from (select store_id from stores union select $1) as candidates
           left join (
             select store_id, sum(units) as units
             from (
               select store_id, on_hand as units from stock_levels
               union all
               select store_id, units from initial_stocks
             ) as stock
             group by store_id
           ) as stocked using (store_id)
           order by coalesce(units, 0), store_id limit 1`,
    values: [default_store],
  });
  return rows[0]?.store_id ?? default_store;
}

type StoreRow = Omit<Store, "created_at"> & { created_at: Date | null };

const storeOf = ({ store_id, name, latency_rank, created_at }: StoreRow): Store => ({
  ...{ store_id, name, latency_rank },
  created_at: created_at?.getTime() ?? null,
});
