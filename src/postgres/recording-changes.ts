import type { HoldPayload, RulesPayload } from "../domain/event.ts";
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
