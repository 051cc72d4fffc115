import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "@jest/globals";
import { createFlow } from "../../src/http/flow.ts";

const times = (count: number, act: () => void) => {
  for (let i = 0; i < count; i += 1) act();
};

/** What keeps the event loop from everything else. */
function work(ms: number) {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

// Before it has waited for anything, an event loop can't tell how much of its time it worked.
beforeAll(() => sleep(1));

test("while few are under way nobody waits, however slow they are", () => {
  const flow = createFlow();
  times(63, flow.begin);
  work(20);
  times(63, () => flow.end(true));
  times(63, flow.begin);
  expect(flow.msOfNext()).toBe(0);
});

test("of many, each waits for those before it, at the pace at which they end", () => {
  const flow = createFlow();
  times(400, flow.begin);
  work(100);
  expect(flow.msOfNext()).toBe(0); // nobody knows yet
  times(200, () => flow.end(true));
  const ms = flow.msOfNext();
  expect(ms).toBeGreaterThanOrEqual(100); // 200 have ended in 100 ms or more, and 200 are left
  times(100, flow.begin);
  expect(flow.msOfNext()).toBeCloseTo(1.5 * ms, 5);
  times(240, () => flow.end(true));
  expect(flow.msOfNext()).toBe(0);
});

test("what was slow once is forgotten when it is fast again", () => {
  const flow = createFlow();
  times(400, flow.begin);
  work(100);
  times(100, () => flow.end(true));
  const slow = flow.msOfNext() / 300;
  times(50_000, () => {
    flow.begin();
    flow.end(true);
  });
  expect(flow.msOfNext() / 300).toBeLessThan(slow / 10);
});

test("while all wait for something else, the process is not slow", async () => {
  const flow = createFlow();
  times(400, flow.begin);
  times(100, () => flow.end(true));
  await sleep(500); // Redis, for instance
  times(100, () => flow.end(true));
  expect(flow.msOfNext()).toBeLessThan(400); // not 200 × 500 / 200, whatever else jest may do meanwhile
});

test("what is given up tells no pace", () => {
  const flow = createFlow();
  times(400, flow.begin);
  work(100);
  times(100, () => flow.end(true));
  const before = flow.msOfNext() / 300;
  times(150, () => flow.end(false));
  expect(flow.msOfNext() / 150).toBeCloseTo(before, 5);
});
