import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createAutocannon } from "../../scripts/bench/autocannon.ts";
import { type HttpScenario, httpScenario } from "../../scripts/bench/http-scenario.ts";
import { createParts } from "../../scripts/bench/parts.ts";
import { createProgress } from "../../scripts/bench/progress.ts";
import { type Child, startChild } from "../../scripts/child.ts";
import { startOf } from "../../scripts/pids.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { until } from "../../scripts/until.ts";
import { inherited } from "../setup/processes.ts";
import { freshDir } from "../setup/stack.ts";

/** A benchmark starts all its servers, which takes a busy machine a minute. */
const TEST_MS_MAX = 200_000;
const STEP_MS_MAX = 90_000;

let place: Awaited<ReturnType<typeof freshDir>>;

beforeEach(async () => {
  place = await freshDir();
});

afterEach(() => place.close());

const SCENARIO: HttpScenario = {
  name: "test",
  what: "a scenario",
  api: "HOLDFAST",
  rows: [{ label: "", clients: 4, skus: 1 }],
  answers: { "/holds/reserve": 201 },
};

test(
  "a scenario fails when the books differ, and stops what it has started",
  async () => {
    const parts = createParts();
    const prepare: HttpScenario["prepare"] = async (_bench, { redis }) => {
      await redis.set("idem:reserve:of-nobody", "x");
      return { skus: [] };
    };
    await expect(measure({ ...SCENARIO, prepare }, parts)).rejects.toThrow(
      /^the books differ: \d+ keys in Redis, not \d+: 1 stocks, 1 items, \d+ holds/,
    );
    await parts.stopAll();
    expect(await readdir(place.dir)).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "when a server dies the benchmark says so, and ends with 1",
  async () => {
    const bench = await startBench();
    await until(
      "it warms up",
      async () => (await bench.lastLines()).includes("warming") || undefined,
      STEP_MS_MAX,
    );
    process.kill(await redisPid(), "SIGKILL");
    expect(await bench.exited).toBe("exit code 1");
    expect(await bench.lastLines()).toMatch(/^noop failed: redis ended \(SIGKILL\)/m);
    expect(await readdir(place.dir)).toEqual(["bench.json", "bench.log"]);
  },
  TEST_MS_MAX,
);

test(
  "Ctrl-C stops what was started, and nothing is left",
  async () => {
    const bench = await startBench();
    const pid = await redisPid();
    bench.kill("SIGINT");
    expect(await bench.exited).toBe("exit code 1");
    expect(await bench.lastLines()).toContain("stopped");
    expect(await startOf(pid)).toBeUndefined();
    expect(await readdir(place.dir)).toEqual(["bench.log"]);
  },
  TEST_MS_MAX,
);

function measure(scenario: HttpScenario, parts: ReturnType<typeof createParts>) {
  const progress = createProgress({ write: () => true, isTTY: false, columns: 80 });
  const how = { generator: createAutocannon(), dir: join(place.dir, "stack"), parts, progress };
  return httpScenario(scenario).run({ ...how, seconds: 1, runs: 1, grown: 0 });
}

function startBench(): Promise<Child> {
  const json = join(place.dir, "bench.json");
  return startChild({
    command: process.execPath,
    args: ["scripts/bench.ts", "--only", "noop", "--load", "autocannon", "--json", json],
    cwd: REPO_DIR,
    env: { ...inherited(), TMPDIR: place.dir },
    logFile: join(place.dir, "bench.log"),
  });
}

/** Of the Redis that the benchmark has started. */
function redisPid(): Promise<number> {
  const look = async () => {
    const dirs = await readdir(place.dir);
    const dir = dirs.find((name) => name.startsWith("holdfast-bench-")) ?? "";
    const text = await readFile(join(place.dir, dir, "noop/redis/redis.pid"), "utf8").catch(
      () => "",
    );
    return Number(text) || undefined;
  };
  return until("Redis runs", look, STEP_MS_MAX);
}
