import type { StockState } from "../domain/event.ts";
import type { Line } from "../domain/hold.ts";
import type { CustomerCount, KeptRules } from "../domain/rules.ts";
import type { Connection } from "./client.ts";
import { lastPlace } from "./customer-bases.ts";
import { countsOfCustomers, RULES_COLUMNS, type RulesRow, rulesOf } from "./rules-row.ts";
import { readWaiting } from "./waiters.ts";

/** Rows of one chunk: large enough that the round trips are nothing beside the rows. */
const CHUNK_MAX = 2_000;
/** By how much the clock that dates a row may differ from the one that dates its event. */
const CLOCKS_APART_MS_MAX = 3_600_000;

export type Level = StockState & {
  /** When its last event occurred, in ms. */
  changed_at: number;
};

export type ActiveHold = {
  hold_id: string;
  user_id: string;
  created_at: number;
  expires_at: number;
  version: number;
  extensions: number;
  lines: Line[];
};

/** An event as it was recorded: the fields that `parseEvent` reads, and when it occurred, in ms. */
export type KeptEvent = {
  event_id: string;
  type: string;
  seq: string;
  payload: string;
  occurred_at: number;
};

type Refused = { dead_id: number; fields: Record<string, string> };

export type Restorable = ReturnType<typeof createRestorable>;

/** What the ledger can give back to a Redis that has lost it, chunk by chunk. */
export function createRestorable(client: Connection) {
  /** Every stock that ever had an event. */
  const levels = () =>
    chunks(async (last?: Level) => {
      const { rows } = await client.query<Level>(
        `select sku, store_id, available, held, version, ${inMs("updated_at")} as changed_at
         from stock_levels where (sku, store_id) > ($1, $2) order by sku, store_id limit $3`,
        [last?.sku ?? "", last?.store_id ?? "", CHUNK_MAX],
      );
      return rows;
    });

  const activeHolds = () =>
    chunks(async (last?: ActiveHold) => {
      const { rows } = await client.query<ActiveHold>(
        `select active.*, lines
         from (
           select hold_id, user_id, ${inMs("created_at")} as created_at, ${inMs("expires_at")} as expires_at,
             version, extensions
           from holds where status = 'ACTIVE' and hold_id > $1 order by hold_id limit $2
         ) as active
         cross join lateral (
           select json_agg(json_build_object('sku', sku, 'store_id', store_id, 'quantity', quantity)) as lines
           from hold_lines where hold_lines.hold_id = active.hold_id
         ) as held
         order by hold_id`,
        [last?.hold_id ?? "", CHUNK_MAX],
      );
      return rows;
    });

  /** Every event that occurred since, and perhaps earlier ones, in the order in which they were recorded. */
  async function* eventsSince(at_ms: number): AsyncGenerator<KeptEvent[]> {
    const { rows: first } = await client.query<{ recorded_id: number }>(
      `select recorded_id from processed_events where recorded_at >= to_timestamp($1::float8 / 1000)
       order by recorded_at, recorded_id limit 1`,
      [at_ms - CLOCKS_APART_MS_MAX],
    );
    let next = first[0]?.recorded_id;
    while (next !== undefined) {
      const { rows } = await client.query<KeptEvent & { recorded_id: number }>(
        `select recorded_id, event_id, type, seq::text as seq, payload::text as payload,
           ${inMs("occurred_at")} as occurred_at
         from processed_events where recorded_id >= $1 and payload is not null
         order by recorded_id limit $2`,
        [next, CHUNK_MAX],
      );
      if (rows.length > 0) yield rows;
      const last = rows.at(-1);
      next = last && rows.length === CHUNK_MAX ? last.recorded_id + 1 : undefined;
    }
  }

  /** The fields of the events that came too late since, and so are in no ledger. */
  async function* refusedSince(at_ms: number): AsyncGenerator<Record<string, string>[]> {
    const refused = chunks(async (last?: Refused) => {
      const { rows } = await client.query<Refused>(
        `select dead_id, fields from dead_events
         where dead_id > $1 and outdated and failed_at >= to_timestamp($2::float8 / 1000)
         order by dead_id limit $3`,
        [last?.dead_id ?? 0, at_ms - CLOCKS_APART_MS_MAX, CHUNK_MAX],
      );
      return rows;
    });
    for await (const rows of refused) yield rows.map(({ fields }) => fields);
  }

  /** Which of these holds have ended, by the ledger's word. */
  async function endedOf(hold_ids: string[]): Promise<string[]> {
    const { rows } = await client.query<{ hold_id: string }>(
      "select hold_id from holds where hold_id = any($1::text[]) and status <> 'ACTIVE'",
      [hold_ids],
    );
    return rows.map(({ hold_id }) => hold_id);
  }

  /** Which of these are no active holds, by the ledger's word. */
  async function notActiveOf(hold_ids: string[]): Promise<string[]> {
    const { rows } = await client.query<{ hold_id: string }>(
      `select hold_id from unnest($1::text[]) as asked (hold_id)
       where not exists (select from holds where holds.hold_id = asked.hold_id and status = 'ACTIVE')`,
      [hold_ids],
    );
    return rows.map(({ hold_id }) => hold_id);
  }

  /** The rank of each store. */
  async function stores(): Promise<[store_id: string, rank: number][]> {
    const { rows } = await client.query<{ store_id: string; latency_rank: number }>(
      "select store_id, latency_rank from stores",
    );
    return rows.map(({ store_id, latency_rank }) => [store_id, latency_rank]);
  }

  /** The rules of every sku that has or had some. */
  const rules = () =>
    chunks(async (last?: { sku: string; kept: KeptRules }) => {
      const { rows } = await client.query<RulesRow & { sku: string }>(
        `select sku, ${RULES_COLUMNS} from sale_rules where sku > $1 order by sku limit $2`,
        [last?.sku ?? "", CHUNK_MAX],
      );
      return rows.map(({ sku, ...row }) => ({ sku, kept: rulesOf(row) }));
    });

  /** What customers have of the skus that are counted, now. */
  async function* customerCounts(): AsyncGenerator<CustomerCount[]> {
    // Held beyond its statement, so that no transaction stays open while Redis is given each chunk.
    await client.query(
      `declare customer_counts cursor with hold for ${countsOfCustomers("in (select sku from sale_rules where counts)")}`,
    );
    yield* chunks(async () => {
      const { rows } = await client.query<CustomerCount>(`fetch ${CHUNK_MAX} from customer_counts`);
      return rows;
    });
    await client.query("close customer_counts");
  }

  /** Stocks of which units are held, by the ledger's word. */
  async function heldStocks(): Promise<{ sku: string; store_id: string }[]> {
    const { rows } = await client.query<{ sku: string; store_id: string }>(
      "select sku, store_id from stock_levels where held > 0",
    );
    return rows;
  }

  return {
    levels,
    activeHolds,
    eventsSince,
    refusedSince,
    endedOf,
    notActiveOf,
    stores,
    rules,
    customerCounts,
    waiting: () => readWaiting(client),
    lastPlace: () => lastPlace(client),
    heldStocks,
  };
}

const inMs = (column: string) => `round(extract(epoch from ${column}) * 1000)::bigint`;

/** @param next the rows behind `last`, CHUNK_MAX of them unless these are the last ones */
async function* chunks<Row>(next: (last?: Row) => Promise<Row[]>): AsyncGenerator<Row[]> {
  let last: Row | undefined;
  for (;;) {
    const rows = await next(last);
    if (rows.length > 0) yield rows;
    if (rows.length < CHUNK_MAX) return;
    last = rows.at(-1);
  }
}
