import { randomUUID } from "node:crypto";
import { newEventId, newHoldId, newOrderId } from "../../src/domain/ids.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";

const STORE = "main";

/** A checkout that talks to the deciding side of a test's Redis. */
export async function openShop(redisUrl: string, options: { admits?: boolean } = {}) {
  const deciding = await openDecidingSide(redisUrl, options);
  const { redis, keys, inventory } = deciding;

  const stock = (sku: string, units: number) => redis.set(keys.stock(sku, STORE), units);

  /** Returns the hold's id. `ttl_seconds` may be a fraction, which the API would refuse. */
  async function reserve(skus: string | string[], { quantity = 1, ttl_seconds = 300 } = {}) {
    const lines = [skus].flat().map((sku) => ({ sku, store_id: STORE, quantity }));
    const input = { lines, user_id: "ann", ttl_seconds, idempotency_key: randomUUID() };
    return (await inventory.createHold(input, callContext())).hold_id;
  }

  const confirm = (hold_id: string) =>
    inventory.confirmHold({ hold_id, payment_ref: `pay-${hold_id}` }, callContext());

  const cancel = (hold_id: string) =>
    inventory.cancelHold({ hold_id, reason: "changed my mind" }, callContext());

  /** Makes holds all at once. */
  const reserveMany = (count: number, sku: string, options?: { ttl_seconds: number }) =>
    Promise.all(Array.from({ length: count }, () => reserve(sku, options)));

  /** Makes `count` events: for every four, two holds of which one is confirmed and one is cancelled. */
  async function trade(count: number, sku: string): Promise<void> {
    const holds = await reserveMany(Math.ceil(count / 2), sku);
    const endings = holds.slice(0, Math.floor(count / 2));
    await Promise.all(endings.map((id, i) => (i % 2 === 0 ? confirm(id) : cancel(id))));
  }

  /** Appends an entry by hand. `seq` is the next one unless it is given. */
  async function append(fields: Record<string, string>): Promise<string> {
    const id = await redis.xadd(keys.stream, "*", ...Object.entries(fields).flat());
    return String(id);
  }

  /** The next seq, taken as the scripts take it. */
  const takeSeq = () => redis.incr(keys.seq);

  /** Every entry of the stream, oldest first. */
  const entries = async () =>
    (await redis.xrange(keys.stream, "-", "+")).map(([id, flat]) => ({ id, fields: pairs(flat) }));

  return {
    ...deciding,
    /** Changes, transfers and purchases, as /v1 asks for them. */
    counter: deciding.stock,
    stock,
    reserve,
    confirm,
    cancel,
    reserveMany,
    trade,
    append,
    takeSeq,
    entries,
  };
}

export type Shop = Awaited<ReturnType<typeof openShop>>;

/** The fields of an event that no script made: a hold of one unit of `hand-made`, changed by `payload`. */
export function handMade(seq: number, payload: Record<string, unknown> = {}) {
  const now = Date.now();
  return {
    event_id: newEventId(),
    type: "HOLD_CREATED",
    seq: String(seq),
    payload: JSON.stringify({
      event_version: 1,
      occurred_at: now,
      request_id: "by-hand",
      hold_id: newHoldId(),
      status: "ACTIVE",
      user_id: "ann",
      created_at: now,
      expires_at: now + 300_000,
      version: 1,
      lines: [
        { sku: "hand-made", store_id: STORE, quantity: 1, available: 9, held: 1, version: 1 },
      ],
      ...payload,
    }),
  };
}

/** The fields of an adjustment that no script made: nine units of `hand-made` come in. */
export function handMadeChange(seq: number, payload: Record<string, unknown> = {}) {
  const line = { sku: "hand-made", store_id: STORE, available_delta: 9 };
  return {
    event_id: newEventId(),
    type: "STOCK_ADJUSTED",
    seq: String(seq),
    payload: JSON.stringify({
      event_version: 1,
      occurred_at: Date.now(),
      request_id: "by-hand",
      actor: "api",
      lines: [{ ...line, available: 9, held: 0, version: 1 }],
      ...payload,
    }),
  };
}

/** What a HOLD_CONFIRMED has beyond a HOLD_CREATED. */
export const sold = () => ({
  status: "CONFIRMED",
  ended_at: Date.now(),
  version: 2,
  order_id: newOrderId(),
  payment_ref: "pay",
});

export function shuffled<T>(items: T[]): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T]; // both lie within the array
  }
  return result;
}

function pairs(flat: string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ""] = flat[i + 1] ?? "";
  return fields;
}
