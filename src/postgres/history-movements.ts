import { type Movement, stockOf } from "../domain/batch-plan.ts";
import type { Pool } from "./client.ts";
import { type ListPage, pageOf } from "./history-page.ts";

/** One signed change of one stock, with its cause. */
export type StockMovement = {
  movement_id: number;
  /** The event's place among all: newer is higher. */
  recorded_id: number;
  sku: string;
  store_id: string;
  kind: Movement["kind"];
  available_delta: number;
  held_delta: number;
  /** The stock's after it; null when no event of ours has made it, or when it is from before versions. */
  version: number | null;
  reference: string | null;
  notes: string | null;
  reason: string | null;
  actor: string | null;
  event_id: string;
  occurred_at: number;
};

export type MovementPlace = { recorded_id: number; movement_id: number };

export function createMovementHistory(pool: Pool) {
  /**
   * A sku's movements in one store or in all, newest first.
   * @param list.before only what is older than this one: the `next` of the page before
   */
  async function listMovements({
    sku,
    store_id,
    limit,
    before = NEWEST,
  }: {
    sku: string;
    store_id?: string | undefined;
    limit: number;
    before?: MovementPlace | undefined;
  }): Promise<ListPage<StockMovement, MovementPlace>> {
    const { recorded_id, movement_id } = before;
    const values = [sku, recorded_id, movement_id, limit + 1];
    // Not prepared: the plan depends on how common the sku and the store are.
    const { rows } = await pool.query<MovementRow>(
      store_id === undefined
        ? { text: OF_ALL_STORES, values }
        : { text: OF_ONE_STORE, values: [...values, store_id] },
    );
    const place = ({ recorded_id, movement_id }: StockMovement) => ({ recorded_id, movement_id });
    return pageOf(rows.map(movementOf), limit, place);
  }

  /** The newest movements of each of these stocks, by `stockOf`, newest first. */
  async function listNewest(
    stocks: { sku: string; store_id: string }[],
    count: number,
  ): Promise<Map<string, StockMovement[]>> {
    const { rows } = await pool.query<MovementRow>({
      name: "list_newest_movements",
      text: OF_EACH,
      values: [stocks.map(({ sku }) => sku), stocks.map(({ store_id }) => store_id), count],
    });
    return Map.groupBy(rows.map(movementOf), stockOf);
  }

  return { listMovements, listNewest };
}

const NEWEST = { recorded_id: Number.MAX_SAFE_INTEGER, movement_id: Number.MAX_SAFE_INTEGER };

const COLUMNS = `movement_id, recorded_id, sku, store_id, kind, available_delta, held_delta, version,
  reference, notes, reason, actor, event_id, occurred_at`;
const newestOf = (store_id: string) => `
  select ${COLUMNS}
  from stock_movements
  where sku = $1 and store_id = ${store_id} and (recorded_id, movement_id) < ($2::bigint, $3::bigint)
  order by recorded_id desc, movement_id desc limit $4`;
const OF_ONE_STORE = newestOf("$5");
// A page of each store, so that what is sorted are pages, and not the history of a sku that sells well. Every
// stock that has moved has a level.
const OF_ALL_STORES = `
  select newest.*
  from (select store_id from stock_levels where sku = $1) as level
  cross join lateral (${newestOf("level.store_id")}) as newest
  order by recorded_id desc, movement_id desc limit $4`;
const OF_EACH = `
  select newest.*
  from unnest($1::text[], $2::text[]) as wanted (sku, store_id)
  cross join lateral (
    select ${COLUMNS} from stock_movements
    where sku = wanted.sku and store_id = wanted.store_id
    order by recorded_id desc, movement_id desc limit $3
  ) as newest
  order by recorded_id desc, movement_id desc`;

type MovementRow = Omit<StockMovement, "occurred_at"> & { occurred_at: Date };

const movementOf = (row: MovementRow): StockMovement => ({
  ...row,
  occurred_at: row.occurred_at.getTime(),
});
