import { readFileSync } from "node:fs";
import { type Chunk, type Node, parse } from "luaparse";
import { readScripts, type ScriptName } from "../../src/redis/scripts.ts";

export const LUA_DIR = new URL("../../lua/", import.meta.url);

/** What a script's header says of it. */
export function readHeader(script: ScriptName) {
  const source = readFileSync(new URL(`${script}.lua`, LUA_DIR), "utf8");
  const comment = /^#!.*\n((?:--.*\n)+)/.exec(source)?.[1] ?? "";
  const part = (from: string, to: string) =>
    comment.slice(comment.indexOf(`-- ${from}`) + from.length + 3, comment.indexOf(`-- ${to}`));
  const replies = part("Reply", "include")
    .split("\n")
    .flatMap((line) => /^-- {3}([A-Z].*)$/.exec(line)?.[1] ?? []);
  return {
    keys: namesIn(part("KEYS", "ARGV")),
    args: namesIn(part("ARGV", "Reply")),
    replies: replies.flatMap(wordsOf),
    /** Words the header leaves to another script's to explain. */
    explained_elsewhere: replies.flatMap((line) => {
      const elsewhere = /\bas in ([a-z_]+)$/.exec(line)?.[1];
      return elsewhere ? wordsOf(line).map((word) => ({ word, elsewhere })) : [];
    }),
    includes: includesOf(source),
  };
}

// Each include, and behind it those that it has itself.
const includesOf = (source: string): string[] =>
  [...source.matchAll(/^ *-- include (.*)$/gm)].flatMap(([, path = ""]) => [
    path,
    ...includesOf(readFileSync(new URL(path, LUA_DIR), "utf8")),
  ]);

// "stream, seq; for each request: hold, idem (only sometimes), then for each line: stock" are five names.
const namesIn = (text: string) =>
  text
    .replaceAll(/\n--\s*|\([^)]*\)/g, " ")
    .split(/[,;]/)
    .map((name) => name.replace(/^.*:/, "").trim());

const wordsOf = (line: string) =>
  (line.split("  ")[0] ?? "").split(", ").map((item) => item.split(" ")[0] ?? "");

export function parseScript(script: ScriptName): Chunk {
  const source = readScripts().get(script)?.source ?? "";
  return parse(source, { scope: true, luaVersion: "5.1", encodingMode: "pseudo-latin1" });
}

// luaparse's nodes are looked into by name, as its documentation gives them.
const nodesOf = (value: unknown): Node[] =>
  Array.isArray(value) ? value.flatMap(nodesOf) : isNode(value) ? [value] : [];
const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value;
const childrenOf = (node: Node) => Object.values(node).flatMap(nodesOf);

/** `redis.pcall` and `read` as they are written. */
function nameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "MemberExpression") return `${nameOf(node.base)}.${nameOf(node.identifier)}`;
  return String(node.name ?? "");
}

/** The commands a script calls, as `call("SET", …)`. */
export function commandsCalled(chunk: Chunk): string[] {
  const commands = new Set<string>();
  function look(node: Node) {
    const called = node.type === "CallExpression" ? nameOf(node.base) : "";
    const [first] = nodesOf(node.arguments);
    if (["call", "call_with_all"].includes(called) && first?.type === "StringLiteral") {
      commands.add(String(first.value));
    }
    childrenOf(node).forEach(look);
  }
  look(chunk);
  return [...commands];
}

/** The outcome words a script can answer: its words in capitals that are nothing else. */
export function replyWords(chunk: Chunk): string[] {
  const words = new Set<string>();
  function look(node: Node) {
    if (node.type === "StringLiteral" && /^[A-Z]+(_[A-Z]+)*$/.test(String(node.value))) {
      words.add(String(node.value));
    }
    if (node.type === "BinaryExpression" && ["==", "~="].includes(String(node.operator))) return;
    if (node.type === "TableKeyString") return; // a member with a name: no tuple
    if (node.type === "LocalStatement" && lastName(nodesOf(node.variables)[0]) === "WRITES") return;
    const called = node.type === "CallExpression" ? nameOf(node.base) : "";
    if (["call", "call_with_all", "redis.pcall", "read", "add_event"].includes(called)) return;
    childrenOf(node).forEach(look);
  }
  look(chunk);
  return [...words];
}

/**
 * The names under which a script takes its keys or arguments, in the order it takes them: follows what it
 * runs, from function to function, each loop once.
 */
export function namesTaken(chunk: Chunk, take: "next_key" | "next_arg"): string[] {
  const statements = statementsOf(chunk);
  const functions = new Map(
    statements
      .filter((node) => node.type === "FunctionDeclaration")
      .map((node) => [nameOf(node.identifier), node]),
  );
  const names: string[] = [];
  function run(node: Node, name: string) {
    if (node.type === "AssignmentStatement" || node.type === "LocalStatement") {
      const variables = nodesOf(node.variables);
      // `local sku, quantity = next_args(2)`; that it takes as many as it names, headers.test.ts looks at.
      if (isTakingAll(node, take)) names.push(...variables.map(lastName));
      for (const [i, value] of nodesOf(node.init).entries()) run(value, lastName(variables[i]));
    } else if (node.type === "TableKeyString") {
      for (const value of nodesOf(node.value)) run(value, nameOf(node.key));
    } else if (node.type === "CallExpression") {
      for (const argument of nodesOf(node.arguments)) run(argument, name);
      const called = nameOf(node.base);
      const body = functions.get(called);
      if (called === take) names.push(name);
      else if (body) for (const statement of nodesOf(body.body)) run(statement, "");
    } else if (node.type !== "FunctionDeclaration") {
      for (const child of childrenOf(node)) run(child, name);
    }
  }
  for (const statement of statements) run(statement, "");
  return names;
}

/** What a chunk does, in order; its last statement is `return (function() … end)()`, and so on. */
function statementsOf(node: Node): Node[] {
  const statements = nodesOf(node.body);
  const last = statements.at(-1);
  const [call] = last?.type === "ReturnStatement" ? nodesOf(last.arguments) : [];
  const [base] = call?.type === "CallExpression" ? nodesOf(call.base) : [];
  return base?.type === "FunctionDeclaration"
    ? [...statements.slice(0, -1), ...statementsOf(base)]
    : statements;
}

const isTakingAll = (node: Node, take: string) =>
  nodesOf(node.init).some(
    (value) => value.type === "CallExpression" && nameOf(value.base) === `${take}s`,
  );

const lastName = (node: unknown) => nameOf(node).replace(/^.*\./, "");
