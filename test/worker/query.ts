import pg from "pg";

/** One query on a connection of its own. */
export async function query<Row extends pg.QueryResultRow>(
  databaseUrl: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** How many rows a table has. */
export async function countRows(databaseUrl: string, table: string): Promise<number> {
  const [row] = await query<{ n: number }>(databaseUrl, `select count(*)::int as n from ${table}`);
  return row?.n ?? 0;
}

/** Forgets everything that was recorded: quicker than another database. */
export async function emptyLedger(databaseUrl: string): Promise<void> {
  const tables =
    "processed_events, holds, hold_lines, orders, stock_levels, stock_movements, unmoved_stocks";
  const more = "recorder_progress, seq_gaps, dead_events, projection_rebuilds";
  const admissions = "admissions, recoveries";
  const catalogue =
    "stores, products, initial_stocks, idempotency_records, unfulfilled_payments, waiters";
  const returns = "order_returns, order_return_lines";
  const audit =
    "audited_stocks, audit_findings, audit_progress, sale_rules, customer_bases, audit_log";
  await query(
    databaseUrl,
    `truncate ${tables}, ${more}, ${admissions}, ${catalogue}, ${returns}, ${audit} restart identity`,
  );
}
