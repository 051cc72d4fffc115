import type { Redis } from "ioredis";
import { newEventId, newWaiterId } from "../domain/ids.ts";
import { Rejection } from "../domain/rejection.ts";
import { offerOf, WAITER_STATUSES, type Waiter } from "../domain/waiter.ts";
import type { Batcher } from "./batcher.ts";
import { type CallContext, commonRefusal, createSubmit } from "./deciding.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { Keys } from "./keys.ts";
import { CorruptKey, readKey } from "./outcome.ts";

/** Of one look through the stocks that somebody waits for. */
const LOOK_COUNT = 200;
const UNASKED = "Redis could not be asked who waits.";

export type Waiting = ReturnType<typeof createWaiting>;

/** What leaving came to. OFFERED: there is a hold by now, which is to be cancelled. */
export type Leaving =
  | { outcome: "LEFT" | "REFUSED"; replayed: boolean }
  /** Under this idempotency key the hold was cancelled before, or it had expired. */
  | { outcome: "CANCELLED" | "EXPIRED"; replayed: true }
  | { outcome: "OFFERED"; hold_id: string };

/** Who waits for units of a stock. Throws as createInventory's functions do. */
export function createWaiting({
  batcher,
  redis,
  keys,
}: {
  batcher: Batcher;
  redis: Redis;
  keys: Keys;
}) {
  const submit = createSubmit(batcher);

  /** Puts a customer in a stock's queue. The same idempotency_key and request again give the first place. */
  async function join(
    wish: {
      sku: string;
      store_id: string;
      quantity: number;
      user_id: string;
      offer_seconds: number;
    },
    idempotency_key: string,
    context: CallContext,
  ): Promise<{ waiter_id: string; joined_at: number; position: number; replayed: boolean }> {
    const { sku, store_id, quantity, user_id, offer_seconds } = wish;
    const waiter_id = newWaiterId();
    const tuple = await submit("join_waiting", context, {
      keys: [
        keys.waiter(waiter_id),
        keys.idem("waitlist_join", idempotency_key),
        ...keys.ofStock(wish),
      ],
      args: [
        newEventId(),
        context.request_id,
        waiter_id,
        user_id,
        String(offer_seconds * 1000),
        fingerprintOf(["waitlist_join", sku, store_id, quantity, user_id, offer_seconds]),
        sku,
        store_id,
        String(quantity),
      ],
    });
    switch (tuple[0]) {
      case "JOINED":
      case "REPLAYED":
        return {
          waiter_id: String(tuple[1]),
          joined_at: Number(tuple[2]),
          position: Number(tuple[3]),
          replayed: tuple[1] !== waiter_id,
        };
      case "STOCK_AVAILABLE":
        throw new Rejection(
          "STOCK_AVAILABLE",
          `There are ${tuple[1]} of ${sku}, and nobody waits: reserve instead.`,
          { sku, available: tuple[1] },
        );
      case "ALREADY_WAITING":
        throw new Rejection("ALREADY_WAITING", `The customer waits for ${sku} already.`, {
          sku,
          waiter_id: tuple[1],
        });
      case "WAITING_LIST_FULL":
        throw new Rejection("WAITING_LIST_FULL", `${tuple[1]} wait for ${sku} already.`, { sku });
      default:
        throw commonRefusal(tuple);
    }
  }

  /**
   * Takes a customer out of the queue. When a hold is cancelled instead, by cancelHold under the same route
   * and key, that is remembered alike: it is one request.
   * @throws Rejection WAITER_NOT_FOUND also of one that Redis has forgotten, which the ledger may know
   */
  async function leave(
    waiter_id: string,
    idempotency_key: string,
    context: CallContext,
  ): Promise<Leaving> {
    const event_id = newEventId();
    const tuple = await submit("leave_waiting", context, {
      keys: [keys.waiter(waiter_id), keys.idem("waitlist_leave", idempotency_key)],
      args: [
        event_id,
        context.request_id,
        waiter_id,
        fingerprintOf(["waitlist_leave", offerOf(waiter_id), ""]),
      ],
    });
    switch (tuple[0]) {
      case "LEFT":
        return { outcome: "LEFT", replayed: false };
      case "REPLAYED":
        if (tuple[1] === "CANCELLED" || tuple[1] === "EXPIRED") {
          return { outcome: tuple[1], replayed: true };
        }
        // When a retry of ours met the record of our own lost reply, it is news to the caller.
        return { outcome: "LEFT", replayed: tuple[2] !== event_id };
      case "ENDED":
        return { outcome: tuple[1] === "REFUSED" ? "REFUSED" : "LEFT", replayed: true };
      case "OFFERED":
        return { outcome: "OFFERED", hold_id: offerOf(waiter_id) };
      case "WAITER_NOT_FOUND":
        throw waiterNotFound();
      default:
        throw commonRefusal(tuple);
    }
  }

  /**
   * Offers what a stock has to those who wait. Returns whether there are units left for more of them.
   * @param name the stock's, as its keys name it
   */
  async function offerStock(name: string, context: CallContext): Promise<boolean> {
    const tuple = await submit("offer_stock", context, { keys: keys.ofStockName(name), args: [] });
    if (tuple[0] === "SERVED") return tuple[2] === 1 && Number(tuple[1]) > 0;
    throw commonRefusal(tuple);
  }

  /** A waiter, and its position in the queue; null when Redis has none, or has forgotten it. */
  async function readWaiter(waiter_id: string): Promise<Placed | null> {
    return readKey(keys.waiter(waiter_id), UNASKED, async () => {
      const fields = await redis.hgetall(keys.waiter(waiter_id));
      const waiter = waiterOf(waiter_id, fields);
      if (Object.keys(fields).length > 0 && !waiter) throw new CorruptKey(keys.waiter(waiter_id));
      if (waiter?.status !== "WAITING") return waiter && { ...waiter, position: null };
      const rank = await redis.zrank(keys.queue(fields.stock ?? ""), waiter_id);
      if (rank !== null) return { ...waiter, position: rank + 1 };
      // Served just now; or one of an old copy of Redis, that has not waited any more since.
      const served = waiterOf(waiter_id, await redis.hgetall(keys.waiter(waiter_id)));
      return served && served.status !== "WAITING" ? { ...served, position: null } : null;
    });
  }

  /**
   * The next of the stocks that somebody waits for, as their keys name them, and of which there are units.
   * @param cursor "0" to begin; the one that is returned to go on, until it is "0" again
   */
  async function findOffers(cursor: string): Promise<{ cursor: string; stocks: string[] }> {
    return readKey(keys.waiting, UNASKED, async () => {
      const [next, flat] = await redis.hscan(keys.waiting, cursor, "COUNT", LOOK_COUNT);
      const names = flat.filter((_, i) => i % 2 === 0);
      const texts =
        names.length > 0
          ? await redis.mget(names.flatMap((name) => keys.ofStockName(name).slice(0, 1)))
          : [];
      return { cursor: next, stocks: names.filter((_, i) => Number(texts[i] ?? 0) > 0) };
    });
  }

  return { join, leave, offerStock, readWaiter, findOffers };
}

/** A waiter, and which one in the queue it is; null when it does not wait any more. */
export type Placed = Waiter & { position: number | null };

export const waiterNotFound = () => new Rejection("WAITER_NOT_FOUND", "There is no such waiter.");

function waiterOf(waiter_id: string, fields: Record<string, string>): Waiter | null {
  const status = WAITER_STATUSES.find((candidate) => candidate === fields.status);
  const { sku, store_id, user_id } = fields;
  const [quantity, offer_ms, joined_at, joined_seq] = [
    Number(fields.quantity),
    Number(fields.offer_ms),
    Number(fields.joined_at),
    Number(fields.joined_seq),
  ];
  const good = quantity > 0 && offer_ms > 0 && joined_at > 0 && joined_seq > 0;
  if (!status || !sku || !store_id || user_id === undefined || !good) return null;
  return { waiter_id, status, sku, store_id, quantity, user_id, offer_ms, joined_at, joined_seq };
}
