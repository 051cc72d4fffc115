import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { type Child, startChild } from "../../scripts/child.ts";
import { startOf } from "../../scripts/pids.ts";
import { treeOf } from "../../scripts/process-tree.ts";
import { run } from "../../scripts/run.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { until } from "../../scripts/until.ts";
import { inherited } from "../setup/processes.ts";
import { freshDir } from "../setup/stack.ts";

/** A drill takes its time, and on a busy machine several times that. */
const TEST_MS_MAX = 300_000;
const STEP_MS_MAX = 120_000;

let place: Awaited<ReturnType<typeof freshDir>>;

beforeEach(async () => {
  place = await freshDir();
});

afterEach(() => place.close());

test(
  "a short drill kills each part once, keeps every promise, and leaves nothing behind",
  async () => {
    const kinds = "api,worker,redis,postgres";
    const drill = await startDrill("--seed", "1", "--seconds", "8", "--faults", kinds);
    const end = await drill.exited;
    const said = await readFile(join(place.dir, "drill.log"), "utf8");
    expect(`${end}\n${said}`).toMatch(/^exit code 0\n/);
    for (const part of ["API", "worker", "Redis", "Postgres"]) {
      const death = `${part} killed \\(kill -9\\)`;
      expect(said).toMatch(
        new RegExp(`^ +\\d+ s  ${death} at \\d+\\.\\d s: back after .* s, sales`, "m"),
      );
      expect(said).toMatch(new RegExp(`^${death} +1 +\\d+\\.\\d\\d `, "m"));
    }
    expect(said).toMatch(/^25 units of 2 products were on sale .*, 1 of them by rules/m);
    expect(said).toMatch(/^G2 .* 0 of [1-9]\d* acknowledged +kept$/m);
    expect(said).toMatch(/^G13 .* 0 of 25 units +kept$/m);
    expect(said).toMatch(/^Every promise was kept\.\n$/m);
    expect(await readdir(place.dir)).toEqual(["drill.log"]);
  },
  TEST_MS_MAX,
);

test(
  "Ctrl-C stops everything, also what is frozen at that moment, and nothing is left",
  async () => {
    const drill = await startDrill("--seconds", "10", "--faults", "freeze-postgres");
    const pid = await pidIn("postgres/cluster/postmaster.pid");
    await until(
      "Postgres is frozen",
      async () => (await stateOf(pid)).startsWith("T") || undefined,
      STEP_MS_MAX,
    );
    const pids = await treeOf(pid);
    expect(pids.length).toBeGreaterThan(3);
    drill.kill("SIGINT");
    expect(await drill.exited).toBe("exit code 1");
    expect(await drill.lastLines()).toMatch(/holdfast: stopped$/);
    expect(await Promise.all(pids.map(startOf))).toEqual(pids.map(() => undefined));
    expect(await readdir(place.dir)).toEqual(["drill.log"]);
  },
  TEST_MS_MAX,
);

test(
  "drills follow one another until a promise is broken, and then everything is kept",
  async () => {
    const short = ["--seconds", "5", "--faults", "worker"];
    const drill = await startDrill("--forever", "--seed", "3", ...short);
    const said = () => drill.lastLines();
    const kept = "seed 3: every promise was kept\n";
    await until(
      "the first is over",
      async () => (await said()).includes(kept) || undefined,
      STEP_MS_MAX,
    );
    await until(
      "the second opens",
      async () => /opens.*seed 4$/m.test(await said()) || undefined,
      STEP_MS_MAX,
    );
    await addUnits("product-01", 5);
    expect(await drill.exited).toBe("exit code 1");
    const page = await readFile(join(place.dir, "drill.log"), "utf8");
    expect(page).toMatch(/^G6 .* 1 of 2 stocks +BROKEN$/m);
    expect(page).toMatch(/^BROKEN: \d of these lines\. Seed 4 plans the same again/m);

    const [dir = "", ...others] = await drillDirs();
    expect(others).toEqual([]);
    expect(page).toContain(`data and logs: ${dir}\n`);
    const files = await readdir(dir);
    expect(files).toEqual(expect.arrayContaining(["api.log", "page.txt", "redis", "worker.log"]));
    const [first = ""] = (await readFile(join(dir, "journal.ndjson"), "utf8")).split("\n");
    expect(JSON.parse(first)).toMatchObject({ request: { action: "RESERVE" } });
    const findings = JSON.parse(await readFile(join(dir, "findings.json"), "utf8"));
    expect(findings).toContainEqual(expect.objectContaining({ promise: "G6", verdict: "BROKEN" }));
  },
  TEST_MS_MAX,
);

test("a mistake in the options is told in a sentence, before anything is started", async () => {
  const command = '"$0" scripts/drill.ts --faults earthquake; echo "exit code $?"';
  const { stdout, stderr } = await run("/bin/sh", ["-c", command, process.execPath], {
    cwd: REPO_DIR,
  });
  expect(stderr).toMatch(/^there is no fault "earthquake"; there are .*$/);
  expect(stdout).toBe("exit code 2\n");
});

function startDrill(...args: string[]): Promise<Child> {
  return startChild({
    command: process.execPath,
    args: ["scripts/drill.ts", "--shoppers", "500", ...args],
    cwd: REPO_DIR,
    env: { ...inherited(), TMPDIR: place.dir },
    logFile: join(place.dir, "drill.log"),
  });
}

async function drillDirs(): Promise<string[]> {
  const names = await readdir(place.dir);
  return names.filter((name) => name !== "drill.log").map((name) => join(place.dir, name));
}

function pidIn(file: string): Promise<number> {
  const look = async () => {
    const [dir = ""] = await drillDirs();
    const text = await readFile(join(dir, file), "utf8").catch(() => "");
    return Number.parseInt(text, 10) || undefined;
  };
  return until(`${file} is there`, look, STEP_MS_MAX);
}

/** As ps tells it: T is stopped. */
async function stateOf(pid: number): Promise<string> {
  if (process.platform !== "linux")
    return (await run("ps", ["-o", "stat=", "-p", `${pid}`])).stdout;
  const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return line.slice(line.lastIndexOf(")") + 2);
}

/** Behind the drill's back. */
async function addUnits(sku: string, units: number): Promise<void> {
  const [dir = ""] = await drillDirs();
  const [, port] = /port=(\d+)/.exec(await readFile(join(dir, "redis.log"), "utf8")) ?? [];
  const redis = new Redis(Number(port), { protocol: 2 });
  await redis.incrby(`stock:${sku}`, units);
  redis.disconnect();
}
