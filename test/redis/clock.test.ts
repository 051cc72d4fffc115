import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { createClock } from "../../src/redis/clock.ts";

test("without a reply, Redis's clock is taken for ours", () => {
  const clock = createClock(() => 1_000);
  expect(clock.now()).toBe(1_000);
  expect(clock.fromLocal(5)).toBe(5);
});

test.each([
  { proved: [999, 1_099], offset: 1_000, where: "inside" },
  { proved: [1_000, 1_100], offset: 1_000, where: "at its lower edge" },
  { proved: [1_001, 1_101], offset: 1_001, where: "below it" },
  { proved: [901, 1_001], offset: 1_000, where: "inside, too" },
  { proved: [900, 1_000], offset: 1_000, where: "at its upper edge" },
  { proved: [899, 999], offset: 999, where: "above it" },
])("an offset of 1000 $where of what a reply proves becomes $offset", ({ proved, offset }) => {
  const clock = createClock(() => 0);
  clock.learn(1_000, 0, 0);
  const [lower = 0, upper = 0] = proved;
  const redis_now = 10_000;
  clock.learn(redis_now, redis_now - upper, redis_now - lower);
  expect(clock.now()).toBe(offset);
  expect(clock.fromLocal(5)).toBe(offset + 5);
});

test("a slow reply teaches nothing that a quick one did not", () => {
  const clock = createClock(() => 0);
  clock.learn(10_000, 5_000, 5_001); // ahead by 4999 to 5000
  clock.learn(12_500, 6_000, 9_000); // by 3500 to 6500
  expect(clock.now()).toBe(4_999);
});

test("a jump of Redis's clock is followed at the next reply, forwards and backwards", () => {
  const clock = createClock(() => 0);
  clock.learn(100_000, 0, 2);
  expect(clock.now()).toBe(99_998);
  clock.learn(50, 100, 102);
  expect(clock.now()).toBe(-50);
});

test("the true offset is met within the round trip, whatever came before", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ offset: fc.integer(), there: fc.nat(5_000), back: fc.nat(5_000) }), {
        minLength: 1,
      }),
      (replies) => {
        const clock = createClock(() => 0);
        let local = 0;
        for (const { offset, there, back } of replies) {
          const sent = local;
          local += there + back;
          clock.learn(sent + there + offset, sent, local);
          expect(Math.abs(clock.now() - offset)).toBeLessThanOrEqual(there + back);
        }
      },
    ),
  );
});
