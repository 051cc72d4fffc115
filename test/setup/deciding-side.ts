import { createLog } from "../../src/log.ts";
import { monotonicNow } from "../../src/now.ts";
import { createBacklog } from "../../src/redis/backlog.ts";
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
import { admitAt } from "./admit-at.ts";

const DEFAULT_STORE = "main";

/**
 * The deciding side as the API's main.ts builds it, on a Redis the test owns.
 * @param options.admits false leaves Redis as it is: nothing is decided until somebody admits it
 */
export async function openDecidingSide(
  redisUrl: string,
  { queue_max = 4_096, backlog_limit = 1_000_000, admits = true } = {},
) {
  const log = createLog("api", "silent");
  const redis = createRedis(redisUrl, log);
  await untilReady(redis);
  const keys = createKeys(DEFAULT_STORE);
  const clock = createClock();
  if (admits) await admitAt(redisUrl);
  const scripts = createScripts(redis, keys, log);
  await scripts.learn();
  const backlog = createBacklog({ redis, keys, limit: backlog_limit, log });
  await backlog.start();
  const { refusal } = backlog;
  const batcher = createBatcher({ call: scripts.call, keys, clock, queue_max, refusal });
  const releases = createReleases(redis, keys);
  const inventory = createInventory({ batcher, redis, keys, clock, releases });
  const stores = createStores(redis, keys, DEFAULT_STORE);
  const stock = createStock({ batcher, keys, stores, default_store: DEFAULT_STORE });
  const rules = createRules({ batcher, redis, keys });
  const waiting = createWaiting({ batcher, redis, keys });
  const records = createRecords(redis, keys, scripts.generation);
  const stream = createStream(redis, keys);
  async function close() {
    scripts.stop();
    backlog.stop();
    batcher.stop();
    redis.disconnect();
  }
  return {
    redis,
    keys,
    clock,
    scripts,
    backlog,
    batcher,
    inventory,
    stores,
    stock,
    rules,
    releases,
    waiting,
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
