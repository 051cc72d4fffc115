import { existsSync } from "node:fs";
import { run } from "./run.ts";
import { asRoot, installPackage } from "./system-packages.ts";

const MAJOR_MIN = 7;
const HINT = "apt-get install redis-server, or brew install redis, or set REDIS_URL";

/** Makes sure that there is a `redis-server` on the PATH, and says so when one has to be installed. */
export async function ensureRedisServer(say: (line: string) => void): Promise<void> {
  if ((await findRedisServer()) !== undefined) return;
  say("Installing redis-server from the system's packages ...");
  await installRedisServer();
}

/** The version of the `redis-server` on the PATH, undefined if there is none. Throws if it is too old. */
export async function findRedisServer(): Promise<string | undefined> {
  const { ok, stdout } = await run("redis-server", ["--version"]);
  const [, version, major] = /v=((\d+)\.[.\d]+)/.exec(stdout) ?? [];
  if (!ok || version === undefined) return undefined;
  if (Number(major) < MAJOR_MIN) {
    throw new Error(`redis-server ${version} is too old, ${MAJOR_MIN}.0 is needed: ${HINT}`);
  }
  return version;
}

/** Installs `redis-server` by apt-get or brew. Throws one line that says what to install by hand. */
export async function installRedisServer(): Promise<void> {
  const problem = await installPackage({ apt: "redis-server", brew: "redis" });
  if (problem !== undefined) throw new Error(`redis-server is missing: ${HINT} (${problem})`);
  await stopItsService();
  if ((await findRedisServer()) === undefined) {
    throw new Error(`redis-server is not on the PATH after installing it: ${HINT}`);
  }
}

// Debian starts a Redis on 6379 and at every boot. Nobody asked for that one.
async function stopItsService(): Promise<void> {
  if (process.platform !== "linux") return;
  if (existsSync("/run/systemd/system"))
    await asRoot("systemctl", "disable", "--now", "redis-server");
  else await asRoot("service", "redis-server", "stop");
}
