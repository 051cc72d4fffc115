import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { readUpConfig } from "../../src/config.ts";
import { readEnvFile } from "../env-file.ts";
import { REPO_DIR, stackFiles } from "../stack-files.ts";
import { confirm } from "./confirm.ts";
import { contextOf } from "./context.ts";
import { EXITS } from "./failure.ts";
import { keysByApi } from "./keys.ts";
import { tell } from "./output.ts";

// What has a command of its own (npm run up, seed, …) is that command here, too: a process of its own that
// gets the rest of the line, this terminal and our exit code.

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Of what a command says with --json. */
const OUTPUT_CHARS_MAX = 10_000_000;

type Passed = { name: string; says: string; usage?: string };
const PASSED: Passed[] = [
  { name: "up", says: "start Redis, Postgres, API and worker here", usage: "[--detach]" },
  { name: "down", says: "stop them" },
  { name: "seed", says: "set stocks and products from a CSV file", usage: "<file.csv>" },
  { name: "keys", says: "API keys: create, list, rotate, revoke", usage: "<what>" },
  { name: "drill", says: "a sale on a stack of its own, with faults, and the account of it" },
  { name: "bench", says: "how fast it is, on a stack of its own" },
];

/** `up`, `down`, `seed`, `keys`, `drill`, `bench` */
export function addPassed(program: Command): void {
  for (const { name, says, usage = "" } of PASSED) {
    program
      .command(name)
      .description(says)
      .usage(`${usage} (--help: all of its options)`)
      .helpOption(false) // the command's own says more
      .argument("[rest...]")
      .allowUnknownOption()
      .action(async (rest: string[], _: object, command: Command) => {
        process.exitCode = await pass(name, rest, command);
      });
  }
}

async function pass(name: string, rest: string[], command: Command): Promise<number> {
  const context = contextOf(command);
  const { json, token } = context;
  // Whoever has named another place means its keys, not those of the database here.
  const names_api = command.optsWithGlobals().url !== undefined || !context.is_local;
  const asks_help = rest.includes("--help") || rest.includes("-h");
  if (name === "keys" && rest[0] === "revoke") await confirm(context, "That key ends now.");
  if (name === "keys" && names_api && !asks_help) {
    await keysByApi(context, rest);
    return EXITS.DONE;
  }
  if (asks_help || !json) {
    return (await run(name, asks_help ? ["--help"] : rest, token, "OURS")).code;
  }
  if (name === "up" && !rest.includes("--detach")) {
    return command.error("error: with --json, up needs --detach: it would answer only at its end");
  }
  if (name === "keys") return keysHere(rest, token);
  if (name === "bench") return benchFigures(rest, token);
  const { code, output } = await run(name, rest, token, "KEPT");
  const lines = output.split("\n").filter((line) => line !== "");
  const here = name === "up" ? { stack: readEnvFile(stackFiles(readUpConfig()).env) } : {};
  tell(true, { command: name, done: code === EXITS.DONE, exit_code: code, ...here, lines }, String);
  return code;
}

// What is refused has told why on stderr, and nothing on stdout.
async function keysHere(rest: string[], token: string | undefined): Promise<number> {
  const { code, output } = await run("keys", [...rest, "--json"], token, "KEPT");
  if (code === EXITS.DONE || output !== "") process.stdout.write(output);
  else {
    const said = { code: code === EXITS.USAGE ? "BAD_USAGE" : "FAILED", message: "see stderr" };
    tell(true, { error: said }, String);
  }
  return code;
}

// The bench writes its figures into a file.
async function benchFigures(rest: string[], token: string | undefined): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), "holdfast-figures-"));
  try {
    const file = join(dir, "bench.json");
    const { code } = await run("bench", [...rest, "--json", file], token, "STDERR");
    const figures = await readFile(file, "utf8").catch(() => "null");
    tell(true, { command: "bench", exit_code: code, figures: JSON.parse(figures) }, String);
    return code;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** @param output where its stdout goes: KEPT and returned, or to one of ours */
async function run(
  name: string,
  args: string[],
  token: string | undefined,
  output: "OURS" | "STDERR" | "KEPT",
): Promise<{ code: number; output: string }> {
  const stdout = { OURS: "inherit", STDERR: 2, KEPT: "pipe" } as const;
  const child = spawn(process.execPath, [join(REPO_DIR, "scripts", `${name}.ts`), ...args], {
    stdio: ["inherit", stdout[output], "inherit"],
    // biome-ignore lint/style/noProcessEnv: handed on as a whole; the command reads it on the other side
    env: token === undefined ? process.env : { ...process.env, HOLDFAST_TOKEN: token },
  });
  let kept = "";
  child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
    if (kept.length < OUTPUT_CHARS_MAX) kept += piece;
  });
  const stop = handSignalsOn(child);
  const [code, signal] = await once(child, "close");
  stop();
  const ended = signal === null ? code : 128 + constants.signals[signal as NodeJS.Signals];
  return { code: ended, output: kept };
}

// A terminal's Ctrl-C reaches the command by itself, and twice would mean "at once"; but we must outlive it.
function handSignalsOn(child: ChildProcess): () => void {
  const handlers = SIGNALS.map((signal) => {
    const handle = () => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    process.on(signal, handle);
    return () => process.off(signal, handle);
  });
  return () => {
    for (const off of handlers) off();
  };
}
