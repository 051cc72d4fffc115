import { expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { type Agent, startLoop } from "../../worker/loop.ts";
import { keptLog } from "./parts.ts";

const NEVER_MS = 3_600_000;

function agent(runOnce: Agent["runOnce"], idle_ms = 1): Agent {
  return { name: "agent", idle_ms, runOnce };
}

/** A promise that a test resolves when it likes. */
function gate<T>() {
  let open: (value: T) => void = () => {};
  const opened = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

const times = (runs: number[], count: number) =>
  until(`${count} runs`, () => (runs.length >= count ? true : undefined));

test("an agent that found work is run again at once, whatever its idle time", async () => {
  const runs: number[] = [];
  const { log } = keptLog();
  const loop = startLoop(
    agent(async () => {
      runs.push(Date.now());
      await new Promise(setImmediate);
      return runs.length < 5 ? 1 : 0;
    }, NEVER_MS),
    log,
  );
  await times(runs, 5);
  await loop.stop();
  expect(runs).toHaveLength(5);
});

test("an agent that found nothing waits for its idle time", async () => {
  const runs: number[] = [];
  const { log } = keptLog();
  const loop = startLoop(
    agent(async () => {
      runs.push(performance.now());
      return 0;
    }, 100),
    log,
  );
  await times(runs, 3);
  await loop.stop();
  const [first = 0, second = 0, third = 0] = runs;
  expect(second - first).toBeGreaterThan(95);
  expect(third - second).toBeGreaterThan(95);
});

test("faults are waited out with growing pauses, and logged once each time they begin", async () => {
  const runs: number[] = [];
  const { log, lines } = keptLog();
  const loop = startLoop(
    agent(async () => {
      runs.push(performance.now());
      if (runs.length <= 4 || runs.length === 7) throw new Error("Postgres is away.");
      await new Promise((resolve) => setTimeout(resolve, 5));
      return 1;
    }),
    log,
  );
  await times(runs, 10);
  await loop.stop();
  const pauses = runs.slice(1).map((at, i) => at - (runs[i] ?? 0));
  // Half of 100, 200, 400 and 800 ms at least; the other half is chance.
  for (const [i, least] of [50, 100, 200, 400].entries()) {
    expect(pauses[i]).toBeGreaterThan(least - 5);
  }
  const said = lines.map(({ level, msg }) => `${level}: ${msg}`);
  expect(said).toEqual([
    "warn: the agent failed, trying again",
    "info: the agent works again",
    "warn: the agent failed, trying again",
    "info: the agent works again",
  ]);
});

test("stop waits for the batch at work, and no other begins", async () => {
  const started = gate<void>();
  const batch = gate<number>();
  let runs = 0;
  const { log } = keptLog();
  const loop = startLoop(
    agent(() => {
      runs += 1;
      started.open();
      return batch.opened;
    }),
    log,
  );
  await started.opened;
  let stopped = false;
  const stopping = loop.stop().then(() => {
    stopped = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(stopped).toBe(false);
  batch.open(5);
  await stopping;
  expect(runs).toBe(1);
});

test("stop cuts a pause short", async () => {
  const runs: number[] = [];
  const { log } = keptLog();
  const loop = startLoop(
    agent(async () => runs.push(1) - runs.length, NEVER_MS), // always 0
    log,
  );
  await times(runs, 1);
  await loop.stop();
  expect(runs).toHaveLength(1);
});

test("a batch that ends empty after stop is the last thing stop waits for", async () => {
  const started = gate<void>();
  const batch = gate<number>();
  const { log } = keptLog();
  const loop = startLoop(
    agent(() => {
      started.open();
      return batch.opened;
    }, 20_000),
    log,
  );
  await started.opened;
  const stopping = loop.stop();
  batch.open(0);
  await stopping;
}, 5_000);

test("a fault after stop is the last thing stop waits for", async () => {
  const started = gate<void>();
  let rejectBatch: (error: Error) => void = () => {};
  const { log } = keptLog();
  const loop = startLoop(
    agent(() => {
      started.open();
      return new Promise((_, reject) => {
        rejectBatch = reject;
      });
    }),
    log,
  );
  await started.opened;
  const stopping = loop.stop();
  rejectBatch(new Error("Postgres is away."));
  await stopping;
});
