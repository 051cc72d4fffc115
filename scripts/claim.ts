import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { isNativeError } from "node:util/types";
import { readEnvFile, writeEnvFile } from "./env-file.ts";
import { startOf } from "./pids.ts";
import {
  type Claim,
  claimIn,
  describeRunning,
  isSameClaim,
  runningParts,
  type StackFiles,
} from "./stack-files.ts";
import { until } from "./until.ts";

const CLAIM_MS_MAX = 5_000;

/**
 * Makes these data ours. Two stacks on the same data would ruin them, so only one can succeed; the others
 * throw who has them.
 */
export async function claimData(files: StackFiles): Promise<Claim> {
  mkdirSync(files.logs, { recursive: true });
  const ours: Claim = { UP_PID: `${process.pid}`, UP_STARTED: `${await startOf(process.pid)}` };
  const attempt = async () => {
    const before = claimIn(readEnvFile(files.pids));
    const running = await runningParts(files);
    if (running.length > 0) throw new Error(describeRunning(running, files));
    // Looking took a while, in which somebody else may have looked as well and been faster.
    return swapClaim(files, before, ours) ? ours : undefined;
  };
  return until(
    `${lockOf(files)} is gone (remove it if nothing is starting)`,
    attempt,
    CLAIM_MS_MAX,
  );
}

/** Forgets what ran on these data by this claim. What somebody else claimed since stays as it is. */
export function releaseData(files: StackFiles, claim: Claim): void {
  swapClaim(files, claim, undefined);
}

/** Puts `after` in the place of `before` if that is still what is there. Returns whether it was. */
function swapClaim(
  files: StackFiles,
  before: Claim | undefined,
  after: Claim | undefined,
): boolean {
  const lock = lockOf(files);
  if (!createFile(lock)) return false;
  // No `await` in here: nothing but a kill -9 within this millisecond can leave the lock behind.
  try {
    if (!isSameClaim(claimIn(readEnvFile(files.pids)), before)) return false;
    rmSync(files.env, { force: true });
    if (after === undefined) rmSync(files.pids, { force: true });
    else writeEnvFile(files.pids, after);
    return true;
  } finally {
    rmSync(lock, { force: true });
  }
}

function createFile(file: string): boolean {
  try {
    closeSync(openSync(file, "wx"));
    return true;
  } catch (error) {
    if (isNativeError(error) && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function lockOf(files: StackFiles): string {
  return `${files.pids}.lock`;
}
