import "../src/node-version.ts";
import pg from "pg";
import { findDatabaseUrl } from "./database-url.ts";
import { reportAndExit } from "./say.ts";
import { formatTable } from "./table.ts";

const USAGE = `Usage: ./scripts/sql "select * from holds limit 5"\n`;
const CONNECT_MS_MAX = 5_000;

// Looks into the ledger where no psql is installed.
async function main(statements: string): Promise<void> {
  const client = new pg.Client({
    connectionString: findDatabaseUrl(),
    connectionTimeoutMillis: CONNECT_MS_MAX,
    // Values as Postgres writes them, not as JavaScript would.
    types: { getTypeParser: () => (value: string) => value },
  });
  await client.connect();
  try {
    // One result a statement, of which pg returns the only one without its array.
    for (const result of [await client.query({ text: statements, rowMode: "array" })].flat()) {
      const names = result.fields.map(({ name }) => name);
      process.stdout.write(
        names.length === 0
          ? `${result.command} ${result.rowCount ?? ""}\n`
          : formatTable(names, result.rows),
      );
    }
  } finally {
    await client.end();
  }
}

const [statements, ...rest] = process.argv.slice(2);
if (statements === undefined || rest.length > 0) {
  process.stderr.write(USAGE);
  process.exit(2);
}
main(statements).catch(reportAndExit);
