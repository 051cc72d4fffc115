import type { Hold, HoldStatus, Line } from "../../src/domain/hold.ts";
import { connect, createPool } from "../../src/postgres/client.ts";
import { createHistory } from "../../src/postgres/history.ts";
import { freshDatabase } from "../setup/stack.ts";
import { keptLog } from "../worker/parts.ts";
import { emptyLedger } from "../worker/query.ts";
import { NOON } from "./recorded.ts";

/** A ledger in a database of its own, into which a test writes as the recorder does. The test closes it. */
export async function openHistory() {
  const database = await freshDatabase();
  const { url } = database;
  const pool = createPool(url, keptLog().log);
  // One connection, as the recorder's: each has ids of its own in stock.
  const writer = await connect(url);

  /** A hold, its lines, and its order when it is sold. */
  async function addHold(hold_id: string, more: Partial<Hold> = {}): Promise<Hold> {
    const status: HoldStatus = more.status ?? "ACTIVE";
    const hold: Hold = {
      ...{ hold_id, user_id: "ann", status, created_at: NOON, expires_at: NOON + 1, version: 1 },
      ...{ lines: [lineOf("tea")], ended_at: status === "ACTIVE" ? undefined : NOON + 2 },
      order_id: status === "CONFIRMED" ? hold_id.replace("H", "O") : undefined,
      payment_ref: undefined,
      ...more,
    };
    const { user_id, created_at, expires_at, ended_at, order_id, payment_ref, version } = hold;
    await writer.query(
      `insert into holds (hold_id, status, user_id, created_at, expires_at, ended_at, order_id, payment_ref,
         version)
       values ($1, $2, $3, ${ms("$4")}, ${ms("$5")}, ${ms("$6")}, $7, $8, $9)`,
      [hold_id, status, user_id, created_at, expires_at, ended_at, order_id, payment_ref, version],
    );
    for (const { sku, store_id, quantity } of hold.lines) {
      await writer.query("insert into hold_lines values ($1, $2, $3, $4)", [
        ...[hold_id, sku, store_id, quantity],
      ]);
    }
    if (order_id !== undefined) {
      await writer.query(
        `insert into orders (order_id, hold_id, user_id, payment_ref, confirmed_at)
         values ($1, $2, $3, $4, ${ms("$5")})`,
        [order_id, hold_id, user_id, payment_ref, ended_at],
      );
    }
    return hold;
  }

  /** An event with a movement of each of these stocks. Returns its `recorded_id`. */
  async function addEvent(
    event_id: string,
    stocks: [sku: string, store_id: string][],
    more: EventMore = {},
  ) {
    const { occurred_at = NOON, recorded_at = NOON, payload = { said: event_id } } = more;
    const { rows } = await writer.query<{ recorded_id: number }>(
      `insert into processed_events (event_id, partition, seq, type, occurred_at, recorded_at, payload)
       values ($1, 0, 1, 'STOCK_ADJUSTED', ${ms("$2")}, ${ms("$3")}, $4) returning recorded_id`,
      [event_id, occurred_at, recorded_at, payload && JSON.stringify(payload)],
    );
    const recorded_id = rows[0]?.recorded_id ?? Number.NaN;
    for (const [sku, store_id] of stocks) {
      await writer.query(
        `insert into stock_levels (sku, store_id, available, held, version, updated_at)
         values ($1, $2, 1, 0, 1, now()) on conflict do nothing`,
        [sku, store_id],
      );
      await writer.query(
        `insert into stock_movements (occurred_at, sku, store_id, kind, available_delta, held_delta, event_id,
           recorded_id)
         values (${ms("$1")}, $2, $3, 'STOCK_ADJUSTED', 1, 0, $4, $5)`,
        [occurred_at, sku, store_id, event_id, recorded_id],
      );
    }
    return recorded_id;
  }

  async function close() {
    await writer.end();
    await pool.end();
    await database.close();
  }
  return {
    ...createHistory(pool),
    ...{ url, pool, addHold, addEvent, close },
    empty: () => emptyLedger(url),
  };
}

type EventMore = { occurred_at?: number; recorded_at?: number; payload?: object | null };

const ms = (place: string) => `to_timestamp(${place}::float8 / 1000)`;

export const lineOf = (sku: string, store_id = "main", quantity = 1): Line => ({
  ...{ sku, store_id, quantity },
});

/**
 * Reads a list to its end and returns all items. `between` runs after each page.
 * @param read gets a page from a place on, the first one from undefined
 */
export async function readToEnd<Item, Place>(
  read: (place: Place | undefined) => Promise<{ items: Item[]; next: Place | null }>,
  between: () => Promise<unknown> = async () => {},
): Promise<Item[]> {
  const all: Item[] = [];
  let place: Place | undefined;
  for (let pages = 0; pages < 1_000; pages += 1) {
    const { items, next } = await read(place);
    all.push(...items);
    if (next === null) return all;
    if (items.length === 0) throw new Error("An empty page is not the last one.");
    place = next;
    await between();
  }
  throw new Error("The list does not end.");
}
