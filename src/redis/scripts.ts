import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { Redis } from "ioredis";
import type { Log } from "../log.ts";
import { isNoScript, RedisFault } from "./outcome.ts";

const LUA_DIR = new URL("../../lua/", import.meta.url);

export type ScriptName =
  | "create_holds"
  | "confirm_holds"
  | "cancel_holds"
  | "expire_holds"
  | "read_holds"
  | "change_stocks"
  | "transfer_stock"
  | "create_purchases"
  | "read_stocks";

/** These write nothing, so they make no events either. */
export const READ_SCRIPTS: ReadonlySet<ScriptName> = new Set(["read_holds", "read_stocks"]);

/** The scripts of `lua/`, called by their SHA. `load` must have run once on this Redis. */
export function createScripts(redis: Redis, log: Log) {
  const scripts = readScripts();

  async function load(): Promise<void> {
    await Promise.all([...scripts.values()].map(({ source }) => redis.script("LOAD", source)));
  }

  /**
   * Runs a script at most once. EVALSHA itself and not ioredis's defineCommand, which would send EVAL
   * behind our back. A script Redis has lost surely did not run, so it is loaded and called again.
   */
  async function call(name: ScriptName, keys: string[], args: string[]): Promise<unknown> {
    const { sha } = scriptOf(name);
    const command = [sha, keys.length, ...keys, ...args];
    try {
      return await redis.call("EVALSHA", command);
    } catch (error) {
      if (!isNoScript(error)) throw error;
      log.warn({ script: name }, "redis had lost its scripts, loading them again");
      await load().catch((cause: unknown) => {
        throw new RedisFault("NOT_EXECUTED", "The scripts could not be loaded.", cause);
      });
      return await redis.call("EVALSHA", command);
    }
  }

  /**
   * Loads what this Redis has lost, and rejects with the names of scripts it still does not have. A process
   * that is not ready gets no requests, so it can't leave the loading to the next call.
   */
  async function checkLoaded(): Promise<void> {
    if ((await findMissing()).length > 0) await load();
    const missing = await findMissing();
    if (missing.length > 0) throw new Error(`not loaded: ${missing.join(", ")}`);
  }

  async function findMissing(): Promise<ScriptName[]> {
    const all = [...scripts.entries()];
    const shas = all.map(([, { sha }]) => sha);
    const found = (await redis.script("EXISTS", ...shas)) as number[]; // a 0 or 1 for each
    return all.filter((_, i) => found[i] !== 1).map(([name]) => name);
  }

  function scriptOf(name: ScriptName) {
    const script = scripts.get(name);
    if (!script) throw new Error(`There is no lua/${name}.lua.`);
    return script;
  }

  return { load, call, checkLoaded };
}

/** Every script of `lua/` with its includes put in, and its SHA-1 as Redis computes it. */
export function readScripts(): Map<ScriptName, { source: string; sha: string }> {
  const scripts = new Map<ScriptName, { source: string; sha: string }>();
  for (const file of readdirSync(LUA_DIR)) {
    if (!file.endsWith(".lua")) continue;
    const source = withIncludes(readFileSync(new URL(file, LUA_DIR), "utf8"));
    const sha = createHash("sha1").update(source).digest("hex");
    scripts.set(file.slice(0, -".lua".length) as ScriptName, { source, sha }); // test/lua/ compares the names
  }
  return scripts;
}

function withIncludes(source: string): string {
  return source.replaceAll(/^-- include (lib\/[a-z_]+\.lua)$/gm, (_, path: string) =>
    readFileSync(new URL(path, LUA_DIR), "utf8"),
  );
}
