import { spawn } from "node:child_process";
import { once } from "node:events";
import { inherited } from "../setup/processes.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

export const PROCESSES = ["src/main.ts", "worker/main.ts"] as const;

/** Starts a process that is expected to end by itself. Resolves with its exit code and all it wrote. */
export async function runToEnd(file: string, env: Record<string, string>) {
  let output = "";
  const child = spawn(process.execPath, [file], {
    cwd: ROOT,
    env: { ...inherited(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const impatience = setTimeout(() => child.kill("SIGKILL"), 50_000); // some wait for 10 s by themselves
  const [code] = await once(child, "close");
  clearTimeout(impatience);
  return { code, output };
}
