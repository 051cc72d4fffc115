import type { Redis } from "ioredis";
import type { Keys } from "./keys.ts";

/** The ids of holds that are due at `now` (ms on Redis's clock), the longest overdue first. */
export async function dueHoldIds(
  redis: Redis,
  keys: Keys,
  now: number,
  count: number,
): Promise<{ hold_id: string; due_at: number }[]> {
  const flat = await redis.zrange(
    keys.deadlines,
    "0",
    String(now),
    "BYSCORE",
    "LIMIT",
    0,
    count,
    "WITHSCORES",
  );
  const due: { hold_id: string; due_at: number }[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    due.push({ hold_id: flat[i] ?? "", due_at: Number(flat[i + 1]) });
  }
  return due;
}
