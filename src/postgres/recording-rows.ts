import {
  type BatchPlan,
  isSold,
  type Movement,
  type StockLevel,
  stockOf,
} from "../domain/batch-plan.ts";
import type { HoldPayload, InventoryEvent } from "../domain/event.ts";
import type { Connection, Statement } from "./client.ts";

// The rows of one recorded batch, a statement for each table however large the batch is. All of them are
// sorted, so that two writers of the same rows wait for each other instead of locking crosswise.

/** The insert decides: an event is applied by whoever gets its row in. Returns those, by seq. */
export async function insertProcessed(
  client: Connection,
  partition: number,
  events: InventoryEvent[],
) {
  const distinct = [...new Map(events.map((event) => [event.event_id, event])).values()];
  const sorted = distinct.toSorted((a, b) => (a.event_id < b.event_id ? -1 : 1));
  const { rows } = await client.query<{ event_id: string }>({
    name: "insert_processed",
    text: `insert into processed_events (partition, event_id, seq, type, hold_id, occurred_at)
           select $1, event_id, seq, type, hold_id, to_timestamp(occurred_ms / 1000)
           from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::float8[])
             as event (event_id, seq, type, hold_id, occurred_ms)
           on conflict (event_id) do nothing
           returning event_id`,
    values: [
      partition,
      words(sorted.map(({ event_id }) => event_id)),
      numbers(sorted.map(({ seq }) => seq)),
      words(sorted.map(({ type }) => type)),
      words(sorted.map(({ payload }) => payload.hold_id)),
      numbers(sorted.map(({ payload }) => payload.occurred_at)),
    ],
  });
  const inserted = new Set(rows.map(({ event_id }) => event_id));
  return distinct.filter(({ event_id }) => inserted.has(event_id)).sort((a, b) => a.seq - b.seq);
}

/** The ledger's level of each stock the events touch, as far as it has one. */
export async function readLevels(client: Connection, events: InventoryEvent[]) {
  const lines = new Map<string, { sku: string; store_id: string }>();
  for (const { payload } of events)
    for (const line of payload.lines) lines.set(stockOf(line), line);
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

/** The statements that write what a batch comes to. They need no answer of each other. */
export function statementsOf({ holds: unsorted, levels, movements }: BatchPlan): Statement[] {
  const holds = unsorted.toSorted((a, b) => (a.hold_id < b.hold_id ? -1 : 1));
  const sold = holds.filter(isSold);
  return [
    upsertHolds(holds),
    insertLines(holds),
    ...(sold.length > 0 ? [insertOrders(sold)] : []),
    upsertLevels(levels.toSorted((a, b) => (stockOf(a) < stockOf(b) ? -1 : 1))),
    insertMovements(movements),
  ];
}

function upsertHolds(holds: HoldPayload[]): Statement {
  return {
    name: "upsert_holds",
    text: `insert into holds (hold_id, status, user_id, created_at, expires_at, ended_at, order_id,
             payment_ref, reason, version)
           select hold_id, status, user_id, to_timestamp(created_ms / 1000), to_timestamp(expires_ms / 1000),
             to_timestamp(ended_ms / 1000), order_id, payment_ref, reason, version
           from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::float8[],
               $7::text[], $8::text[], $9::text[], $10::integer[])
             as hold (hold_id, status, user_id, created_ms, expires_ms, ended_ms, order_id, payment_ref,
               reason, version)
           on conflict (hold_id) do update
           set status = excluded.status, expires_at = excluded.expires_at, ended_at = excluded.ended_at,
             order_id = excluded.order_id, payment_ref = excluded.payment_ref, reason = excluded.reason,
             version = excluded.version
           where holds.version < excluded.version`,
    values: [
      words(holds.map((hold) => hold.hold_id)),
      words(holds.map((hold) => hold.status)),
      holds.map((hold) => hold.user_id),
      numbers(holds.map((hold) => hold.created_at)),
      numbers(holds.map((hold) => hold.expires_at)),
      numbers(holds.map((hold) => hold.ended_at)),
      holds.map((hold) => hold.order_id),
      holds.map((hold) => hold.payment_ref),
      holds.map((hold) => hold.reason),
      numbers(holds.map((hold) => hold.version)),
    ],
  };
}

function insertLines(holds: HoldPayload[]): Statement {
  const lines = holds.flatMap(({ hold_id, lines }) =>
    lines.map(({ sku, store_id, quantity }) => ({ hold_id, sku, store_id, quantity })),
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
    text: `insert into stock_movements (occurred_at, sku, store_id, kind, available_delta, held_delta,
             event_id, reference, notes)
           select to_timestamp(occurred_ms / 1000), sku, store_id, kind, available_delta, held_delta,
             event_id, reference, notes
           from unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
               $7::uuid[], $8::text[], $9::text[])
             as movement (occurred_ms, sku, store_id, kind, available_delta, held_delta, event_id,
               reference, notes)`,
    values: [
      numbers(movements.map((movement) => movement.occurred_at)),
      words(movements.map((movement) => movement.sku)),
      words(movements.map((movement) => movement.store_id)),
      words(movements.map((movement) => movement.kind)),
      numbers(movements.map((movement) => movement.available_delta)),
      numbers(movements.map((movement) => movement.held_delta)),
      words(movements.map((movement) => movement.event_id)),
      movements.map((movement) => movement.reference),
      movements.map((movement) => movement.notes),
    ],
  };
}

// Array literals. pg makes them too, but searches every value for what it must escape, and a date as text is
// dear on both sides: these, with times as ms, cost the worker 10 µs less an event. `words` is for texts that
// have nothing to escape because a pattern or a closed set let them in; what a client wrote is left to pg.
const words = (texts: string[]) => (texts.length === 0 ? "{}" : `{"${texts.join('","')}"}`);
const numbers = (values: (number | undefined)[]) =>
  `{${values.map((value) => value ?? "null").join()}}`;
