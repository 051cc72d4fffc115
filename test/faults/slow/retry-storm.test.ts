import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { expectInvariants } from "../invariants.ts";
import { openHouse } from "../whole-house.ts";

const SHOPPERS = 400;
const TEST_MS_MAX = 180_000;
/** For four hundred at once on a busy machine. */
const GO_ON_MS_MAX = 60_000;

let house: Awaited<ReturnType<typeof openHouse>>;
beforeAll(async () => {
  house = await openHouse();
}, TEST_MS_MAX);
afterAll(() => house?.close(), TEST_MS_MAX);

test(
  "after an outage everybody asks again at once, with keys that may be done, and each gets one effect",
  async () => {
    const { crowd, redis, journal } = house;
    await crowd.come({ at_once: SHOPPERS });
    await redis.kill();
    const first = journal.entries.length;
    // Each has asked several times over by now, and goes on asking.
    await until("they storm", () => journal.entries.length > first + 3 * SHOPPERS || undefined);
    await redis.start();
    await crowd.goOn(SHOPPERS, GO_ON_MS_MAX);
    await expectInvariants(house);
    const again = Map.groupBy(journal.entries, ({ key }) => key);
    const stubborn = [...again.values()].filter((entries) => entries.length > 2);
    expect(stubborn.length).toBeGreaterThan(SHOPPERS / 2);
  },
  TEST_MS_MAX,
);
