import { existsSync } from "node:fs";
import { type Outcome, run } from "./run.ts";

const MAJOR_MIN = 7;
const INSTALL_MS_MAX = 10 * 60_000;
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
  const problem = (await has("apt-get")) ? await installByApt() : await installByBrew();
  if (problem !== undefined) throw new Error(`redis-server is missing: ${HINT} (${problem})`);
  if ((await findRedisServer()) === undefined) {
    throw new Error(`redis-server is not on the PATH after installing it: ${HINT}`);
  }
}

async function installByApt(): Promise<string | undefined> {
  if (process.getuid?.() !== 0 && !(await run("sudo", ["-n", "true"])).ok) {
    return "apt-get needs root, and sudo asks for a password";
  }
  const install = () => aptGet("install", "-y", "-qq", "--no-install-recommends", "redis-server");
  let installed = await install();
  if (!installed.ok) {
    // The lists of a fresh machine are empty or name versions that the mirrors no longer hold.
    await aptGet("update", "-qq");
    installed = await install();
  }
  if (!installed.ok) return lastLine(installed);
  await stopItsService();
  return undefined;
}

// Debian starts a Redis on 6379 and at every boot. Nobody asked for that one.
async function stopItsService(): Promise<void> {
  if (existsSync("/run/systemd/system"))
    await asRoot("systemctl", "disable", "--now", "redis-server");
  else await asRoot("service", "redis-server", "stop");
}

async function installByBrew(): Promise<string | undefined> {
  if (!(await has("brew"))) return "neither apt-get nor brew is here to do it";
  const installed = await run("brew", ["install", "--quiet", "redis"], {
    msMax: INSTALL_MS_MAX,
  });
  return installed.ok ? undefined : lastLine(installed);
}

function aptGet(...args: string[]): Promise<Outcome> {
  return asRoot("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args);
}

function asRoot(...command: string[]): Promise<Outcome> {
  const [first = "", ...rest] = process.getuid?.() === 0 ? command : ["sudo", "-n", ...command];
  return run(first, rest, { msMax: INSTALL_MS_MAX });
}

async function has(command: string): Promise<boolean> {
  return (await run(command, ["--version"])).ok;
}

function lastLine(outcome: Outcome): string {
  return outcome.stderr.split("\n").at(-1) ?? "";
}
