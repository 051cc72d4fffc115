import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { readEnvFile } from "../../scripts/env-file.ts";
import { freePort } from "../../scripts/free-port.ts";
import { type Outcome, run } from "../../scripts/run.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { until } from "../../scripts/until.ts";
import { inherited } from "../setup/processes.ts";
import { freshDir } from "../setup/stack.ts";

let place: Awaited<ReturnType<typeof freshDir>>;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  place = await freshDir();
  env = {
    ...inherited(),
    HOLDFAST_DATA: place.dir,
    PORT: `${await freePort()}`,
    WORKER_PORT: `${await freePort()}`,
    REDIS_PORT: `${await freePort()}`,
    POSTGRES_PORT: `${await freePort()}`,
  };
});

afterAll(async () => {
  await script("down");
  await place?.close();
});

test("up --detach returns when all is ready, heals what is killed, and down stops it", async () => {
  const up = await script("up", "--detach");
  expect(up).toMatchObject({ ok: true, stderr: "" });
  const before = status();
  expect(before).toEqual({
    API_URL: `http://127.0.0.1:${env.PORT}`,
    WORKER_URL: `http://127.0.0.1:${env.WORKER_PORT}`,
    REDIS_URL: `redis://127.0.0.1:${env.REDIS_PORT}`,
    DATABASE_URL: `postgres://holdfast@127.0.0.1:${env.POSTGRES_PORT}/holdfast`,
    DEFAULT_STORE: "main",
    UP_PID: expect.stringMatching(/^\d+$/),
    API_PID: expect.stringMatching(/^\d+$/),
    WORKER_PID: expect.stringMatching(/^\d+$/),
    REDIS_PID: expect.stringMatching(/^\d+$/),
    POSTGRES_PID: expect.stringMatching(/^\d+$/),
  });
  expect((await fetch(`${before.API_URL}/ready`)).status).toBe(200);

  const curl = /curl .*/.exec(up.stdout)?.[0] ?? "";
  expect((await run("/bin/sh", ["-c", curl])).stdout).toContain('"status":"ACTIVE"');
  const sql = await script("sql", "select 0 as none");
  expect(sql).toMatchObject({ ok: true, stdout: "none\n----\n0\n(1 row)\n" });

  const second = await script("up");
  expect(second.ok).toBe(false);
  expect(second.stderr).toContain(`already running: API ${before.API_URL}`);
  expect((await script("up", "--detach")).ok).toBe(true);

  process.kill(Number(before.API_PID), "SIGKILL");
  await until("the API has another pid", () => status().API_PID !== before.API_PID || undefined);
  await until("the API is back", () =>
    fetch(`${before.API_URL}/ready`).then(
      (response) => response.ok || undefined,
      () => undefined,
    ),
  );

  expect((await script("down")).stdout).toContain("stopped (api, worker, postgres, redis)");
  expect(status()).toEqual({});
  expect((await script("down")).stdout).toContain("nothing is running");
}, 180_000);

test("unknown options are answered with the usage", async () => {
  const { ok, stderr } = await script("up", "--wrong");
  expect(ok).toBe(false);
  expect(stderr).toContain("Usage: ./scripts/up [--detach]");
});

function script(name: "up" | "down" | "sql", ...args: string[]): Promise<Outcome> {
  return run(process.execPath, [join(REPO_DIR, "scripts", `${name}.ts`), ...args], { env });
}

function status(): Record<string, string> {
  return readEnvFile(join(place.dir, "env"));
}
