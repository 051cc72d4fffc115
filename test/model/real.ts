import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { monotonicNow } from "../../src/now.ts";
import { untilReady } from "../../src/redis/client.ts";
import { dueHoldIds } from "../../src/redis/deadlines.ts";
import { CorruptKey, Recovering, RedisFault } from "../../src/redis/outcome.ts";
import { createSweeper } from "../../worker/sweeper.ts";
import { openDecidingSide } from "../setup/deciding-side.ts";
import type { freshRedis } from "../setup/stack.ts";
import { FIRST_GENERATION } from "./model.ts";
import type { Answer, Request } from "./requests.ts";
import { REGISTERED, STOCKED } from "./wishes.ts";

const LONG_MS = 30_000;
const LATE_MS = 1_000;
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

/** Asks the real inventory, and turns whatever it says into an answer. */
export async function ask(real: Real, request: Request): Promise<Answer> {
  const ms = request.late ? -LATE_MS : LONG_MS;
  const context = { request_id: "model", deadline: monotonicNow() + ms };
  try {
    return await answerOf(real, request, context);
  } catch (error) {
    if (error instanceof Rejection) {
      // When the next hold ends is looked up aside, and may be half a second old.
      const { earliest_release_at: _, ...members } = error.members;
      return { ...members, word: error.code };
    }
    if (error instanceof CorruptKey) return { word: "CORRUPT", key: error.key };
    if (error instanceof Recovering) return { word: "RECOVERING" };
    if (error instanceof RedisFault && request.late) return { word: "LATE" };
    throw error;
  }
}

async function answerOf(
  { inventory, stock }: Real,
  request: Request,
  context: { request_id: string; deadline: number },
): Promise<Answer> {
  switch (request.does) {
    case "reserve": {
      const { lines, user_id, ttl_ms, key, route } = request;
      const input = { lines, user_id, ttl_seconds: ttl_ms / 1_000, idempotency_key: key, route };
      const { granted: _, ...hold } = await inventory.createHold(input, context);
      return worded(hold, "CREATED");
    }
    case "confirm": {
      const { hold_id, payment_ref, key, route } = request;
      const input = { hold_id, payment_ref, idempotency_key: key, route };
      return worded(await inventory.confirmHold(input, context), "CONFIRMED");
    }
    case "cancel": {
      const { hold_id, reason, key, route } = request;
      const input = { hold_id, reason, idempotency_key: key, route };
      const ending = await inventory.cancelHold(input, context);
      return worded(ending, ending.status);
    }
    case "expire":
      return { word: await inventory.expireHold(request.hold_id, context) };
    case "change": {
      const { sku, store_id, operation, units, if_version, reason, route, key } = request;
      const change = { sku, store_id, operation, units, if_version, reason };
      const idem = { route, key, request: [change] };
      return worded(await stock.changeStock(change, idem, context), "CHANGED");
    }
    case "transfer": {
      const { from_store, to_store, lines, key } = request;
      const moved = await stock.transferStock({ from_store, to_store, lines }, key, context);
      return worded(moved, "TRANSFERRED");
    }
    case "purchase": {
      const { sku, quantity, user_id, policy, key } = request;
      const bought = await stock.purchase({ sku, quantity, user_id, policy }, key, context);
      return worded(bought, "PURCHASED");
    }
    case "read stocks": {
      const counts = (await stock.readStocks([request.sku], context)).get(request.sku);
      return { word: "STOCKS", counts };
    }
    case "read hold": {
      const hold = await inventory.readHold(request.hold_id, context);
      return hold ? { word: "HOLD", ...hold } : { word: "HOLD_NOT_FOUND" };
    }
  }
}

const worded = ({ replayed, ...facts }: { replayed: boolean }, word: string): Answer => ({
  word: replayed ? "REPLAYED" : word,
  ...facts,
});
