import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { failedOutcome } from "../../src/redis/outcome.ts";
import { readLua, readScripts } from "../../src/redis/scripts.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { GRANTED, stockFor } from "./granted.ts";
import { commandsCalled, parseScript } from "./lua-source.ts";
import { dumpAll, openScripts, type ScriptSide } from "./script-side.ts";

const WRITES = (/^local WRITES = \{(.*?)\}$/ms.exec(readLua("lib/events.lua"))?.[1] ?? "")
  .split(",")
  .map((word) => word.trim().slice(1, -1));

let side: ScriptSide;
let admin: Redis;
beforeAll(async () => {
  side = await openScripts();
  admin = new Redis(side.server.url);
});
afterAll(async () => {
  admin.disconnect();
  await side.close();
});
beforeEach(() => emptyRedis(side.redis));
afterEach(() => side.redis.call("AUTH", "default", "any"));

/** From now on the scripts are called by somebody who may do everything but what `rules` takes. */
async function becomeClerk(...rules: string[]) {
  await admin.call(
    "ACL",
    "SETUSER",
    "clerk",
    "reset",
    "on",
    "nopass",
    "~*",
    "&*",
    "+@all",
    ...rules,
  );
  await side.redis.call("AUTH", "clerk", "any");
}

test("the scripts ask for the right to all that they write with", async () => {
  const called = [...readScripts().keys()].flatMap((script) => commandsCalled(parseScript(script)));
  const infos = (await admin.call("COMMAND", "INFO", ...new Set(called))) as [
    string,
    number,
    string[],
  ][]; // name, arity, flags
  const writing = infos
    .filter(([, , flags]) => flags.includes("write") || flags.includes("pubsub"))
    .map(([name]) => name);
  expect(writing.map((name) => name.toUpperCase()).sort()).toEqual(WRITES.toSorted());
});

describe.each(GRANTED)("%s", (script, word, request) => {
  beforeEach(() => stockFor(script, side));

  test.each(WRITES)("does nothing for a user who may not run %s", async (command) => {
    const before = await dumpAll(admin);
    await becomeClerk(`-${command.toLowerCase()}`);
    const error = await side.call(script, request()).catch((thrown: Error) => thrown);
    expect(error).toHaveProperty(
      "message",
      expect.stringMatching(`^NOPERM .*may not run ${command}`),
    );
    expect(failedOutcome(error)).toBe("NOT_EXECUTED");
    expect(await dumpAll(admin)).toEqual(before);
    await becomeClerk();
    expect((await side.call(script, request())).tuples[0]?.[0]).toBe(word);
  });

  test("is there for a user who may touch our keys, and no others", async () => {
    const ours = ["stock:*", "item:*", "hold:*", "idem:*", "holds:*", "inventory.*"];
    await becomeClerk("resetkeys", ...ours.map((pattern) => `~${pattern}`));
    expect((await side.call(script, request())).tuples[0]?.[0]).toBe(word);
  });
});
