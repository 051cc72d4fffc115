import pg from "pg";
import type { Log } from "../log.ts";

const CONNECT_MS_MAX = 2_000;
const STATEMENT_MS_MAX = 5_000;
const POOL_MAX = 8;

// Both ends give up: the server on a slow statement, and a little later the client on a silent server.
const timeouts = (statement_ms: number) => ({
  connectionTimeoutMillis: CONNECT_MS_MAX,
  statement_timeout: statement_ms,
  lock_timeout: statement_ms,
  idle_in_transaction_session_timeout: 2 * statement_ms,
  query_timeout: statement_ms + 2_000,
  keepAlive: true,
});

// bigint columns (seqs, counts) stay below 2^53 by the limits on what is written.
const types = {
  getTypeParser: ((id: number, format: "text" | "binary") =>
    id === pg.types.builtins.INT8
      ? Number
      : pg.types.getTypeParser(id, format)) as typeof pg.types.getTypeParser, // one of its overloads
};

export type Pool = pg.Pool;
export type Connection = pg.Client;
export type Statement = pg.QueryConfig;

/** Connections for short, independent reads. */
export function createPool(url: string, log: Log): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_MAX,
    types,
    ...timeouts(STATEMENT_MS_MAX),
  });
  // A lost connection says so twice, the second time perhaps when nobody has it: without a listener of its
  // own that ends the process. The query in flight, or the next one, rejects with it.
  pool.on("connect", (client) => {
    client.on("error", () => {});
  });
  pool.on("error", (err) => log.warn({ err }, "postgres closed an idle connection"));
  return pool;
}

/**
 * One connection of its own, for work that holds a session lock. The caller ends it. Queries that are not
 * waited for are sent at once and answered in order, and one that fails does not keep back those behind it.
 * @param limits.statement_ms how long a statement, or a wait for a lock, may take
 * @param settings of the server, for this session
 */
export async function connect(
  url: string,
  { statement_ms = STATEMENT_MS_MAX } = {},
  settings: Record<string, string | number> = {},
): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    pipeline: true,
    types,
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(" "),
    ...timeouts(statement_ms),
  });
  client.on("error", () => {}); // the query in flight, or the next one, rejects with it
  await client.connect();
  return client;
}

/**
 * The answers of queries that were sent one behind the other. When some fail it rejects with the first one's
 * error: those behind it only say that the transaction is aborted, and may say so earlier.
 */
export async function answers<Sent extends readonly unknown[] | []>(sent: Sent) {
  await Promise.allSettled(sent);
  return Promise.all(sent);
}

const REFUSED_CLASSES = ["21", "22", "23", "42"];
// Class 42 too, but no event's fault: rights, tables, columns, functions, types or prepared statements are
// missing or in the way, and for all events alike.
const NOT_READY_STATES = ["42501", "42P01", "42703", "42883", "42704", "42P05"];

/** Whether Postgres refused the data itself. Anything else is an outage that passes. */
export function isRefusal(error: unknown): error is pg.DatabaseError {
  if (!(error instanceof pg.DatabaseError) || !error.code) return false;
  return REFUSED_CLASSES.includes(error.code.slice(0, 2)) && !NOT_READY_STATES.includes(error.code);
}
