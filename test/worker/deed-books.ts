import type pg from "pg";

/** Each event of those who run the shop is written down under its actor: a sentence for each that is not. */
export async function compareDeeds(postgres: pg.Client): Promise<string[]> {
  const { rows } = await postgres.query(
    `select event_id, type, what, who
     from processed_events left join audit_log using (event_id)
     where (type like 'STOCK_%' or type in ('ORDER_RETURNED', 'RULES_CHANGED'))
       and (what, who) is distinct from (type, payload ->> 'actor')`,
  );
  return rows.map((row) => `event ${row.event_id} is not written down: ${JSON.stringify(row)}`);
}
