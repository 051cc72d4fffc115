import pg from "pg";
import { createKeys } from "../../src/redis/keys.ts";
import type { Progress } from "../bench/progress.ts";
import { isDrained } from "../bench/recorded.ts";
import { until } from "../until.ts";
import type { Stack } from "./stack.ts";

const { seq, deadlines } = createKeys("main"); // they have the same names in every store
const DRAIN_MS_MAX = 60_000;
const AUDIT_MS_MAX = 60_000;
const AUDITS = 2;

type Stores = Pick<Stack, "database_url" | "withRedis">;

/**
 * Waits until no hold is active and all is recorded. When that takes too long the account goes on without it,
 * and says what is missing.
 */
export async function untilDrained(stack: Stores, progress: Pick<Progress, "step">): Promise<void> {
  try {
    await until("every hold ends", () => hasEnded(stack), DRAIN_MS_MAX);
    await untilTakenBack(stack);
    await untilRecorded(stack);
  } catch (error) {
    progress.step(`going on without: ${error instanceof Error ? error.message : error}`);
  }
}

// What was promised to come back comes back, though nobody asks again: the worker sees to that.
async function untilTakenBack({ database_url }: Stores): Promise<void> {
  const postgres = new pg.Client({ connectionString: database_url });
  await postgres.connect();
  try {
    const look = async () => {
      const { rows } = await postgres.query(
        "select from order_returns where returned_at is null limit 1",
      );
      return rows.length === 0 ? true : undefined;
    };
    await until("every return is done", look, DRAIN_MS_MAX);
  } finally {
    await postgres.end();
  }
}

/** Waits until Postgres has all that Redis has decided. */
export async function untilRecorded({ database_url, withRedis }: Stores): Promise<void> {
  const postgres = new pg.Client({ connectionString: database_url });
  await postgres.connect();
  try {
    const look = async () => {
      const { rows } = await postgres.query("select applied_seq from recorder_progress");
      const decided = await withRedis(async (redis) => ({
        seq: (await redis.get(seq)) ?? "0",
        is_drained: await isDrained(redis),
      }));
      return decided.is_drained && rows[0]?.applied_seq === decided.seq ? true : undefined;
    };
    await until("everything is recorded", look, DRAIN_MS_MAX);
  } finally {
    await postgres.end();
  }
}

/**
 * Waits until the audit has looked at every stock twice since: a drift is told when it was found again.
 * Returns how often it has looked, which is less when that takes too long.
 */
export async function untilAudited({ database_url }: Stores): Promise<number> {
  const postgres = new pg.Client({ connectionString: database_url });
  await postgres.connect();
  const readRounds = async () => {
    const { rows } = await postgres.query(
      "select least(rounds, sale_rounds)::int as rounds from audit_progress",
    );
    return Number(rows[0]?.rounds ?? 0);
  };
  try {
    const before = await readRounds();
    // The one under way may have begun before.
    const wholeSince = async () => Math.max(0, (await readRounds()) - before - 1);
    const twice = async () => ((await wholeSince()) >= AUDITS ? true : undefined);
    await until("all stocks are audited", twice, AUDIT_MS_MAX).catch(() => {}); // the account says so
    return await wholeSince();
  } finally {
    await postgres.end();
  }
}

const hasEnded = ({ withRedis }: Stores) =>
  withRedis(async (redis) => ((await redis.zcard(deadlines)) === 0 ? true : undefined)).catch(
    () => undefined, // it may still be on its way back
  );
