import type { Redis } from "ioredis";
import { createKeys } from "../../src/redis/keys.ts";
import { STORE } from "./deciding-side.ts";

const AT_ONCE = 10_000;

/** Stocks each of these SKUs as a person would: SET. */
export async function stockUp(redis: Redis, skus: string[], units: number): Promise<void> {
  const keys = createKeys(STORE);
  for (let i = 0; i < skus.length; i += AT_ONCE) {
    const some = skus.slice(i, i + AT_ONCE);
    await redis.mset(some.flatMap((sku) => [keys.stock(sku, STORE), units]));
  }
}
