import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Rejection } from "../../src/domain/rejection.ts";
import { callContext } from "../setup/deciding-side.ts";
import { untilRecorded } from "../worker/books.ts";
import { type House, openHouse } from "./house.ts";

let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

async function join(sku: string, user_id: string, quantity = 1): Promise<string> {
  const wish = { sku, store_id: "main", quantity, user_id, offer_seconds: 600 };
  return (await house.shop.waiting.join(wish, `${sku} ${user_id}`, callContext())).waiter_id;
}
const leave = (id: string) => house.shop.waiting.leave(id, `leave ${id}`, callContext());
const restock = (sku: string, units: number) =>
  house.shop.counter.changeStock(
    { sku, store_id: "main", operation: "ADJUST", units, reason: "receipt" },
    { route: "adjust", key: `${sku} ${units}`, request: [sku, units] },
    callContext(),
  );
const look = (id: string) => house.shop.waiting.readWaiter(id);

/** Five customers wait for tea and one for cups; the first is offered his, the third has left. */
async function queues() {
  const { shop } = house;
  await shop.stock("tea", 0);
  await shop.stock("cups", 0);
  await house.worker();
  await house.untilOpen();
  const ids = [];
  for (const user of ["ada", "bob", "cyd", "dan", "eve"]) ids.push(await join("tea", user));
  const cup = await join("cups", "ada", 2);
  await leave(ids[2] ?? "");
  await restock("tea", 1);
  return { ids, cup };
}

test("a Redis that was emptied has its queues back, in their order, and serves them", async () => {
  const { ids, cup } = await queues();
  const [ada = "", bob = "", cyd = "", dan = "", eve = ""] = ids;
  await untilRecorded(house.shop.redis, house.database.url);
  await house.through(() => house.shop.redis.call("FLUSHALL"));
  await house.expectBooks();
  const places = await Promise.all([bob, dan, eve, cup].map(look));
  expect(places.map((waiter) => waiter?.position)).toEqual([1, 2, 3, 1]);
  expect(await look(ada)).toBeNull(); // the ledger has it
  expect(await look(cyd)).toBeNull();
  expect((await house.recoveries()).at(-1)?.report.restored.waiters).toBe(4);

  // The first key is remembered, and so is who has a place.
  expect(await join("tea", "bob")).toBe(bob);
  const again = { sku: "tea", store_id: "main", quantity: 1, user_id: "bob", offer_seconds: 1 };
  await expect(house.shop.waiting.join(again, "another", callContext())).rejects.toMatchObject({
    code: "ALREADY_WAITING",
  });
  await restock("tea", 2);
  expect((await look(bob))?.status).toBe("OFFERED");
  expect((await look(dan))?.status).toBe("OFFERED");
  expect((await look(eve))?.position).toBe(1);
  await house.expectBooks();
});

test("queues of an old copy of Redis make room for those of the ledger", async () => {
  const { ids } = await queues();
  const { shop } = house;
  const { redis, keys } = shop;
  const [, bob = "", , dan = "", eve = ""] = ids;
  await untilRecorded(redis, house.database.url);
  // What an old copy would say: cyd still waits, and eve has not come yet.
  const old_seq = Number(await redis.get(keys.seq)) - 3;
  await house.through(async () => {
    await redis.zadd(keys.queue("tea"), 3, ids[2] ?? "");
    await redis.zrem(keys.queue("tea"), eve);
    await redis.set(keys.seq, old_seq);
    await redis.del(keys.generation);
  });
  expect(await redis.zrange(keys.queue("tea"), "0", "-1")).toEqual([bob, dan, eve]);
  expect(await redis.hgetall(keys.waiting)).toEqual({ tea: "3", cups: "1" });
});

test("who joined when Redis was emptied, and was not recorded, is lost; the others are not", async () => {
  const { shop, database } = house;
  await shop.stock("tea", 0);
  const { close } = await house.worker();
  await house.untilOpen();
  const ada = await join("tea", "ada");
  await untilRecorded(shop.redis, database.url);
  await close();
  const bob = await join("tea", "bob");
  const before = await house.generation();
  await shop.redis.call("FLUSHALL");
  await house.worker({ name: "worker-2" });
  await house.untilOpen(before);
  expect((await look(ada))?.position).toBe(1);
  expect(await look(bob)).toBeNull();
  await expect(leave(bob)).rejects.toBeInstanceOf(Rejection);
  await house.expectBooks();
});
