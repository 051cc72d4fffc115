import { afterEach, beforeEach, expect, test } from "@jest/globals";
import fc from "fast-check";
import { freshRedis } from "../setup/stack.ts";
import { commands, commandsAndRestarts } from "./commands.ts";
import { compareAll } from "./compare.ts";
import { OUTCOMES } from "./decide.ts";
import { openReal, type Real } from "./real.ts";
import { timesSeen } from "./seen.ts";
import { newWorld } from "./world.ts";

// To see a failure again, set these to the seed, path and replayPath that it printed; -t names the test.
const { MODEL_SEED, MODEL_PATH, MODEL_REPLAY, MODEL_RUNS = "1000" } = process.env;
const RUNS = Number(MODEL_RUNS);
const RUNS_WITH_RESTARTS = 25;
const TEST_MS_MAX = 560_000;
/** From then on nothing is made simpler any more, so that what was found is printed. */
const SEARCH_MS_MAX = 500_000;

let server: Awaited<ReturnType<typeof freshRedis>>;
let real: Real;
beforeEach(async () => {
  server = await freshRedis();
  real = await openReal(server);
});
afterEach(async () => {
  await real.close();
  await server.close();
});

/** Carries out each list of commands in a new world; then all that is there must be what the model has. */
const check = (lists: ReturnType<typeof commands>, numRuns: number) =>
  fc.assert(
    fc.asyncProperty(lists, async (list) => {
      const model = newWorld(await real.startAnew());
      await fc.asyncModelRun(() => ({ model, real }), list);
      await compareAll(model, real);
    }),
    {
      numRuns,
      ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
      ...(MODEL_PATH === undefined ? {} : { path: MODEL_PATH }),
      plugins: [fc.interruptAfterTimeLimit(SEARCH_MS_MAX, { failOnInterrupt: true })],
    },
  );
/** What is rare occurs some ten times in all runs, and once in a while not at all: then there are more. */
const MORE_MAX = 4;
const replay = MODEL_REPLAY === undefined ? {} : { replayPath: MODEL_REPLAY };

/** What else must have happened. */
const HAPPENINGS = [
  "sweep EXPIRED",
  "sweep CORRUPT",
  "by hand SET",
  "by hand INCRBY",
  "time passes",
  "fence shut",
  "offer made",
  ...["maxPerOrder", "maxActiveHolds", "maxPerCustomer"].map((rule) => `waiter refused by ${rule}`),
];
const unseen = () => [...OUTCOMES, ...HAPPENINGS].filter((outcome) => timesSeen(outcome) === 0);

test(
  "whatever is asked in whatever order, each answer, stock, hold and event is what the model says",
  async () => {
    // Durability is not the question here, and an fsync for each of thousands of calls takes its time.
    await real.redis.config("SET", "appendfsync", "no");
    await check(commands(replay), RUNS);
    for (let i = 0; i < MORE_MAX && unseen().length > 0; i += 1) {
      await check(commands(replay), Math.ceil(RUNS / 2));
    }
    expect(unseen()).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "the same is true when Redis is killed and comes back in between",
  async () => {
    await check(commandsAndRestarts(replay), RUNS_WITH_RESTARTS);
    expect(timesSeen("restart")).toBeGreaterThan(0);
  },
  TEST_MS_MAX,
);
