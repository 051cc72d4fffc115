import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { startChild } from "../child.ts";
import { run } from "../run.ts";
import { type Generator, type Load, newKeyPrefix } from "./load.ts";

const SCRIPTS_DIR = join(import.meta.dirname, "wrk");
/** Longer than the API's own limit: it is the API that gives up, with an answer. */
const ANSWER_SECONDS_MAX = 10;
const STOP_MS_MAX = 2_000;

// What wrk/report.lua prints.
const report = z.object({
  requests: z.number(),
  micros: z.number(),
  p50: z.number(),
  p99: z.number(),
  p999: z.number(),
  refused: z.number(),
  failed: z.number(),
});

/** The version of the `wrk` on the PATH, undefined if there is none. */
export async function findWrk(): Promise<string | undefined> {
  // It has no option that only prints its version, and ends with 1.
  const { stdout, stderr } = await run("wrk", ["--version"]);
  return /wrk (\S+) .*Copyright/.exec(`${stdout}${stderr}`)?.[1];
}

/** @param dir for what it prints */
export function createWrk({ version, dir }: { version: string; dir: string }): Generator {
  let count = 0;
  return {
    name: `wrk ${version}, one thread`,
    // stats_correct in its src/stats.c: a late answer brings along those that could not be asked for.
    note: "which counts a stall for as long as it lasted",
    async start(load, parts) {
      count += 1;
      const logFile = join(dir, `wrk-${count}.log`);
      const child = await parts.start("wrk", async () => {
        const { pid, kill, exited, stop } = await startChild({
          command: "wrk",
          args: argsOf(load),
          cwd: SCRIPTS_DIR,
          logFile,
          detached: true,
        });
        return { pid, kill, ended: exited, stop: () => stop("SIGKILL", STOP_MS_MAX) };
      });
      return {
        result: child.ended.then((cause) => readReport(cause, logFile)),
        stopEarly: () => child.kill("SIGINT"),
      };
    },
  };
}

function argsOf({ kind, origin, path, clients, seconds, skus, per_second }: Load): string[] {
  const prefix = newKeyPrefix();
  const [script, ...own] =
    kind === "RESERVE"
      ? ["reserve.lua", path, prefix, `${skus}`, `${per_second}`]
      : ["checkout.lua", prefix, `${skus}`];
  return [
    ...["-t1", `-c${clients}`, `-d${seconds}s`, "--timeout", `${ANSWER_SECONDS_MAX}s`],
    ...["-s", script ?? "", origin, "--", ...own],
  ];
}

async function readReport(cause: string, logFile: string) {
  const output = await readFile(logFile, "utf8");
  const line = output.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`wrk gave no result (${cause}):\n${output}`);
  const { requests, micros, p50, p99, p999, refused, failed } = report.parse(JSON.parse(line));
  return {
    requests,
    seconds: micros / 1e6,
    p50_ms: p50 / 1000,
    p99_ms: p99 / 1000,
    p999_ms: p999 / 1000,
    refused,
    failed,
  };
}
