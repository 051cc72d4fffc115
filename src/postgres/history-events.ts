import type { InventoryEvent } from "../domain/event.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Pool, Statement } from "./client.ts";
import { type ListPage, pageOf } from "./history-page.ts";

/** An event as consumers see it. */
export type RecordedEvent = {
  event_id: string;
  type: InventoryEvent["type"];
  occurred_at: number;
  payload: InventoryEvent["payload"];
  /** Its place among all: newer is higher. */
  recorded_id: number;
};

/** Behind an event, or from a time in ms at which it was recorded. */
export type EventsSince = { event_id: string } | { at_ms: number };

/**
 * Events of a sku, a store or all, in the order in which they were recorded: whoever goes on behind the last
 * one he has seen misses none.
 */
export function createEventHistory(pool: Pool) {
  /** @throws Rejection NOT_FOUND when there is no event of the id to begin behind, or no longer */
  async function listEvents({
    sku,
    store_id,
    since,
    limit,
  }: {
    sku?: string | undefined;
    store_id?: string | undefined;
    since?: EventsSince | undefined;
    limit: number;
  }): Promise<ListPage<RecordedEvent, string>> {
    const first = await firstOf(since);
    if (first === null) return { items: [], next: null };
    const { rows } = await pool.query<EventRow>(eventsStatement(first, limit + 1, sku, store_id));
    return pageOf(rows.map(eventOf), limit, ({ event_id }) => event_id);
  }

  /**
   * The lowest recorded_id to begin with; null when nothing was recorded since. Never one from before the
   * events that are kept: the movements go further back, and would be gone through for nothing.
   */
  async function firstOf(since: EventsSince | undefined): Promise<number | null> {
    const { rows } = await pool.query<{ first: number }>(firstStatement(since));
    const [row] = rows;
    if (row || !since || "at_ms" in since) return row?.first ?? null;
    const { event_id } = since;
    throw new Rejection("NOT_FOUND", `There is no event ${event_id} to begin behind.`, {
      event_id,
    });
  }

  return { listEvents };
}

function firstStatement(since: EventsSince | undefined): Statement {
  if (!since) {
    return {
      name: "first_event",
      text: "select recorded_id as first from processed_events order by recorded_id limit 1",
    };
  }
  if ("event_id" in since) {
    return {
      name: "first_behind_event",
      text: "select recorded_id + 1 as first from processed_events where event_id = $1",
      values: [since.event_id],
    };
  }
  return {
    name: "first_event_since",
    text: `select recorded_id as first from processed_events
           where recorded_at >= to_timestamp($1::float8 / 1000)
           order by recorded_at, recorded_id limit 1`,
    values: [since.at_ms],
  };
}

// Not prepared: the plan depends on how common the sku and the store are.
function eventsStatement(
  first: number,
  count: number,
  sku: string | undefined,
  store_id: string | undefined,
): Statement {
  const values = [first, count];
  if (sku === undefined && store_id === undefined) return { text: ALL_EVENTS, values };
  if (sku === undefined) return { text: OF_STORE, values: [...values, store_id] };
  if (store_id === undefined) return { text: OF_SKU, values: [...values, sku] };
  return { text: OF_STOCK, values: [...values, sku, store_id] };
}

const COLUMNS = "event_id, type, occurred_at, payload, recorded_id";
// Without a payload there is nothing to tell: it was recorded before payloads were kept.
const ALL_EVENTS = `
  select ${COLUMNS} from processed_events
  where recorded_id >= $1 and payload is not null
  order by recorded_id limit $2`;

// An event is about the stocks that it moves, and about those that it names and leaves as they are. It may
// have several rows in either table, and it is forgotten before its movements are. Each event is looked up by
// itself (hence `limit 1`): in a join of all of both, most would be read for nothing.
const pageOfTable = (table: "stock_movements" | "unmoved_stocks", condition: string) => `
  select named.recorded_id
  from (
    select distinct recorded_id from ${table}
    where ${condition} and recorded_id >= $1 order by recorded_id
  ) as named
  cross join lateral (
    select from processed_events
    where processed_events.recorded_id = named.recorded_id and payload is not null limit 1
  ) as event
  order by named.recorded_id limit $2`;
// What is sorted is no more than a page of each.
const eventsOf = (...pages: string[]) => `
  select ${COLUMNS} from processed_events
  where recorded_id in (
    select recorded_id from (${pages.map((page) => `(${page})`).join(" union all ")}) as page
    group by recorded_id order by recorded_id limit $2
  )
  order by recorded_id`;
const eventsWhere = (condition: string) =>
  eventsOf(pageOfTable("stock_movements", condition), pageOfTable("unmoved_stocks", condition));
const OF_STORE = eventsWhere("store_id = $3");
const OF_STOCK = eventsWhere("sku = $3 and store_id = $4");
const OF_SKU = eventsOf(
  `select of_store.recorded_id
   from (select store_id from stock_levels where sku = $3) as level
   cross join lateral (
     ${pageOfTable("stock_movements", "sku = $3 and store_id = level.store_id")}
   ) as of_store`,
  pageOfTable("unmoved_stocks", "sku = $3"),
);

type EventRow = Omit<RecordedEvent, "occurred_at"> & { occurred_at: Date };

const eventOf = (row: EventRow): RecordedEvent => ({
  ...row,
  occurred_at: row.occurred_at.getTime(),
});
