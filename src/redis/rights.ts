import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import type { Keys } from "./keys.ts";
import { isReply } from "./outcome.ts";
import { UnfitRedis } from "./server-check.ts";

export type Process = "api" | "worker";

/** What the scripts of `lua/` run: Redis asks the rights of whoever calls a script. */
export const OF_SCRIPTS = [
  ...["EXISTS", "GET", "HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY", "HLEN", "HMGET", "HSET"],
  ...[
    "HSETNX",
    "INCRBY",
    "PEXPIREAT",
    "PUBLISH",
    "SET",
    "TIME",
    "XADD",
    "XLEN",
    "ZADD",
    "ZCARD",
    "ZRANGE",
  ],
  ...["ZREM", "ZSCORE"],
];
/** What those of `lua/admission/` run beside that. */
export const OF_ADMISSIONS = ["DEL", "HKEYS", "UNLINK", "XGROUP CREATE", "XINFO STREAM", "XSETID"];

const OF_BOTH = [
  ...[
    "EVALSHA",
    "INFO",
    "MGET",
    "PING",
    "SCRIPT EXISTS",
    "SCRIPT LOAD",
    "SUBSCRIBE",
    "XINFO GROUPS",
    "XRANGE",
  ],
  ...OF_SCRIPTS,
];
/** All commands that a process can't do without. An ACL file grants just these; a test compares. */
export const COMMANDS: Record<Process, string[]> = {
  api: [...OF_BOTH, "ZRANK"],
  worker: [
    ...[...OF_BOTH, ...OF_ADMISSIONS],
    ...["EVAL", "EXEC", "HSCAN", "MULTI", "XACK", "XAUTOCLAIM", "XPENDING", "XREADGROUP"],
    ...["XREVRANGE", "XTRIM"],
  ],
};
/** What a process would rather have, and does without: a new file for each admission. */
export const WISHES: Record<Process, string[]> = { api: [], worker: ["BGREWRITEAOF"] };

/** What follows the command, where that is not one key and what else belongs to it. */
const ARGUMENTS: Record<string, (keys: Keys) => string[]> = {
  EVAL: ({ seq }) => ["return", "1", seq],
  EVALSHA: ({ seq }) => ["0".repeat(40), "1", seq],
  INFO: () => [],
  MULTI: () => [],
  EXEC: () => [],
  PING: () => [],
  DEL: ({ seq }) => [seq],
  EXISTS: ({ seq }) => [seq],
  MGET: ({ seq }) => [seq],
  UNLINK: ({ seq }) => [seq],
  TIME: () => [],
  "SCRIPT EXISTS": () => ["0".repeat(40)],
  "SCRIPT LOAD": () => ["return"],
  PUBLISH: ({ seq }) => [seq, "1"],
  SUBSCRIBE: ({ recorded, seq }) => [recorded, seq],
  XREADGROUP: ({ stream }) => ["GROUP", "g", "c", "STREAMS", stream, ">"],
};

// Run by SCRIPT LOAD and EVALSHA, as all others: so it needs no right that selling doesn't need.
const SOURCE = `#!lua flags=no-writes
local missing = {}
for _, text in ipairs(ARGV) do
  local words = cjson.decode(text)
  if not redis.acl_check_cmd(unpack(words)) then missing[#missing + 1] = text end
end
return missing
`;
const SHA = createHash("sha1").update(SOURCE).digest("hex");

/**
 * Asks Redis whether our user may run all that this process will, on all keys it will: so that a grant which
 * is missing is found at the start, and not in the middle of a sale.
 * @throws UnfitRedis that names what is missing
 */
export async function checkRights(redis: Redis, keys: Keys, process: Process): Promise<void> {
  const missing = await findMissing(redis, [
    ...COMMANDS[process].map((command) => lineOf(command, keys)),
    ["PUBLISH", keys.recorded, "1"],
    ...samples(keys).flatMap((key) => [
      ["GET", key],
      ["SET", key, "1"],
    ]),
  ]);
  if (missing.length === 0) return;
  throw new UnfitRedis(
    `This Redis's user may not run all that the ${process} needs. Missing: ${missing.join(", ")}. ` +
      "docs/operations/redis/users.acl has the grants; or see ACL LOG.",
  );
}

async function findMissing(redis: Redis, lines: string[][]): Promise<string[]> {
  try {
    await redis.script("LOAD", SOURCE);
    const args = lines.map((line) => JSON.stringify(line));
    const missing = (await redis.call("EVALSHA", SHA, 0, ...args)) as string[]; // some of the arguments
    return missing.map((text) => (JSON.parse(text) as string[]).join(" ")); // one of `lines`
  } catch (error) {
    if (isReply(error, "NOPERM")) return [String(error instanceof Error ? error.message : error)];
    throw error;
  }
}

/** The command as a client would send it, on a key of ours. */
function lineOf(command: string, keys: Keys): string[] {
  const args = ARGUMENTS[command]?.(keys) ?? [keys.seq, "1", "1"];
  return [...command.split(" "), ...args];
}

/** A key of each family that has a name of its own. */
function samples(keys: Keys): string[] {
  const stock = { sku: "any", store_id: "any" };
  const { seq, deadlines, stream, customers } = keys;
  return [
    ...keys.ofStock(stock),
    ...[keys.hold("H-any"), keys.idem("reserve", "any"), keys.waiter("W-any"), keys.queue("any")],
    ...[keys.places("any"), seq, deadlines, stream, customers, keys.admission, keys.generation],
    keys.permits("any"),
  ];
}
