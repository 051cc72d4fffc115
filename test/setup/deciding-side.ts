import { createLog } from "../../src/log.ts";
import { monotonicNow } from "../../src/now.ts";
import { createBatcher } from "../../src/redis/batcher.ts";
import { createRedis, untilReady } from "../../src/redis/client.ts";
import { createClock } from "../../src/redis/clock.ts";
import { createRecords } from "../../src/redis/idempotency.ts";
import { createInventory } from "../../src/redis/inventory.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { createScripts } from "../../src/redis/scripts.ts";
import { createStock } from "../../src/redis/stock.ts";
import { createStores } from "../../src/redis/stores.ts";
import { createStream } from "../../src/redis/stream.ts";

const DEFAULT_STORE = "main";

/** The deciding side as the API's main.ts builds it, on a Redis the test owns. */
export async function openDecidingSide(redisUrl: string, { queue_max = 4_096 } = {}) {
  const log = createLog("api", "silent");
  const redis = createRedis(redisUrl, log);
  await untilReady(redis);
  const keys = createKeys(DEFAULT_STORE);
  const clock = createClock();
  const scripts = createScripts(redis, log);
  await scripts.load();
  const batcher = createBatcher({ call: scripts.call, keys, clock, queue_max });
  const inventory = createInventory({ batcher, keys, clock });
  const stores = createStores(redis, keys, DEFAULT_STORE);
  const stock = createStock({ batcher, keys, stores, default_store: DEFAULT_STORE });
  const records = createRecords(redis, keys);
  const stream = createStream(redis, keys);
  async function close() {
    batcher.stop();
    redis.disconnect();
  }
  return {
    redis,
    keys,
    clock,
    scripts,
    batcher,
    inventory,
    stores,
    stock,
    records,
    stream,
    log,
    close,
  };
}

/** What every call carries; `ms` from now is its deadline. */
export const callContext = (ms = 5_000) => ({
  request_id: "test-request",
  deadline: monotonicNow() + ms,
});
