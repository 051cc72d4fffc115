import type { BatchPlan } from "../domain/batch-plan.ts";
import type { HoldPayload, RulesPayload, StockEvent } from "../domain/event.ts";
import type { Statement } from "./client.ts";

// The rows of what happens seldom, beside those of recording-rows.ts.

/**
 * Makes the lines of holds what they are now: some were changed, or taken out. Not those of a hold that the
 * ledger knows in a newer version.
 */
export function replaceLines(holds: HoldPayload[]): Statement[] {
  const lines = holds.flatMap((hold) =>
    hold.lines
      .filter(({ quantity }) => quantity > 0)
      .map(({ sku, store_id, quantity }) => ({ hold_id: hold.hold_id, sku, store_id, quantity })),
  );
  const current = `with current as (
      select hold_id from holds join unnest($1::text[], $2::integer[]) as told (hold_id, version)
        using (hold_id, version)
    )`;
  const told = [holds.map((hold) => hold.hold_id), holds.map((hold) => hold.version)];
  const values = [
    ...told,
    lines.map((line) => line.hold_id),
    lines.map((line) => line.sku),
    lines.map((line) => line.store_id),
  ];
  return [
    {
      name: "delete_hold_lines",
      text: `${current}
             delete from hold_lines using current
             where hold_lines.hold_id = current.hold_id
               and (hold_lines.hold_id, sku, store_id) not in (
                 select * from unnest($3::text[], $4::text[], $5::text[])
               )`,
      values,
    },
    {
      name: "replace_hold_lines",
      text: `${current}
             insert into hold_lines (hold_id, sku, store_id, quantity)
             select line.* from unnest($3::text[], $4::text[], $5::text[], $6::integer[])
               as line (hold_id, sku, store_id, quantity)
             join current using (hold_id)
             on conflict (hold_id, sku, store_id) do update set quantity = excluded.quantity`,
      values: [...values, lines.map((line) => line.quantity)],
    },
  ];
}

export const upsertRules = (rules: RulesPayload[]): Statement => ({
  name: "upsert_rules",
  text: `insert into sale_rules (sku, rules, version, counts, changed_at)
         select sku, rules, version, counts, to_timestamp(changed_ms / 1000)
         from unnest($1::text[], $2::json[], $3::bigint[], $4::boolean[], $5::float8[])
           as told (sku, rules, version, counts, changed_ms)
         on conflict (sku) do update
         set rules = excluded.rules, version = excluded.version, counts = excluded.counts,
           changed_at = excluded.changed_at
         where sale_rules.version < excluded.version`,
  values: [
    rules.map(({ sku }) => sku),
    rules.map((told) => told.rules && JSON.stringify(told.rules)),
    rules.map(({ version }) => version),
    rules.map(({ counts }) => counts),
    rules.map(({ occurred_at }) => occurred_at),
  ],
});

/** What an order's return promised was taken back, and which units of it count no more for the customer. */
export function settleReturns(returns: StockEvent[]): Statement[] {
  const freed = returns.flatMap(({ event_id, payload }) =>
    payload.lines.flatMap((line) => (line.freed ? [{ event_id, ...line }] : [])),
  );
  return [
    {
      name: "settle_returns",
      text: `update order_returns set returned_at = to_timestamp(returned_ms / 1000)
             from unnest($1::uuid[], $2::float8[]) as told (event_id, returned_ms)
             where order_returns.event_id = told.event_id`,
      values: [
        returns.map(({ event_id }) => event_id),
        returns.map(({ payload }) => payload.occurred_at),
      ],
    },
    {
      name: "free_returned",
      text: `update order_return_lines as line set freed = true
             from unnest($1::uuid[], $2::text[], $3::text[]) as told (event_id, sku, store_id)
             where (line.event_id, line.sku, line.store_id) = (told.event_id, told.sku, told.store_id)`,
      values: [
        freed.map(({ event_id }) => event_id),
        freed.map(({ sku }) => sku),
        freed.map(({ store_id }) => store_id),
      ],
    },
  ];
}

export const insertUnmoved = (unmoved: BatchPlan["unmoved"]): Statement => ({
  name: "insert_unmoved",
  text: `insert into unmoved_stocks (recorded_id, sku, store_id)
         select * from unnest($1::bigint[], $2::text[], $3::text[])`,
  values: [
    unmoved.map(({ recorded_id }) => recorded_id),
    unmoved.map(({ sku }) => sku),
    unmoved.map(({ store_id }) => store_id),
  ],
});
