import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { readScripts } from "../../src/redis/scripts.ts";
import { LUA_DIR, namesTaken, parseScript, readHeader, replyWords } from "./lua-source.ts";
import { openScripts, type ScriptSide } from "./script-side.ts";

const scripts = readScripts();
const names = [...scripts.keys()];
const allFiles = readdirSync(LUA_DIR, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".lua"),
);
const sourceOf = (file: string) => readFileSync(new URL(file, LUA_DIR), "utf8");

const ALLOWED_GLOBALS = [
  ..."redis KEYS ARGV cjson string table math".split(" "),
  ..."ipairs pairs type tonumber tostring unpack".split(" "),
];
const FLAGS = new Map([
  ["add_counts", "#!lua"],
  ["cancel_holds", "#!lua flags=allow-oom"],
  ["change_holds", "#!lua"],
  ["change_rules", "#!lua"],
  ["change_stocks", "#!lua"],
  ["confirm_holds", "#!lua flags=allow-oom"],
  ["create_holds", "#!lua"],
  ["create_purchases", "#!lua"],
  ["expire_holds", "#!lua flags=allow-oom"],
  ["extend_holds", "#!lua"],
  ["join_waiting", "#!lua"],
  ["leave_waiting", "#!lua flags=allow-oom"],
  ["offer_stock", "#!lua"],
  ["read_holds", "#!lua flags=no-writes"],
  ["read_stocks", "#!lua flags=no-writes"],
  ["reduce_holds", "#!lua flags=allow-oom"],
  ["settle_payments", "#!lua flags=allow-oom"],
  ["return_units", "#!lua"],
  ["transfer_stock", "#!lua"],
]);
/** Where the source's name for a key or argument is not the header's: one of these is. */
const OTHER_NAMES = new Map([
  ["count", ["lines", "stores", "bases"]],
  ["key", ["hold"]],
]);

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts();
});
afterAll(() => side.close());

test("the scripts are those that ScriptName names", () => {
  const source = readFileSync(new URL("../src/redis/scripts.ts", LUA_DIR), "utf8");
  const union = /export type ScriptName =([^;]*);/.exec(source)?.[1] ?? "";
  const named = [...union.matchAll(/"([a-z_]+)"/g)].map((match) => match[1]);
  expect(named.length).toBeGreaterThan(4);
  expect(names.sort()).toEqual(named.sort());
});

test("every file of lua/lib is included by a script, once by each", () => {
  const includes = names.map((name) => readHeader(name).includes);
  for (const list of includes) expect(list).toEqual([...new Set(list)]);
  const files = allFiles.filter((file) => file.startsWith("lib/"));
  expect([...new Set(includes.flat())].sort()).toEqual(files.sort());
});

describe.each(names)("%s", (name) => {
  const chunk = parseScript(name);
  const header = readHeader(name);
  const taken = (take: "next_key" | "next_arg") =>
    namesTaken(chunk, take).map((text) => {
      const plain = text.replace(/_key$/, "");
      const named = take === "next_key" ? header.keys : header.args;
      return OTHER_NAMES.get(plain)?.find((other) => named.includes(other)) ?? plain;
    });

  test("starts with the flags it needs and no others", () => {
    expect(sourceOf(`${name}.lua`).split("\n")[0]).toBe(FLAGS.get(name));
  });

  test("has all its includes put in", () => {
    const source = scripts.get(name)?.source ?? "";
    const include = /^ *-- include .*$/m;
    expect(source).not.toMatch(include);
    for (const text of header.includes.flatMap((file) => sourceOf(file).split(include))) {
      expect(source).toContain(text);
    }
  });

  test("takes the keys its header names, in that order", () => {
    expect(header.keys.length).toBeGreaterThan(0);
    // The sweeper has no idempotency keys; the code that takes one is there for confirm and cancel.
    const never = name === "expire_holds" ? "idem" : undefined;
    expect(taken("next_key").filter((key) => key !== never)).toEqual(header.keys);
  });

  test("takes the arguments its header names, in that order", () => {
    const named = taken("next_arg").map((text, i) => text || ["requests", "deadline"][i]);
    expect(named).toEqual(header.args);
  });

  test("answers the words its header names, and no others", () => {
    expect(header.replies.length).toBeGreaterThan(2);
    expect(replyWords(chunk).sort()).toEqual(header.replies.sort());
  });

  test("leaves words only to a header that explains them", () => {
    for (const { word, elsewhere } of header.explained_elsewhere) {
      const other = names.find((script) => script === elsewhere);
      expect(other && readHeader(other).replies).toContain(word);
    }
  });

  test("uses no global but those of Redis and of pure Lua", () => {
    const used = chunk.globals.map((global) => global.name);
    expect(used).toContain("redis");
    expect(used.filter((global) => !ALLOWED_GLOBALS.includes(global))).toEqual([]);
  });

  test("has the SHA that Redis computes", async () => {
    const { source, sha } = scripts.get(name) ?? { source: "", sha: "" };
    expect(await side.redis.script("LOAD", source)).toBe(sha);
  });
});

describe.each(allFiles)("%s", (file) => {
  const code = sourceOf(file).replaceAll(/--.*$/gm, "");

  test("never answers input in an error, and asks neither chance nor another clock", () => {
    expect(code).not.toMatch(/error_reply|status_reply|math\.random|\bos\./);
  });

  test("takes as many arguments at once as it has names for", () => {
    for (const [, names = "", count] of code.matchAll(
      /local ([\w,\s]+?)\s*= next_args\((\d+)\)/g,
    )) {
      expect(names.split(",")).toHaveLength(Number(count));
    }
  });

  test("reads numbers with whole() alone", () => {
    const found = [...code.matchAll(/\btonumber\s*\(.*$/gm)].map(([text]) => text);
    expect(found).toEqual(file === "lib/batch.lua" ? ["tonumber(text)"] : []);
  });
});
