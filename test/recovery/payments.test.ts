import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { callContext } from "../setup/deciding-side.ts";
import { untilRecorded } from "../worker/books.ts";
import { type House, openHouse } from "./house.ts";

let house: House;

beforeEach(async () => {
  house = await openHouse();
});

afterEach(() => house.close());

test("an emptied Redis knows again what was sold late or in part, and which payments were not fulfilled", async () => {
  const { shop, database } = house;
  await shop.stock("tea", 100);
  await shop.stock("cup", 100);
  await house.worker();
  await house.untilOpen();
  const settle = async (hold_id: string, payment_ref: string) =>
    shop.inventory.settlePayment(
      { hold_id, payment_ref, parts: [], idempotency_key: undefined, route: "confirm" },
      callContext(),
    );
  const parts = [{ sku: "tea", quantity: 1 }];
  const partly = await shop.reserve(["tea", "cup"], { quantity: 2 });
  const confirm = () =>
    shop.inventory.confirmHold({ hold_id: partly, payment_ref: "p", parts }, callContext());
  const part = await confirm();
  const late_id = await shop.reserve("tea", { ttl_seconds: 0.001, quantity: 3 });
  await until("it expires", async () =>
    (await shop.inventory.expireHold(late_id, callContext())) === "EXPIRED" ? true : undefined,
  );
  const late = await settle(late_id, "p1");
  const stranded = await settle(late_id, "p2");
  expect(late).toMatchObject({ sale: { late: true, replayed: false } });
  expect(stranded).toMatchObject({
    unfulfilled: { why: "HOLD_ALREADY_CONFIRMED" },
    replayed: false,
  });
  await untilRecorded(shop.redis, database.url);
  const hashes = () =>
    Promise.all([partly, late_id].map((id) => shop.redis.hgetall(shop.keys.hold(id))));
  const before = await hashes();
  await house.through(() => shop.redis.call("FLUSHALL"));
  expect(await hashes()).toEqual(before);
  expect(await confirm()).toEqual({ ...part, replayed: true });
  expect(await settle(late_id, "p1")).toEqual({
    sale: { ...("sale" in late ? late.sale : {}), replayed: true },
  });
  expect(await settle(late_id, "p2")).toEqual({ ...stranded, replayed: true });
  await house.expectBooks(100);
});
