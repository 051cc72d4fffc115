import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { callContext } from "../setup/deciding-side.ts";
import { query } from "../worker/query.ts";
import { type House, openHouse } from "./house.ts";

let house: House;

beforeEach(async () => {
  house = await openHouse();
});

afterEach(() => house.close());

const change = (hold_id: string, sku: string, quantity: number, idempotency_key?: string) =>
  house.shop.inventory.changeHold(
    { hold_id, wanted: [{ sku, quantity }], idempotency_key: idempotency_key ?? randomUUID() },
    callContext(),
  );
const extend = (hold_id: string, ttl_seconds: number, idempotency_key?: string) =>
  house.shop.inventory.extendHold({ hold_id, ttl_seconds, idempotency_key }, callContext());
const flush = () => house.shop.redis.call("FLUSHALL");

test("holds that were extended and changed are recorded as they are, and given back so", async () => {
  const { shop, database } = house;
  await shop.stock("tea", 1_000);
  await shop.stock("cup", 1_000);
  await house.worker();
  await house.untilOpen();
  const rules = { max_per_customer: 100, max_extensions: 2 };
  for (const sku of ["tea", "cup"]) {
    await shop.rules.changeRules({ sku, rules }, `rules-${sku}`, callContext());
  }
  const [extended, changed, sold, emptied, cancelled] = await shop.reserveMany(5, "tea");
  if (!extended || !changed || !sold || !emptied || !cancelled) throw new Error("no holds");
  const first = await extend(extended, 600, "e1");
  await change(changed, "tea", 5);
  await change(changed, "cup", 2);
  const last = await change(changed, "tea", 0, "c1");
  await change(sold, "tea", 3);
  await extend(sold, 700);
  await shop.confirm(sold);
  await change(emptied, "tea", 0);
  await change(cancelled, "cup", 4);
  await shop.cancel(cancelled);
  await house.expectBooks(1_000);
  const kinds = await query<{ kind: string; count: number }>(
    database.url,
    `select kind, sum(held_delta)::int as count from stock_movements
     where sku = 'tea' and kind in ('HOLD_CHANGED', 'HOLD_EXTENDED') group by kind`,
  );
  expect(kinds).toEqual([{ kind: "HOLD_CHANGED", count: 4 - 5 + 2 }]);
  const counts = () => shop.redis.hgetall(shop.keys.customers);
  const hold = (id: string) => shop.redis.hgetall(shop.keys.hold(id));
  const state = async () => ({
    counts: await counts(),
    holds: await Promise.all([extended, changed, sold, emptied, cancelled].map(hold)),
    deadlines: await shop.redis.zrange(shop.keys.deadlines, 0, "-1", "WITHSCORES"),
  });
  const before = await state();
  expect(before.counts).toEqual({ "tea ann": "4 1", "cup ann": "2 1" });
  await house.through(flush);
  const after = await state();
  // The ledger keeps no order of lines.
  const sorted = ({ lines = "", ...rest }: Record<string, string>) => ({
    ...rest,
    lines: lines.split(" ").sort(),
  });
  expect({ ...after, holds: after.holds.map(sorted) }).toEqual({
    ...before,
    holds: before.holds.map(sorted),
  });
  expect(await extend(extended, 600, "e1")).toEqual({ ...first, replayed: true });
  expect(await change(changed, "tea", 0, "c1")).toEqual({ ...last, replayed: true });
  expect(await extend(extended, 900)).toMatchObject({ extensions_left: 0 });
  await expect(extend(extended, 1_200)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  await house.expectBooks(1_000);
});

test("a former master that comes back gets holds as they are now, not as older events had them", async () => {
  const { shop } = house;
  await shop.stock("tea", 100);
  await house.worker();
  await house.untilOpen();
  await house.through(flush);
  await shop.stock("tea", 100);
  await shop.stock("cup", 100);
  const id = await shop.reserve("tea");
  await change(id, "tea", 4);
  await extend(id, 600);
  await change(id, "cup", 2);
  await change(id, "tea", 0);
  await house.expectBooks(100);
  const before = await shop.redis.hgetall(shop.keys.hold(id));
  await house.through(async () => {
    await shop.redis.hset(shop.keys.hold(id), { lines: "tea@main=9", version: "9" });
    await shop.redis.hset(shop.keys.admission, { generation: "1" });
    await shop.redis.incr(shop.keys.seq); // it went on by itself
    await shop.redis.set(shop.keys.generation, "1");
  });
  expect((await house.recoveries()).at(-1)).toMatchObject({ finding: "DIVERGED" });
  expect(await shop.redis.hgetall(shop.keys.hold(id))).toEqual(before);
});
