import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { REPO_DIR } from "../../scripts/stack-files.ts";

export const LAUNCH = join(REPO_DIR, "scripts/holdfast/launch");

/** `npx holdfast` as a person types it, or another program that starts it. */
export function startCommand(
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  program = LAUNCH,
) {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", err: "" };
  child.stdout.on("data", (piece) => {
    said.out += piece;
  });
  child.stderr.on("data", (piece) => {
    said.err += piece;
  });
  const ended = once(child, "close").then(([code]) => ({ code, ...said }));
  return { child, said, ended };
}
