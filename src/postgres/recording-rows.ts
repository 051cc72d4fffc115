import {
  type BatchPlan,
  isSold,
  type Movement,
  type RecordedEvent,
  type StockLevel,
  stockOf,
} from "../domain/batch-plan.ts";
import type { HoldPayload, InventoryEvent } from "../domain/event.ts";
import { changesOf } from "../domain/line-changes.ts";
import { insertDeeds } from "./audit-log.ts";
import type { Connection, Statement } from "./client.ts";
import { insertUnmoved, replaceLines, settleReturns, upsertRules } from "./recording-changes.ts";
import { insertPayments, markSold } from "./recording-payments.ts";
import { upsertWaiters } from "./recording-waiters.ts";

// The rows of one recorded batch, a statement for each table however large the batch is. Rows that others
// write too are sorted, so that two writers of them wait for each other instead of locking crosswise.

/** Separates payloads: JSON has no raw control character within a text, and this one nowhere else either. */
const BETWEEN_PAYLOADS = "\x1e";

/**
 * The insert decides: an event is applied by whoever gets its row in. Returns those, by seq, which is also
 * the order of their `recorded_id`.
 */
export async function insertProcessed(
  client: Connection,
  partition: number,
  events: InventoryEvent[],
): Promise<RecordedEvent[]> {
  const distinct = [...new Map(events.map((event) => [event.event_id, event])).values()];
  const sorted = distinct.sort((a, b) => a.seq - b.seq);
  const { rows } = await client.query<{ event_id: string; recorded_id: number }>({
    name: "insert_processed",
    text: `insert into processed_events (partition, event_id, seq, type, hold_id, occurred_at, payload)
           select $1, event_id, seq, type, nullif(hold_id, ''), to_timestamp(occurred_ms / 1000),
             payload::json
           from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::float8[],
               string_to_array($7, chr(30)))
             as event (event_id, seq, type, hold_id, occurred_ms, payload)
           on conflict (event_id) do nothing
           returning event_id, recorded_id`,
    values: [
      partition,
      words(sorted.map(({ event_id }) => event_id)),
      numbers(sorted.map(({ seq }) => seq)),
      words(sorted.map(({ type }) => type)),
      words(sorted.map((event) => ("hold_id" in event.payload ? event.payload.hold_id : ""))),
      numbers(sorted.map(({ payload }) => payload.occurred_at)),
      sorted.map(({ payload_json }) => payload_json).join(BETWEEN_PAYLOADS),
    ],
  });
  const recorded = new Map(rows.map(({ event_id, recorded_id }) => [event_id, recorded_id]));
  return sorted.flatMap((event) => {
    const recorded_id = recorded.get(event.event_id);
    return recorded_id === undefined ? [] : [{ ...event, recorded_id }];
  });
}

/** The ledger's level of each stock the events touch, as far as it has one. */
export async function readLevels(client: Connection, events: InventoryEvent[]) {
  const lines = new Map<string, { sku: string; store_id: string }>();
  for (const event of events) for (const line of changesOf(event)) lines.set(stockOf(line), line);
  const stocks = [...lines.values()];
  const { rows } = await client.query<Omit<StockLevel, "updated_at">>({
    name: "read_levels",
    text: `select sku, store_id, available, held, version
           from stock_levels
           join unnest($1::text[], $2::text[]) as wanted (sku, store_id) using (sku, store_id)`,
    values: [words(stocks.map(({ sku }) => sku)), words(stocks.map(({ store_id }) => store_id))],
  });
  return new Map(rows.map((row) => [stockOf(row), { ...row, updated_at: 0 }]));
}

/**
 * The statements that write what a batch comes to. They need no answer of each other.
 * @param stores that may be new
 */
export function statementsOf(plan: BatchPlan, stores: string[]): Statement[] {
  const holds = plan.holds.toSorted((a, b) => (a.hold_id < b.hold_id ? -1 : 1));
  const sold = holds.filter(isSold);
  const marked = sold.filter(({ late, partial }) => late || partial);
  const relined = holds.filter(({ hold_id }) => plan.relined.includes(hold_id));
  return [
    ...(holds.length > 0 ? [upsertHolds(holds), insertLines(holds)] : []),
    ...(relined.length > 0 ? replaceLines(relined) : []),
    ...(plan.rules.length > 0 ? [upsertRules(plan.rules)] : []),
    ...(plan.waiters.length > 0 ? [upsertWaiters(plan.waiters)] : []),
    ...(sold.length > 0 ? [insertOrders(sold)] : []),
    ...(marked.length > 0 ? [markSold(marked)] : []),
    ...(plan.payments.length > 0 ? [insertPayments(plan.payments)] : []),
    upsertLevels(plan.levels.toSorted((a, b) => (stockOf(a) < stockOf(b) ? -1 : 1))),
    insertMovements(plan.movements),
    ...(plan.unmoved.length > 0 ? [insertUnmoved(plan.unmoved)] : []),
    ...(stores.length > 0 ? [insertStores(stores.toSorted())] : []),
    ...(plan.adjustments.length > 0 ? [settleInitialStocks(plan.adjustments)] : []),
    ...(plan.returns.length > 0 ? settleReturns(plan.returns) : []),
    ...(plan.deeds.length > 0 ? [insertDeeds(plan.deeds)] : []),
  ];
}

function upsertHolds(holds: HoldPayload[]): Statement {
  return {
    name: "upsert_holds",
    text: `insert into holds (hold_id, status, user_id, created_at, expires_at, ended_at, order_id,
             payment_ref, reason, version, extensions)
           select hold_id, status, user_id, to_timestamp(created_ms / 1000), to_timestamp(expires_ms / 1000),
             to_timestamp(ended_ms / 1000), order_id, payment_ref, reason, version, extensions
           from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::float8[],
               $7::text[], $8::text[], $9::text[], $10::integer[], $11::integer[])
             as hold (hold_id, status, user_id, created_ms, expires_ms, ended_ms, order_id, payment_ref,
               reason, version, extensions)
           on conflict (hold_id) do update
           set status = excluded.status, expires_at = excluded.expires_at, ended_at = excluded.ended_at,
             order_id = excluded.order_id, payment_ref = excluded.payment_ref, reason = excluded.reason,
             version = excluded.version, extensions = excluded.extensions
           where holds.version < excluded.version`,
    values: [
      words(holds.map((hold) => hold.hold_id)),
      words(holds.map((hold) => hold.status)),
      holds.map((hold) => hold.user_id),
      numbers(holds.map((hold) => hold.created_at)),
      numbers(holds.map((hold) => hold.expires_at)),
      numbers(holds.map((hold) => hold.ended_at)),
      written(holds.map((hold) => hold.order_id)),
      written(holds.map((hold) => hold.payment_ref)),
      written(holds.map((hold) => hold.reason)),
      numbers(holds.map((hold) => hold.version)),
      numbers(holds.map((hold) => hold.extensions ?? 0)),
    ],
  };
}

function insertLines(holds: HoldPayload[]): Statement {
  const lines = holds.flatMap(({ hold_id, lines }) =>
    lines
      .filter(({ quantity, deltas }) => quantity > 0 || !deltas) // one was taken out of its hold
      .map(({ sku, store_id, quantity }) => ({ hold_id, sku, store_id, quantity })),
  );
  return {
    name: "insert_hold_lines",
    text: `insert into hold_lines (hold_id, sku, store_id, quantity)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::integer[])
           on conflict (hold_id, sku, store_id) do nothing`,
    values: [
      words(lines.map((line) => line.hold_id)),
      words(lines.map((line) => line.sku)),
      words(lines.map((line) => line.store_id)),
      numbers(lines.map((line) => line.quantity)),
    ],
  };
}

function insertOrders(sold: HoldPayload[]): Statement {
  return {
    name: "insert_orders",
    text: `insert into orders (order_id, hold_id, user_id, payment_ref, confirmed_at)
           select order_id, hold_id, user_id, payment_ref, to_timestamp(confirmed_ms / 1000)
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[])
             as sold (order_id, hold_id, user_id, payment_ref, confirmed_ms)
           on conflict (order_id) do nothing`,
    values: [
      sold.map((hold) => hold.order_id),
      words(sold.map((hold) => hold.hold_id)),
      sold.map((hold) => hold.user_id),
      sold.map((hold) => hold.payment_ref),
      numbers(sold.map((hold) => hold.ended_at)),
    ],
  };
}

function upsertLevels(levels: StockLevel[]): Statement {
  return {
    name: "upsert_levels",
    text: `insert into stock_levels (sku, store_id, available, held, version, updated_at)
           select sku, store_id, available, held, version, to_timestamp(updated_ms / 1000)
           from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[])
             as level (sku, store_id, available, held, version, updated_ms)
           on conflict (sku, store_id) do update
           set available = excluded.available, held = excluded.held, version = excluded.version,
             updated_at = excluded.updated_at
           where stock_levels.version < excluded.version`,
    values: [
      words(levels.map((level) => level.sku)),
      words(levels.map((level) => level.store_id)),
      numbers(levels.map((level) => level.available)),
      numbers(levels.map((level) => level.held)),
      numbers(levels.map((level) => level.version)),
      numbers(levels.map((level) => level.updated_at)),
    ],
  };
}

function insertMovements(movements: Movement[]): Statement {
  return {
    name: "insert_movements",
    text: `insert into stock_movements (recorded_id, occurred_at, sku, store_id, kind, available_delta,
             held_delta, version, event_id, reference, reason, notes, actor)
           select recorded_id, to_timestamp(occurred_ms / 1000), sku, store_id, kind, available_delta,
             held_delta, version, event_id, reference, reason, notes, actor
           from unnest($1::bigint[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::bigint[],
               $7::bigint[], $8::bigint[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[])
             as movement (recorded_id, occurred_ms, sku, store_id, kind, available_delta, held_delta, version,
               event_id, reference, reason, notes, actor)`,
    values: [
      numbers(movements.map((movement) => movement.recorded_id)),
      numbers(movements.map((movement) => movement.occurred_at)),
      words(movements.map((movement) => movement.sku)),
      words(movements.map((movement) => movement.store_id)),
      words(movements.map((movement) => movement.kind)),
      numbers(movements.map((movement) => movement.available_delta)),
      numbers(movements.map((movement) => movement.held_delta)),
      numbers(movements.map((movement) => movement.version)),
      words(movements.map((movement) => movement.event_id)),
      written(movements.map((movement) => movement.reference)),
      written(movements.map((movement) => movement.reason)),
      written(movements.map((movement) => movement.notes)),
      written(movements.map((movement) => movement.actor)),
    ],
  };
}

// A store whose name nobody has told is called by its id.
const insertStores = (store_ids: string[]): Statement => ({
  name: "insert_stores",
  text: `insert into stores (store_id, name)
         select store_id, store_id from unnest($1::text[]) as store_id
         on conflict (store_id) do nothing`,
  values: [words(store_ids)],
});

// What a new product was promised has come when the event that brought it is recorded.
const settleInitialStocks = (event_ids: string[]): Statement => ({
  name: "settle_initial_stocks",
  text: "delete from initial_stocks where event_id = any($1::uuid[])",
  values: [words(event_ids)],
});

// Array literals. pg makes them too, but searches every value for what it must escape, and a date as text is
// dear on both sides: these, with times as ms, cost the worker 10 µs less an event. `words` is for texts that
// have nothing to escape because a pattern or a closed set let them in; what a client wrote is left to pg,
// unless nobody wrote anything, as in most rows of a sale.
const words = (texts: string[]) => (texts.length === 0 ? "{}" : `{"${texts.join('","')}"}`);
const numbers = (values: (number | null | undefined)[]) =>
  `{${values.map((value) => value ?? "null").join()}}`;
const written = (texts: (string | null | undefined)[]) =>
  texts.every((text) => text === null || text === undefined)
    ? numbers(texts.map(() => null))
    : texts;
