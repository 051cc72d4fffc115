import { afterAll, beforeAll, expect, test } from "@jest/globals";
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
    const { crowd, redis_proxy, admin } = house;
    await crowd.come();
    redis_proxy.part();
    await crowd.meet(504, 1);
    const seq = await admin.get("inventory.seq");
    await crowd.meet(503, 10);
    expect(await admin.get("inventory.seq")).toBe(seq);
    redis_proxy.pass();
    redis_proxy.cut();
    await crowd.goOn();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);
