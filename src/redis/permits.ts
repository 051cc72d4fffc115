import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import type { Rate } from "../domain/rate.ts";
import { intervalUs } from "../domain/rate.ts";
import type { Keys } from "./keys.ts";
import { isNoScript } from "./outcome.ts";
import { readLua } from "./scripts.ts";

/** What is wanted of a bucket. */
export type Wish = {
  bucket: string;
  rate: Rate;
  needed: number;
  /** So many more are welcome, while it has plenty. */
  ahead: number;
};

/** What it gave: how many, how many are left, and when there is one more if none is. */
export type Grant = { granted: number; left: number; wait_ms: number };

export type Permits = ReturnType<typeof createPermits>;

/**
 * Buckets of permits that all processes share, in Redis. Their script stands outside the fence: a limit
 * decides nothing about stock, and holds while Redis is not admitted, too.
 */
export function createPermits({ redis, keys }: { redis: Redis; keys: Keys }) {
  const source = readLua("limits/take_permits.lua");
  const sha = createHash("sha1").update(source).digest("hex");

  /** Takes from all these buckets in one call. Rejects when Redis can't be asked. */
  async function take(wishes: Wish[]): Promise<Grant[]> {
    const names = wishes.map(({ bucket }) => keys.permits(bucket));
    const args = wishes.flatMap(({ rate, needed, ahead }) => [
      ...[intervalUs(rate), rate.burst, needed, ahead],
    ]);
    const call = () => redis.call("EVALSHA", [sha, names.length, ...names, ...args]);
    const reply = await call().catch(async (error: unknown) => {
      if (!isNoScript(error)) throw error;
      await redis.script("LOAD", source);
      return call();
    });
    return grantsIn(reply, wishes.length);
  }

  return { take };
}

function grantsIn(reply: unknown, count: number): Grant[] {
  if (!Array.isArray(reply) || reply.length !== 3 * count) {
    throw new Error("take_permits replied something else than three numbers for each request.");
  }
  return Array.from({ length: count }, (_, i) => ({
    granted: Number(reply[3 * i]),
    left: Number(reply[3 * i + 1]),
    wait_ms: Number(reply[3 * i + 2]) / 1000,
  }));
}
