import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { Redis } from "ioredis";
import type { Log } from "../log.ts";
import { refusing } from "../metrics.ts";
import type { Keys } from "./keys.ts";
import { isNoScript, isReply, Recovering, RedisFault } from "./outcome.ts";
import { loadBeside, witnessOf } from "./witness.ts";

const LUA_DIR = new URL("../../lua/", import.meta.url);
/** How often the generation is looked for while it is not known. */
const LOOK_MS = 100;

export type ScriptName =
  | "create_holds"
  | "confirm_holds"
  | "cancel_holds"
  | "expire_holds"
  | "read_holds"
  | "change_stocks"
  | "change_rules"
  | "settle_payments"
  | "join_waiting"
  | "leave_waiting"
  | "offer_stock"
  | "add_counts"
  | "transfer_stock"
  | "create_purchases"
  | "return_units"
  | "read_stocks"
  | "extend_holds"
  | "change_holds"
  | "reduce_holds";

/** These write nothing, so they make no events either. */
export const READ_SCRIPTS: ReadonlySet<ScriptName> = new Set(["read_holds", "read_stocks"]);

/** These end holds and waits, or settle what was paid for: it was to be expected since these began. */
export const ENDING_SCRIPTS: ReadonlySet<ScriptName> = new Set([
  "confirm_holds",
  "settle_payments",
  "cancel_holds",
  "expire_holds",
  "reduce_holds",
  "leave_waiting",
]);

export type Scripts = ReturnType<typeof createScripts>;

type Generation = { number: number; scripts: ReturnType<typeof readScripts> };

/**
 * The scripts of `lua/`, called by their SHA, and the fence before them. Redis's cache of scripts is empty
 * after a restart and on a promoted replica, and each admission gives them another SHA: so whoever only calls
 * them, and never loads them, is refused by every Redis that may have lost data since the last admission.
 * Only when another version of Holdfast has admitted it are they loaded, and then beside the admission's
 * witness: so two versions can serve side by side while one takes the other's place.
 */
export function createScripts(redis: Redis, keys: Keys, log: Log) {
  /** The generation that Redis was admitted with, as this process knows it. */
  let admitted: Generation | null = null;
  /** Why Redis could not be asked for it, the last time it was. */
  let unasked: unknown;
  let looking: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let told = false;
  let stopped = false;

  /**
   * Runs a script at most once. EVALSHA itself and not ioredis's defineCommand, which would send EVAL behind
   * our back and so open the fence.
   * @throws Recovering when Redis is not admitted: the script did nothing
   */
  async function call(name: ScriptName, names: string[], args: string[]): Promise<unknown> {
    const generation = admitted;
    if (!generation) throw whyClosed();
    const { sha } = scriptOf(generation, name);
    try {
      const reply = await redis.call("EVALSHA", [sha, names.length, ...names, ...args]);
      if (!isRecovering(reply)) return reply;
    } catch (error) {
      if (!isNoScript(error)) throw error;
    }
    close(generation);
    throw new Recovering(`Redis refuses the scripts of generation ${generation.number}.`);
  }

  const whyClosed = () =>
    unasked
      ? new RedisFault("NOT_EXECUTED", "Redis could not be asked for its generation.", unasked)
      : new Recovering("Redis has not been admitted.");

  /** Finds out which generation Redis is admitted with, and goes on looking while there is none. */
  async function learn(): Promise<void> {
    await lookAnew().catch(() => {}); // whyClosed has it
  }

  /** Whether Redis has a generation, its witness and its scripts. Rejects when it can't be asked. */
  async function isAdmitted(): Promise<boolean> {
    await lookAnew();
    return admitted !== null;
  }

  /** For /ready: rejects with words. */
  async function checkAdmitted(): Promise<void> {
    if (await isAdmitted()) return;
    throw new Error(
      "recovering: Redis waits to be admitted by a worker, since it may have lost data",
    );
  }

  /**
   * Gives Redis the scripts of a generation. Only an admission may do so: it opens the fence, once the key
   * has the same generation.
   */
  async function load(generation: number): Promise<void> {
    const texts = [...textsOf(scriptsOf(generation)), witnessOf(generation).source];
    await Promise.all(texts.map((source) => redis.script("LOAD", source)));
  }

  /** One look for all who ask at once, but never one that had begun before: it may have seen what was. */
  async function lookAnew(): Promise<void> {
    await looking?.catch(() => {});
    await look();
  }

  function look(): Promise<void> {
    looking ??= findGeneration()
      .then(
        (found) => {
          unasked = undefined;
          if (found) open(found);
          else close(admitted);
        },
        (error: unknown) => {
          unasked = error;
          if (!admitted) lookLater();
          throw error;
        },
      )
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  async function findGeneration(): Promise<Generation | null> {
    const text = await redis.get(keys.generation).catch((error: unknown) => {
      if (isReply(error, "WRONGTYPE")) return null;
      throw error;
    });
    if (!text || !/^[1-9]\d{0,14}$/.test(text)) return null;
    const number = Number(text);
    const found = { number, scripts: scriptsOf(number) };
    const shas = [...found.scripts.values()].map(({ sha }) => sha);
    const asked = [witnessOf(number).sha, ...shas];
    const known = (await redis.script("EXISTS", ...asked)) as number[]; // a 0 or 1 for each
    const [witness, ...scripts] = known.map((one) => one === 1);
    if (!witness) return null;
    if (scripts.every((one) => one)) return found;
    if (!(await loadBeside(redis, number, textsOf(found.scripts)))) return null;
    log.info(
      { generation: number },
      "redis was admitted by another version, and has our scripts, too",
    );
    return found;
  }

  function open(generation: Generation) {
    if (admitted?.number !== generation.number) {
      log.info({ generation: generation.number }, "redis is admitted");
    }
    admitted = generation;
    told = false;
    refusing.set(0);
  }

  // A refusal that comes late, when a newer generation is known already, closes nothing.
  function close(generation: Generation | null) {
    if (admitted?.number !== generation?.number) return;
    if (!told) log.warn("redis is not admitted, so nothing is decided");
    told = true;
    admitted = null;
    refusing.set(1);
    lookLater();
  }

  function lookLater() {
    if (timer || stopped) return;
    timer = setTimeout(() => {
      timer = undefined;
      void learn();
    }, LOOK_MS);
    timer.unref();
  }

  // After a restart, or on a replica, it must not take a refusal to notice that this is another Redis.
  const onConnected = () => void learn();
  redis.on("ready", onConnected);

  function stop() {
    stopped = true;
    clearTimeout(timer);
    redis.off("ready", onConnected);
  }

  const generation = () => admitted?.number ?? null;

  return { call, generation, learn, isAdmitted, checkAdmitted, load, stop };
}

/** The generation that was asked for last: its texts need not be made again. */
let latest: Generation = { number: 0, scripts: new Map() };

function scriptsOf(number: number): Generation["scripts"] {
  if (latest.number !== number) latest = { number, scripts: readScripts(number) };
  return latest.scripts;
}

const textsOf = (scripts: Generation["scripts"]) =>
  [...scripts.values()].map(({ source }) => source);

function scriptOf({ scripts }: Generation, name: ScriptName) {
  const script = scripts.get(name);
  if (!script) throw new Error(`There is no lua/${name}.lua.`);
  return script;
}

/** Whether a reply is the fence's: it refuses a batch as a whole, so the first tuple tells. */
function isRecovering(reply: unknown): boolean {
  const [, tuples] = Array.isArray(reply) ? reply : [];
  const [first] = Array.isArray(tuples) ? tuples : [];
  return Array.isArray(first) && first[0] === "RECOVERING";
}

/** Every script of `lua/` with its includes and the generation put in, and its SHA-1 as Redis computes it. */
export function readScripts(generation = 0): Map<ScriptName, { source: string; sha: string }> {
  const scripts = new Map<ScriptName, { source: string; sha: string }>();
  for (const file of readdirSync(LUA_DIR)) {
    if (!file.endsWith(".lua")) continue;
    const text = readLua(file);
    const source = text.replace(/^local GENERATION = "0"$/m, `local GENERATION = "${generation}"`);
    const sha = createHash("sha1").update(source).digest("hex");
    scripts.set(file.slice(0, -".lua".length) as ScriptName, { source, sha }); // test/lua/ compares the names
  }
  return scripts;
}

/**
 * A file of `lua/` with its includes put in, and what follows each of them in a function of its own. A call
 * of a script makes all its functions anew, dozens of them, and Lua goes through the locals of the same
 * function for each one that they use; those of an outer function it copies. An include that is indented, or
 * in an included file, is a part of the function in which it stands.
 */
export function readLua(file: string): string {
  let functions = 0;
  const text = read(file).replaceAll(INCLUDE, (_, indent: string, path: string) => {
    if (indent) return withParts(path);
    functions += 1;
    return `${withParts(path)}return (function()`;
  });
  return text + "end)()\n".repeat(functions);
}

const INCLUDE = /^( *)-- include (lib\/[a-z_]+\.lua)$/gm;
const withParts = (path: string): string =>
  read(path).replaceAll(INCLUDE, (_, _indent, part: string) => withParts(part));
const read = (path: string) => readFileSync(new URL(path, LUA_DIR), "utf8");
