import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "@jest/globals";
import { claimData, releaseData } from "../../scripts/claim.ts";
import { readEnvFile, writeEnvFile } from "../../scripts/env-file.ts";
import { startOf } from "../../scripts/pids.ts";
import { run } from "../../scripts/run.ts";
import { createRegister, REPO_DIR, runningParts, stackFiles } from "../../scripts/stack-files.ts";
import { freshDir } from "../setup/stack.ts";

const places: Awaited<ReturnType<typeof freshDir>>[] = [];
let files: ReturnType<typeof stackFiles>;

beforeEach(async () => {
  const place = await freshDir();
  places.push(place);
  files = stackFiles({ HOLDFAST_DATA: place.dir });
});

afterAll(async () => {
  for (const place of places) await place.close();
});

test.each(["nothing", "what a killed stack left", "an empty file"])(
  "one of many claims at once succeeds on %s, and the others say who has the data",
  async (left) => {
    if (left === "what a killed stack left") await leaveBehind();
    if (left === "an empty file") await writeFile(files.pids, "");
    const claims = await Promise.allSettled(Array.from({ length: 20 }, () => claimData(files)));
    const refusals = claims.filter((claim) => claim.status === "rejected");
    expect(refusals).toHaveLength(19);
    for (const { reason } of refusals) {
      expect(String(reason)).toContain(`already starting (up ${process.pid})`);
    }
    expect(readEnvFile(files.pids).UP_PID).toBe(`${process.pid}`);
    expect(existsSync(files.env)).toBe(false);
  },
);

test("one of many processes gets the data that a killed stack left", async () => {
  await leaveBehind();
  // Whoever succeeds lives on until it is killed, so that all others meet it.
  const program = `
    import { claimData } from ${JSON.stringify(join(REPO_DIR, "scripts", "claim.ts"))};
    const files = JSON.parse(process.argv[1]);
    try {
      await claimData(files);
      console.log("has it");
      setInterval(() => {}, 1e6);
    } catch (error) {
      console.log(error.message);
      process.exit(1);
    }`;
  const args = ["--input-type=module", "-e", program, JSON.stringify(files)];
  const claims = Array.from({ length: 5 }, () => run(process.execPath, args));
  const refusals: string[] = [];
  const refused = claims.map(async (claim) => refusals.push((await claim).stdout.trim()));
  await untilAll(refused, claims.length - 1);
  const winner = Number(readEnvFile(files.pids).UP_PID);
  process.kill(winner, "SIGKILL");
  await Promise.all(refused);
  expect(refusals.slice(0, -1)).toEqual(
    Array(claims.length - 1).fill(expect.stringContaining(`already starting (up ${winner})`)),
  );
  expect(refusals.at(-1)).toBe("has it");
});

test("whoever finishes later does not remove what another one claimed since", async () => {
  const earlier = { UP_PID: `${process.pid}`, UP_STARTED: "long ago" };
  writeEnvFile(files.pids, earlier);
  const claim = await claimData(files);
  writeEnvFile(files.env, { API_URL: "http://127.0.0.1:1" });
  const before = await readFile(files.pids, "utf8");

  releaseData(files, earlier);
  expect(await readFile(files.pids, "utf8")).toBe(before);
  expect(existsSync(files.env)).toBe(true);
  expect(await runningParts(files, earlier)).toEqual([]);

  releaseData(files, claim);
  expect([files.pids, files.env, `${files.pids}.lock`].filter(existsSync)).toEqual([]);
});

test("a process that got the pid of a part is none of ours", async () => {
  const claim = await claimData(files);
  const register = createRegister(files, {}, claim);
  await register.note("api", process.pid);
  expect((await runningParts(files)).map(({ name }) => name)).toEqual(["up", "api"]);

  writeEnvFile(files.pids, { ...readEnvFile(files.pids), API_STARTED: "long ago" });
  expect((await runningParts(files)).map(({ name }) => name)).toEqual(["up"]);
});

test("parts of a stack that was cut short keep the data taken", async () => {
  await leaveBehind();
  const started = (await startOf(process.pid)) ?? "";
  const pids = { ...readEnvFile(files.pids), API_PID: process.pid, API_STARTED: started };
  writeEnvFile(files.pids, pids);
  await expect(claimData(files)).rejects.toThrow(
    `cut short and left processes (api ${process.pid})`,
  );
});

/** As after a kill -9: the pid of `up` belongs to another process by now. */
async function leaveBehind(): Promise<void> {
  writeEnvFile(files.pids, { UP_PID: process.pid, UP_STARTED: "long ago", API_PID: process.pid });
  writeEnvFile(files.env, { API_URL: "http://127.0.0.1:1" });
}

/** Resolves when `count` of the promises have. */
function untilAll(promises: Promise<unknown>[], count: number): Promise<void> {
  return new Promise((resolve) => {
    let done = 0;
    for (const promise of promises) {
      void promise.then(() => {
        done += 1;
        if (done === count) resolve();
      });
    }
  });
}
