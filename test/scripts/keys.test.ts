import { execFile } from "node:child_process";
import { userInfo } from "node:os";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { BadOption } from "../../scripts/arguments.ts";
import { readOptions } from "../../scripts/keys/options.ts";
import { inherited } from "../setup/processes.ts";
import { freshDatabase } from "../setup/stack.ts";
import { query } from "../worker/query.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const run = promisify(execFile);

let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const keys = (...args: string[]) =>
  run(process.execPath, ["scripts/keys.ts", ...args], {
    cwd: ROOT,
    env: { ...inherited(), DATABASE_URL: database.url },
  });

test("a key is shown once, alone on stdout; then it is listed without its secret, and revoked", async () => {
  const made = await keys("create", "--name", "shop-7", "--role", "checkout");
  expect(made.stdout).toMatch(/^hf_[0-9a-f]{16}_[A-Za-z0-9_-]{43}\n$/);
  expect(made.stderr).toContain("shop-7 (checkout) ends: never.");
  const { stdout } = await keys("list");
  expect(stdout).toMatch(/shop-7 +\| [0-9a-f]{16} \| checkout/);
  expect(stdout).not.toContain(made.stdout.trim().split("_").slice(2).join("_"));
  expect(JSON.parse((await keys("revoke", "shop-7", "--json")).stdout)).toEqual({ revoked: 1 });
  const who = `cli:${userInfo().username}`;
  expect(
    await query(database.url, "select who, what, subject from audit_log order by deed_id"),
  ).toEqual([
    { who, what: "KEY_CREATED", subject: "shop-7" },
    { who, what: "KEY_REVOKED", subject: "shop-7" },
  ]);
  const failed = await keys("rotate", "shop-7").catch((error: unknown) => error);
  expect(failed).toMatchObject({
    code: 1,
    stderr: "holdfast: There is no live key named shop-7.\n",
  });
});

test("what is asked for is read", () => {
  const read = (line: string) => readOptions(line.split(" "));
  expect(read("create --name a --role viewer --role checkout --expires-in 30d --json")).toEqual({
    as_json: true,
    command: {
      verb: "create",
      name: "a",
      roles: ["checkout", "viewer"],
      customer: null,
      expires_in_ms: 30 * 86_400_000,
    },
  });
  expect(read("create --name a --role checkout --customer ada")?.command).toMatchObject({
    customer: "ada",
  });
  expect(read("rotate a")?.command).toEqual({ verb: "rotate", name: "a", overlap_ms: 3_600_000 });
  expect(read("rotate a --overlap 0s")?.command).toMatchObject({ overlap_ms: 0 });
  expect(read("list")).toEqual({ as_json: false, command: { verb: "list" } });
  expect(read("--help")).toBeUndefined();
});

test.each([
  "",
  "make",
  "create --name a",
  "create --role viewer",
  "create --name a/b --role viewer",
  "create --name a --role admin",
  "create --name a --role viewer --customer ada",
  "create --name a --role viewer --expires-in 0s",
  "create --name a --role viewer --expires-in 30",
  "create --name a --role viewer b",
  "rotate",
  "rotate a b",
  "rotate a --overlap 1w",
  "revoke a --overlap 1h",
  "list a",
  "list --frobnicate",
])("'%s' is refused", (line) => {
  expect(() => readOptions(line.split(" ").filter(Boolean))).toThrow(BadOption);
});
