import { type Outcome, run } from "./run.ts";

const INSTALL_MS_MAX = 10 * 60_000;

/**
 * Installs a program from the system's packages, by apt-get or brew. Returns why it could not; undefined
 * when it is done.
 */
export async function installPackage(names: {
  apt: string;
  brew: string;
}): Promise<string | undefined> {
  return (await has("apt-get")) ? installByApt(names.apt) : installByBrew(names.brew);
}

async function installByApt(name: string): Promise<string | undefined> {
  if (process.getuid?.() !== 0 && !(await run("sudo", ["-n", "true"])).ok) {
    return "apt-get needs root, and sudo asks for a password";
  }
  const install = () => aptGet("install", "-y", "-qq", "--no-install-recommends", name);
  let installed = await install();
  if (!installed.ok) {
    // The lists of a fresh machine are empty or name versions that the mirrors no longer hold.
    await aptGet("update", "-qq");
    installed = await install();
  }
  return installed.ok ? undefined : lastLine(installed);
}

async function installByBrew(name: string): Promise<string | undefined> {
  if (!(await has("brew"))) return "neither apt-get nor brew is here to do it";
  const installed = await run("brew", ["install", "--quiet", name], { msMax: INSTALL_MS_MAX });
  return installed.ok ? undefined : lastLine(installed);
}

function aptGet(...args: string[]): Promise<Outcome> {
  return asRoot("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args);
}

/** As root, by sudo where we are somebody else. */
export function asRoot(...command: string[]): Promise<Outcome> {
  const [first = "", ...rest] = process.getuid?.() === 0 ? command : ["sudo", "-n", ...command];
  return run(first, rest, { msMax: INSTALL_MS_MAX });
}

async function has(command: string): Promise<boolean> {
  return (await run(command, ["--version"])).ok;
}

function lastLine(outcome: Outcome): string {
  return outcome.stderr.split("\n").at(-1) ?? "";
}
