import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { askAny } from "../http/shop.ts";
import { expectInvariants } from "./invariants.ts";
import { openHouse, type WholeHouse } from "./whole-house.ts";

const TEST_MS_MAX = 60_000;

let house: WholeHouse;
beforeAll(async () => {
  house = await openHouse();
}, TEST_MS_MAX);
afterAll(() => house?.close());

test(
  "connections to Redis that are open and carry nothing any more are given up, and sales go on",
  async () => {
    const { crowd, redis_proxy } = house;
    await crowd.come();
    redis_proxy.blackhole();
    await crowd.goOn();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);

test(
  "as long as no connection to Redis carries anything nothing is promised, and then sales go on",
  async () => {
    const { crowd, redis_proxy, admin, api } = house;
    await crowd.come();
    await crowd.leave(); // of theirs it is not known which are under way
    const reserve = async () => {
      const wish = { sku: "plenty", qty: 1, user_id: "eve", idempotency_key: randomUUID() };
      const { status } = await askAny(`${api.url}/holds/reserve`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(wish),
      });
      return status;
    };
    redis_proxy.part();
    expect(await reserve()).toBe(504);
    const seq = await admin.get("inventory.seq");
    await until("the connection is given up", async () => (await reserve()) === 503 || undefined);
    expect(await admin.get("inventory.seq")).toBe(seq);
    redis_proxy.pass();
    redis_proxy.cut();
    await crowd.come();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);
