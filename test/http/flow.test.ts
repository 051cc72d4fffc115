import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { createFlow } from "../../src/http/flow.ts";

const times = (count: number, act: () => void) => {
  for (let i = 0; i < count; i += 1) act();
};

test("while few are under way nobody waits, however slow they are", async () => {
  const flow = createFlow();
  times(63, flow.begin);
  await sleep(20);
  times(63, flow.end);
  times(63, flow.begin);
  expect(flow.msOfNext()).toBe(0);
});

test("of many, each waits for those before it, at the pace at which they end", async () => {
  const flow = createFlow();
  times(400, flow.begin);
  await sleep(100);
  expect(flow.msOfNext()).toBe(0); // nobody knows yet
  times(200, flow.end);
  const ms = flow.msOfNext();
  // 200 have ended in 100 ms or more, and 200 are left. sleep() may end a moment before its time.
  expect(ms).toBeGreaterThan(95);
  times(100, flow.begin);
  expect(flow.msOfNext()).toBeCloseTo(1.5 * ms, 5);
  times(240, flow.end);
  expect(flow.msOfNext()).toBe(0);
});

test("what was slow once is forgotten when it is fast again", async () => {
  const flow = createFlow();
  times(400, flow.begin);
  await sleep(100);
  times(100, flow.end);
  const slow = flow.msOfNext() / 300;
  times(5_000, () => {
    flow.begin();
    flow.end();
  });
  expect(flow.msOfNext() / 300).toBeLessThan(slow / 10);
});
