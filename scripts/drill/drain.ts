import pg from "pg";
import { createKeys } from "../../src/redis/keys.ts";
import type { Progress } from "../bench/progress.ts";
import { isDrained } from "../bench/recorded.ts";
import { until } from "../until.ts";
import type { Stack } from "./stack.ts";

const { seq, deadlines } = createKeys("main"); // they have the same names in every store
const DRAIN_MS_MAX = 60_000;

/**
 * Waits until no hold is active and all is recorded. When that takes too long the account goes on without it,
 * and says what is missing.
 */
export async function untilDrained(stack: Stack, progress: Progress): Promise<void> {
  try {
    await until("every hold ends", () => hasEnded(stack), DRAIN_MS_MAX);
    await untilRecorded(stack);
  } catch (error) {
    progress.step(`going on without: ${error instanceof Error ? error.message : error}`);
  }
}

/** Waits until Postgres has all that Redis has decided. */
export async function untilRecorded({ database_url, withRedis }: Stack): Promise<void> {
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

const hasEnded = ({ withRedis }: Stack) =>
  withRedis(async (redis) => ((await redis.zcard(deadlines)) === 0 ? true : undefined)).catch(
    () => undefined, // it may still be on its way back
  );
