import { expect } from "@jest/globals";
import type { Redis } from "ioredis";
import { keys } from "./script-side.ts";

type Told = {
  waiter_id: string;
  status: string;
  sku: string;
  store_id: string;
  user_id: string;
};

/** Whether a script made this event beside what it was asked for: somebody who waited was served. */
export const isServing = ({ type = "", payload = "" }: Record<string, string>) =>
  (type === "HOLD_CREATED" && payload.includes(',"waiter":{')) ||
  (type === "WAITER_LEFT" && payload.includes('"status":"REFUSED"'));

/** Who waits is who has joined and neither left nor was served, in that order; each wait has ended once. */
export async function checkWaiters(redis: Redis, entries: Record<string, string>[]) {
  const waiting = new Map<string, Told>();
  for (const { type, payload = "" } of entries) {
    const told = JSON.parse(payload);
    const ended = type === "WAITER_LEFT" ? told.waiter_id : told.waiter?.waiter_id;
    if (type === "WAITER_JOINED") waiting.set(told.waiter_id, told);
    else if (ended) expect(waiting.delete(ended)).toBe(true);
  }
  const stocks = Map.groupBy(waiting.values(), (told) => keys.stockName(told.sku, told.store_id));
  const counts = [...stocks].map(([stock, list]) => [stock, String(list.length)]);
  expect(await redis.hgetall(keys.waiting)).toEqual(Object.fromEntries(counts));
  expect((await redis.keys(keys.queue("*"))).sort()).toEqual(
    [...stocks.keys()].map(keys.queue).sort(),
  );
  for (const [stock, list] of stocks) {
    const ids = list.map(({ waiter_id }) => waiter_id);
    expect(await redis.zrange(keys.queue(stock), "0", "-1")).toEqual(ids);
    const places = list.map(({ user_id, waiter_id }) => [user_id, waiter_id]);
    expect(await redis.hgetall(keys.places(stock))).toEqual(Object.fromEntries(places));
  }
  for (const key of await redis.keys(keys.waiter("*"))) {
    const id = key.slice(keys.waiter("").length);
    const is_waiting = (await redis.hget(key, "status")) === "WAITING";
    expect([id, is_waiting, (await redis.ttl(key)) < 0]).toEqual([
      id,
      waiting.has(id),
      waiting.has(id),
    ]);
  }
}
