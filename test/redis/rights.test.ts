import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { createKeys } from "../../src/redis/keys.ts";
import {
  COMMANDS,
  checkRights,
  OF_ADMISSIONS,
  OF_SCRIPTS,
  WISHES,
} from "../../src/redis/rights.ts";
import { readLua, readScripts } from "../../src/redis/scripts.ts";
import { freshRedis } from "../setup/stack.ts";

const USERS = new URL("../../docs/operations/redis/users.acl", import.meta.url);
const keys = createKeys("main");
const PROCESSES = ["api", "worker"] as const;

const server = await freshRedis();
let admin: Redis;
let clerk: Redis;
beforeAll(() => {
  admin = new Redis(server.url);
  clerk = new Redis(server.url);
});
afterAll(async () => {
  for (const redis of [admin, clerk]) redis?.disconnect();
  await server.close();
});

/** The rules of a user, as the file has them. */
function rulesOf(user: string): string[] {
  const lines = readFileSync(USERS, "utf8").split("\n");
  const line = lines.find((text) => text.startsWith(`user ${user} `)) ?? "";
  return line.split(" ").slice(2);
}

async function checkAs(process: "api" | "worker", ...more_rules: string[]): Promise<void> {
  await admin.call(
    "ACL",
    "SETUSER",
    "clerk",
    "reset",
    "nopass",
    ...rulesOf(process),
    ...more_rules,
  );
  await clerk.call("AUTH", "clerk", "any");
  await checkRights(clerk, keys, process);
}

const grantOf = (command: string) => `+${command.toLowerCase().replace(" ", "|")}`;
const commandsIn = (source: string) =>
  [...source.matchAll(/\b(?:read|call|redis\.p?call)\("([A-Z]+)"(?:, "(CREATE|STREAM)")?/g)].map(
    ([, command, part]) => (part ? `${command} ${part}` : String(command)),
  );

test("the lists have each command of each script, and no others", () => {
  const of_scripts = [...readScripts().values()].flatMap(({ source }) => commandsIn(source));
  expect([...new Set(of_scripts)].sort()).toEqual(OF_SCRIPTS);
  const files = readdirSync(new URL("../../lua/admission/", import.meta.url));
  const of_admissions = files.flatMap((file) => commandsIn(readLua(`admission/${file}`)));
  const more = of_admissions.filter((command) => !OF_SCRIPTS.includes(command));
  expect([...new Set(more)].sort()).toEqual(OF_ADMISSIONS);
});

describe.each(PROCESSES)("the %s", (process) => {
  test("is granted what it needs by users.acl, and nothing else", () => {
    const granted = rulesOf(process).filter((rule) => rule.startsWith("+"));
    expect(granted).toEqual([...COMMANDS[process], ...WISHES[process]].map(grantOf).sort());
  });

  test("finds nothing missing with users.acl", async () => {
    await expect(checkAs(process)).resolves.toBeUndefined();
  });

  test("names each command that is missing", async () => {
    for (const command of COMMANDS[process]) {
      const error = await checkAs(process, grantOf(command).replace("+", "-")).catch(
        (thrown: Error) => thrown,
      );
      const name = command.toLowerCase().replace(" ", "|");
      const text = String(error).toLowerCase();
      expect([command, text.includes(`'${name}'`) || text.includes(command.toLowerCase())]).toEqual(
        [command, true],
      );
    }
  });

  test.each(["stock", "item", "hold", "idem", "holds", "inventory"])(
    "names a key of %s that it may not touch",
    async (family) => {
      const others = rulesOf(process).filter((rule) => new RegExp(`^~(?!${family}\\W)`).test(rule));
      await expect(checkAs(process, "resetkeys", ...others)).rejects.toThrow(
        new RegExp(`Missing: .*\\b(GET|SET) ${family}\\W`),
      );
    },
  );

  test("names the channel that it may not touch", async () => {
    await expect(checkAs(process, "resetchannels")).rejects.toThrow(
      /Missing: .*\b(SUB|PUB)\S+ .*inventory\.recorded/,
    );
  });
});

test("the operator may read everything and set stock, and nothing that ends a sale", async () => {
  await admin.call("ACL", "SETUSER", "clerk", "reset", "nopass", ...rulesOf("operator"));
  const asked = async (...command: string[]) =>
    (await admin.call("ACL", "DRYRUN", "clerk", ...command)) === "OK";
  expect(await asked("SET", "stock:tea", "1")).toBe(true);
  expect(await asked("HGETALL", "item:tea")).toBe(true);
  expect(await asked("INFO")).toBe(true);
  for (const refused of [
    ["FLUSHALL"],
    ["KEYS", "*"],
    ["SET", "inventory.generation", "1"],
    ["DEL", "hold:x"],
    ["CONFIG", "SET", "appendonly", "no"],
    ["SCRIPT", "FLUSH"],
    ["SHUTDOWN"],
    ["CLIENT", "KILL", "TYPE", "normal"],
  ]) {
    expect([refused, await asked(...refused)]).toEqual([refused, false]);
  }
});
