import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { untilReady } from "../../src/redis/client.ts";
import { dueHoldIds } from "../../src/redis/deadlines.ts";
import { createSweeper } from "../../worker/sweeper.ts";
import { openDecidingSide } from "../setup/deciding-side.ts";
import type { freshRedis } from "../setup/stack.ts";
import { FIRST_GENERATION } from "./model.ts";
import { REGISTERED, STOCKED } from "./world.ts";

/** Put there when Redis is opened, and not by what a run does. */
const KEPT_KEYS = new Set(["inventory.generation"]);

type RedisServer = Awaited<ReturnType<typeof freshRedis>>;
export type Real = Awaited<ReturnType<typeof openReal>>;

/** The deciding side and the sweeper, on a Redis that the test owns. */
export async function openReal(server: RedisServer) {
  const side = await openDecidingSide(server.url);
  const { keys, inventory, stores, stream, log } = side;
  // What the test itself looks at and puts there has no hurry, however busy the machine is.
  const redis = new Redis(server.url, { protocol: 2, maxRetriesPerRequest: null });
  redis.on("error", () => {}); // it is killed now and then
  const sweeper = createSweeper({
    inventory,
    redisNow: stream.now,
    dueHolds: (now, count) => dueHoldIds(redis, keys, now, count),
    log,
  });

  /** The newest one that it was admitted with. */
  let generation = FIRST_GENERATION;

  /** What a run has written, by name. */
  const names = async () => (await redis.keys("*")).filter((name) => !KEPT_KEYS.has(name));

  /** Forgets the run before, and stocks what the next one begins with. Returns the generation. */
  async function startAnew() {
    const old = await names();
    if (old.length > 0) await redis.unlink(old);
    await reopen(generation);
    await redis.mset(
      STOCKED.flatMap(({ sku, store_id, units }) => [keys.stock(sku, store_id), units]),
    );
    await stores.register(REGISTERED.store_id, REGISTERED.rank);
    return generation;
  }

  /** Redis dies and comes back with its data. Nothing is decided until it is admitted again. */
  async function restart() {
    await server.kill("SIGKILL");
    await server.start();
    await untilReady(side.redis);
  }

  /** The fence comes down, as when Redis is flushed or a former master comes back with its scripts. */
  async function shut() {
    await redis.del(keys.generation);
  }

  /** What a worker does until Redis may decide again. */
  async function reopen(as: number) {
    // To load scripts that are there would take longer than all the rest of a run.
    if (as === generation) await redis.set(keys.generation, as);
    else await admit(redis, as);
    generation = as;
    // It may be looking already, and have seen what was there before.
    while (side.scripts.generation() !== as) await side.scripts.learn();
  }

  async function close() {
    redis.disconnect();
    await side.close();
  }

  return { ...side, redis, close, sweeper, names, startAnew, restart, shut, reopen };
}
