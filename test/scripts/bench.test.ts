import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { z } from "zod";
import { findWrk } from "../../scripts/bench/wrk.ts";
import { run } from "../../scripts/run.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { inherited } from "../setup/processes.ts";
import { freshDir } from "../setup/stack.ts";

let place: Awaited<ReturnType<typeof freshDir>>;

beforeAll(async () => {
  place = await freshDir();
});

afterAll(() => place.close());

const figures = z.record(z.string(), z.number());
const result = z.object({
  machine: z.object({ cpu: z.string(), cores: z.number(), load: z.string(), date: z.string() }),
  rows: z.array(
    z.object({
      scenario: z.string(),
      clients: z.number(),
      median: figures,
      runs: z.array(figures),
    }),
  ),
  targets: z.array(z.object({ name: z.string(), measured: z.string(), outcome: z.string() })),
  failures: z.array(z.never()),
});

test("a short run prints its table, writes its figures, and leaves nothing behind", async () => {
  const file = join(place.dir, "bench.json");
  const left_before = await readdir(place.dir);
  // No test installs anything.
  const load = (await findWrk()) === undefined ? "autocannon" : "wrk";
  const { ok, stdout, stderr } = await bench(
    ...["--only", "noop,reserve-hot", "--seconds", "1", "--runs", "1", "--json", file],
    ...["--load", load],
  );
  expect({ ok, stderr }).toEqual({ ok: true, stderr: expect.stringContaining("reserve-hot: ") });
  expect(stdout).toMatch(/^scenario +\| clients +\| per second +\| × noop +\| p50 ms/);
  expect(stdout).toMatch(/^noop +\| +64 +\|/m);
  expect(stdout).toMatch(/^noop +\| +256 +\|/m);
  expect(stdout).toMatch(/^reserve-hot +\| +64 +\|/m);
  expect(stdout).toMatch(/^reserve-hot +\| +256 +\|/m);
  expect(stdout).toContain(`load by ${load}`);
  expect(stdout).toContain(`The figures of all runs are in ${file}`);

  const { rows, targets, machine } = result.parse(JSON.parse(await readFile(file, "utf8")));
  expect(machine.load).toContain(load);
  expect(rows.map(({ scenario, clients }) => [scenario, clients])).toEqual([
    ["noop", 64],
    ["noop", 256],
    ["reserve-hot", 64],
    ["reserve-hot", 256],
  ]);
  for (const { scenario, median, runs } of rows) {
    const ours = scenario === "noop" ? [] : OF_OURS;
    const names = Object.keys(median).filter((name) => name !== "postgres_us"); // where there is /proc
    expect(names.toSorted()).toEqual([...OF_ALL, ...ours].toSorted());
    expect(Object.values(median).every((value) => value > 0)).toBe(true);
    expect(runs).toHaveLength(1);
  }
  expect(targets.map(({ name }) => name)).toContain("reserve-hot, 256 clients, × noop");
  expect(await readdir(place.dir)).toEqual([...left_before, "bench.json"]);
}, 180_000);

const OF_ALL = ["rate", "p50_ms", "p99_ms", "p999_ms", "api_us"];
const OF_OURS = ["noop_rate", "noop_ratio", "redis_us", "worker_us", "bytes_per_hold"];

test.each([
  ["--only", "nothing", 'there is no scenario "nothing"'],
  ["--seconds", "0", "--seconds takes a whole number from 1 to 600, not 0"],
  ["--runs", "many", "--runs takes a whole number from 1 to 99, not many"],
  ["--cores", "0", "--cores takes a number from 0.05 to 64, not 0"],
  ["--load", "ab", "--load takes wrk or autocannon, not ab"],
  ["--fast", "", "Unknown option '--fast'"],
])("%s %s is refused in one sentence", async (name, value, sentence) => {
  const command = `"$0" scripts/bench.ts ${name} ${value}; echo "exit code $?"`;
  const { stdout, stderr } = await run("/bin/sh", ["-c", command, process.execPath], {
    cwd: REPO_DIR,
  });
  expect(stderr).toContain(sentence);
  expect(stderr.split("\n")).toHaveLength(1);
  expect(stdout).toBe("exit code 2\n");
});

function bench(...args: string[]) {
  return run(process.execPath, [join(REPO_DIR, "scripts/bench.ts"), ...args], {
    env: { ...inherited(), TMPDIR: place.dir },
    msMax: 170_000,
  });
}
