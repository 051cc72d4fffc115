import { createPool, type Pool } from "../../src/postgres/client.ts";
import { keptLog } from "../worker/parts.ts";

const CONNECT_MS_MAX = 30_000;

/**
 * A pool for tests that ask for more at once than it has connections. They wait for each other, and where
 * the machine is busy for longer than anybody else would wait for a connection.
 */
export function patientPool(databaseUrl: string): Pool {
  const pool = createPool(databaseUrl, keptLog().log);
  pool.options.connectionTimeoutMillis = CONNECT_MS_MAX;
  return pool;
}
