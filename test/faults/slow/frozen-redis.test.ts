import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, test } from "@jest/globals";
import { expectInvariants } from "../invariants.ts";
import { openHouse } from "../whole-house.ts";

const TEST_MS_MAX = 120_000;

let house: Awaited<ReturnType<typeof openHouse>>;
beforeAll(async () => {
  house = await openHouse();
}, TEST_MS_MAX);
afterAll(async () => {
  await house?.redis.kill("SIGCONT");
  await house?.close();
}, TEST_MS_MAX);

// Here the length is the point: shorter than a request may take, longer, and longer than a connection waits.
test.each([1, 5, 30])(
  "Redis that stands still for %d s does nothing late, and sales go on",
  async (seconds) => {
    const { crowd, redis } = house;
    await crowd.come();
    await redis.kill("SIGSTOP");
    await sleep(seconds * 1000);
    await redis.kill("SIGCONT");
    await crowd.goOn();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);
