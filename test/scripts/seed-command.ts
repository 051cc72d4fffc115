import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { inherited } from "../setup/processes.ts";

/** Starts `npm run seed -- …`, without npm. */
export function startSeed(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(REPO_DIR, "scripts/seed.ts"), ...args], {
    cwd: REPO_DIR,
    env: { ...inherited(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (piece) => {
    said.out += piece;
  });
  child.stderr.on("data", (piece) => {
    said.err += piece;
  });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...said }));
  return {
    ended,
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    async kill(signal: NodeJS.Signals = "SIGKILL") {
      child.kill(signal);
      return ended;
    },
  };
}

export const runSeed = (args: string[], env: Record<string, string> = {}) =>
  startSeed(args, env).ended;
