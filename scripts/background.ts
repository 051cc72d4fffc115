import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describeStack } from "./banner.ts";
import { startChild } from "./child.ts";
import { readEnvFile } from "./env-file.ts";
import { ensureRedisServer } from "./install-redis.ts";
import { say } from "./say.ts";
import type { StackConfig } from "./stack-config.ts";
import { describeRunning, REPO_DIR, runningParts, stackFiles } from "./stack-files.ts";
import { until } from "./until.ts";

const READY_MS_MAX = 5 * 60_000;

/** Starts the stack in a process of its own, and returns when it is ready. Throws what it said if not. */
export async function runInBackground(config: StackConfig): Promise<void> {
  const files = stackFiles(config);
  const running = await runningParts(files);
  if (running.length > 0) {
    const is_ready = running[0]?.name === "up" && readEnvFile(files.env).API_URL !== undefined;
    if (!is_ready) throw new Error(describeRunning(running, files));
    // What was asked for is the case, so a script may go on; in the foreground it would wait in vain.
    return say(describeRunning(running, files));
  }
  if (config.REDIS_URL === undefined) await ensureRedisServer(say);
  mkdirSync(files.logs, { recursive: true });
  const child = await startChild({
    command: process.execPath,
    args: [join(REPO_DIR, "scripts", "up.ts"), "--background"],
    cwd: REPO_DIR,
    logFile: files.log("up"),
    detached: true,
  });
  process.once("SIGINT", () => {
    child.kill("SIGTERM");
    process.exit(130);
  });
  const isReady = () => readEnvFile(files.env).UP_PID === `${child.pid}`;
  const look = () => (isReady() ? "READY" : child.hasExited() ? "FAILED" : undefined);
  const end = await until("Holdfast is ready", look, READY_MS_MAX);
  if (end === "FAILED") {
    throw new Error(`it did not start (${files.log("up")}):\n${await child.lastLines()}`);
  }
  process.stdout.write(describeStack(config, files, "./scripts/down stops it."));
}
