import { newRequestId } from "../../src/domain/ids.ts";
import { createLog } from "../../src/log.ts";
import { monotonicNow } from "../../src/now.ts";
import { createBatcher } from "../../src/redis/batcher.ts";
import { createRedis, untilReady } from "../../src/redis/client.ts";
import { createClock } from "../../src/redis/clock.ts";
import { createRecords } from "../../src/redis/idempotency.ts";
import { createInventory } from "../../src/redis/inventory.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { createReleases } from "../../src/redis/releases.ts";
import { createRules } from "../../src/redis/rules.ts";
import { createScripts } from "../../src/redis/scripts.ts";
import { createStock } from "../../src/redis/stock.ts";
import { createStores } from "../../src/redis/stores.ts";
import { createStream } from "../../src/redis/stream.ts";
import { createWaiting } from "../../src/redis/waiting.ts";
import { newKeyPrefix, TTL_SECONDS } from "./load.ts";

export const STORE = "main";
const QUEUE_MAX = 100_000;
const CALL_MS_MAX = 10_000;

export type DecidingSide = Awaited<ReturnType<typeof openDecidingSide>>;

/** What the API has behind its routes, put together as src/main.ts does, without HTTP. */
export async function openDecidingSide(redis_url: string) {
  const log = createLog("api", "warn");
  const redis = createRedis(redis_url, log);
  await untilReady(redis);
  const keys = createKeys(STORE);
  const clock = createClock();
  await clock.learnFrom(createStream(redis, keys).now);
  const scripts = createScripts(redis, keys, log);
  await scripts.learn();
  const batcher = createBatcher({ call: scripts.call, keys, clock, queue_max: QUEUE_MAX });
  const releases = createReleases(redis, keys);
  const inventory = createInventory({ batcher, redis, keys, clock, releases });
  const stores = createStores(redis, keys, STORE);
  const stock = createStock({ batcher, keys, stores, default_store: STORE });
  const rules = createRules({ batcher, redis, keys });
  const waiting = createWaiting({ batcher, redis, keys });
  const records = createRecords(redis, keys, scripts.generation);

  const key_prefix = newKeyPrefix();
  let count = 0;

  /** Takes one unit, in a request such as the load over HTTP makes. */
  function createHold(sku: string, ttl_seconds = TTL_SECONDS) {
    count += 1;
    const number = String(count).padStart(8, "0");
    const lines = [{ sku, store_id: STORE, quantity: 1 }];
    const user_id = `user-${number}`;
    const idempotency_key = `${key_prefix}-${number}`;
    const context = { request_id: newRequestId(), deadline: monotonicNow() + CALL_MS_MAX };
    return inventory.createHold({ lines, user_id, ttl_seconds, idempotency_key }, context);
  }

  return {
    createHold,
    keys,
    clock,
    redis,
    releases,
    scripts,
    inventory,
    stores,
    stock,
    rules,
    waiting,
    records,
    log,
    async stop() {
      scripts.stop();
      batcher.stop();
      redis.disconnect();
    },
  };
}
