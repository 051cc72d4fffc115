import { isSold, type Movement, type StockLevel, stockOf } from "../domain/batch-plan.ts";
import type { HoldPayload, InventoryEvent } from "../domain/event.ts";
import type { Connection } from "./client.ts";

// The rows of one recorded batch, a statement for each table however large the batch is. All of them are
// sorted, so that two writers of the same rows wait for each other instead of locking crosswise.

/** The insert decides: an event is applied by whoever gets its row in. Returns those, by seq. */
export async function insertProcessed(
  client: Connection,
  partition: number,
  events: InventoryEvent[],
) {
  const byId = new Map(events.map((event) => [event.event_id, event]));
  const sorted = [...byId.values()].sort((a, b) => (a.event_id < b.event_id ? -1 : 1));
  const { rows } = await client.query<{ event_id: string }>({
    name: "insert_processed",
    text: `insert into processed_events (partition, event_id, seq, type, hold_id, occurred_at)
           select $1, * from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
           on conflict (event_id) do nothing
           returning event_id`,
    values: [
      partition,
      sorted.map(({ event_id }) => event_id),
      sorted.map(({ seq }) => seq),
      sorted.map(({ type }) => type),
      sorted.map(({ payload }) => payload.hold_id),
      sorted.map(({ payload }) => time(payload.occurred_at)),
    ],
  });
  return rows.flatMap(({ event_id }) => byId.get(event_id) ?? []).sort((a, b) => a.seq - b.seq);
}

export async function readLevels(client: Connection, events: InventoryEvent[]) {
  const lines = new Map(
    events.flatMap(({ payload }) => payload.lines.map((line) => [stockOf(line), line] as const)),
  );
  const { rows } = await client.query<Omit<StockLevel, "updated_at">>({
    name: "read_levels",
    text: `select sku, store_id, available, held, version
           from stock_levels
           join unnest($1::text[], $2::text[]) as wanted (sku, store_id) using (sku, store_id)`,
    values: [[...lines.values()].map(({ sku }) => sku), [...lines.values()].map((l) => l.store_id)],
  });
  return new Map(rows.map((row) => [stockOf(row), { ...row, updated_at: 0 }]));
}

export async function upsertHolds(client: Connection, unsorted: HoldPayload[]) {
  const holds = unsorted.toSorted((a, b) => (a.hold_id < b.hold_id ? -1 : 1));
  await client.query({
    name: "upsert_holds",
    text: `insert into holds (hold_id, status, user_id, created_at, expires_at, ended_at, order_id,
             payment_ref, reason, version)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[],
             $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::integer[])
           on conflict (hold_id) do update
           set status = excluded.status, expires_at = excluded.expires_at, ended_at = excluded.ended_at,
             order_id = excluded.order_id, payment_ref = excluded.payment_ref, reason = excluded.reason,
             version = excluded.version
           where holds.version < excluded.version`,
    values: [
      holds.map((hold) => hold.hold_id),
      holds.map((hold) => hold.status),
      holds.map((hold) => hold.user_id),
      holds.map((hold) => time(hold.created_at)),
      holds.map((hold) => time(hold.expires_at)),
      holds.map((hold) => (hold.ended_at === undefined ? null : time(hold.ended_at))),
      holds.map((hold) => hold.order_id ?? null),
      holds.map((hold) => hold.payment_ref ?? null),
      holds.map((hold) => hold.reason ?? null),
      holds.map((hold) => hold.version),
    ],
  });
  const lines = holds.flatMap(({ hold_id, lines }) => lines.map((line) => ({ hold_id, ...line })));
  await client.query({
    name: "insert_hold_lines",
    text: `insert into hold_lines (hold_id, sku, store_id, quantity)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::integer[])
           on conflict (hold_id, sku, store_id) do nothing`,
    values: [
      lines.map((line) => line.hold_id),
      lines.map((line) => line.sku),
      lines.map((line) => line.store_id),
      lines.map((line) => line.quantity),
    ],
  });
  const sold = holds.filter(isSold);
  if (sold.length === 0) return;
  await client.query({
    name: "insert_orders",
    text: `insert into orders (order_id, hold_id, user_id, payment_ref, confirmed_at)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
           on conflict (order_id) do nothing`,
    values: [
      sold.map((hold) => hold.order_id),
      sold.map((hold) => hold.hold_id),
      sold.map((hold) => hold.user_id),
      sold.map((hold) => hold.payment_ref),
      sold.map((hold) => (hold.ended_at === undefined ? null : time(hold.ended_at))),
    ],
  });
}

export async function upsertLevels(client: Connection, unsorted: StockLevel[]) {
  const levels = unsorted.toSorted((a, b) => (stockOf(a) < stockOf(b) ? -1 : 1));
  await client.query({
    name: "upsert_levels",
    text: `insert into stock_levels (sku, store_id, available, held, version, updated_at)
           select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
             $6::timestamptz[])
           on conflict (sku, store_id) do update
           set available = excluded.available, held = excluded.held, version = excluded.version,
             updated_at = excluded.updated_at
           where stock_levels.version < excluded.version`,
    values: [
      levels.map((level) => level.sku),
      levels.map((level) => level.store_id),
      levels.map((level) => level.available),
      levels.map((level) => level.held),
      levels.map((level) => level.version),
      levels.map((level) => time(level.updated_at)),
    ],
  });
}

export async function insertMovements(client: Connection, movements: Movement[]) {
  if (movements.length === 0) return;
  await client.query({
    name: "insert_movements",
    text: `insert into stock_movements (occurred_at, sku, store_id, kind, available_delta, held_delta,
             event_id, reference, notes)
           select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::bigint[],
             $6::bigint[], $7::uuid[], $8::text[], $9::text[])`,
    values: [
      movements.map((movement) => time(movement.occurred_at)),
      movements.map((movement) => movement.sku),
      movements.map((movement) => movement.store_id),
      movements.map((movement) => movement.kind),
      movements.map((movement) => movement.available_delta),
      movements.map((movement) => movement.held_delta),
      movements.map((movement) => movement.event_id),
      movements.map((movement) => movement.reference),
      movements.map((movement) => movement.notes),
    ],
  });
}

const time = (millis: number) => new Date(millis).toISOString();
