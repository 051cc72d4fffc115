import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Redis } from "ioredis";

export const DEMO_SKU = "iphone_15_pro_256";
const DEMO_UNITS = 100;
const CONNECT_MS_MAX = 5_000;

/**
 * Puts the demo stock into Redis, once for these data: whoever sold it out or deleted it finds it that way
 * after a restart. It is a plain SET, as a person would do it, and never touches a stock that is there.
 */
export async function stockDemoOnce(redisUrl: string, marker: string): Promise<void> {
  if (existsSync(marker)) return;
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS_MAX,
    retryStrategy: () => null,
  });
  const failure = Promise.withResolvers<never>();
  // The call below would only say that the connection is closed; this says why.
  redis.on("error", failure.reject);
  try {
    await Promise.race([plant(redis), failure.promise]);
  } finally {
    redis.disconnect();
  }
  await writeFile(marker, `stock:${DEMO_SKU} ${DEMO_UNITS}\n`);
}

async function plant(redis: Redis): Promise<void> {
  await redis.connect();
  await redis.set(`stock:${DEMO_SKU}`, DEMO_UNITS, "NX");
}
