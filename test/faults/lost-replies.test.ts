import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { expectInvariants } from "./invariants.ts";
import { openHouse, type WholeHouse } from "./whole-house.ts";

const ROUNDS = 6;
const LOST_MS = 150;
const TEST_MS_MAX = 60_000;

let house: WholeHouse;
beforeAll(async () => {
  house = await openHouse();
}, TEST_MS_MAX);
afterAll(() => house?.close());

test(
  "replies that are lost after Redis has done its work cost nothing but time",
  async () => {
    const { crowd, redis_proxy, admin } = house;
    await crowd.come();
    for (let i = 0; i < ROUNDS; i += 1) {
      const before = Number(await admin.get("inventory.seq"));
      redis_proxy.dropReplies();
      await sleep(LOST_MS);
      redis_proxy.cut();
      redis_proxy.pass();
      await crowd.goOn();
      expect(Number(await admin.get("inventory.seq"))).toBeGreaterThan(before);
    }
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);
