import pg from "pg";
import { Rejection } from "../domain/rejection.ts";
import type { Pool } from "./client.ts";

/** A connection within a transaction that somebody else begins and ends. */
export type Transaction = Pick<pg.ClientBase, "query">;

/** The commit was sent and nobody knows what became of it. The same call again finds out. */
export class OutcomeUnknown extends Error {
  override name = "OutcomeUnknown";
}

/**
 * Runs `work` in a transaction of its own, and rolls back when it throws.
 * @throws OutcomeUnknown when the answer to the commit was lost
 */
export async function inTransaction<T>(
  pool: Pool,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken = true;
  try {
    await client.query("begin");
    const result = await work(client);
    await commit(client);
    broken = false;
    return result;
  } catch (error) {
    // Of a connection that failed nobody knows what it still does: closing it rolls back too.
    broken = !(error instanceof Rejection) || !(await rolledBack(client));
    throw error;
  } finally {
    client.release(broken);
  }
}

async function commit(client: Transaction): Promise<void> {
  try {
    await client.query("commit");
  } catch (cause) {
    // A word of Postgres, unless it is one of farewell, is an answer: it was rolled back.
    if (cause instanceof pg.DatabaseError && cause.severity === "ERROR") throw cause;
    throw new OutcomeUnknown("The answer to a commit was lost.", { cause });
  }
}

const rolledBack = (client: Transaction) =>
  client.query("rollback").then(
    () => true,
    () => false,
  );
