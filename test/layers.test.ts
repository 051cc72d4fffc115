import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { z } from "zod";
import { freshDir } from "./setup/stack.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const CONFIG = ".dependency-cruiser.cjs";

// Each file breaks the rules named after it and no other; a rule without a file here fails a test below.
const BREAKERS: [file: string, line: string, rules: string[]][] = [
  ["src/domain/a.ts", 'import "../redis/fine.ts";', ["domain-imports-nothing-of-ours"]],
  ["src/domain/b.ts", 'import "../fine.ts";', ["domain-imports-nothing-of-ours"]],
  [
    "src/domain/c.ts",
    'import type { Fine } from "../http/fine.ts"; export type C = Fine;',
    ["domain-imports-nothing-of-ours"],
  ],
  ["src/redis/a.ts", 'import "../postgres/fine.ts";', ["redis-knows-domain-and-src-files"]],
  ["src/redis/b.ts", 'import "../http/fine.ts";', ["redis-knows-domain-and-src-files"]],
  ["src/postgres/a.ts", 'import "../redis/fine.ts";', ["postgres-knows-domain-and-src-files"]],
  ["src/http/a.ts", 'import "../../worker/fine.ts";', ["http-is-not-the-worker"]],
  ["src/a.ts", 'import "./redis/fine.ts";', ["src-files-import-no-folder-but-domain"]],
  [
    "src/b.ts",
    'export const b = () => import("./http/fine.ts");',
    ["src-files-import-no-folder-but-domain"],
  ],
  ["worker/a.ts", 'import "../src/http/fine.ts";', ["worker-serves-no-http-api"]],
  [
    "src/main.ts",
    'import "./http/fine.ts"; import "./redis/fine.ts"; import "../worker/fine.ts";',
    ["the-api-is-not-the-worker"],
  ],
  ["test/a.ts", 'import "../src/main.ts";', ["nobody-imports-a-main"]],
  ["worker/b.ts", 'import "./main.ts";', ["nobody-imports-a-main"]],
  [
    "src/c.ts",
    'import "../scripts/fine.ts";',
    ["nobody-imports-scripts-or-test", "src-files-import-no-folder-but-domain"],
  ],
  [
    "worker/c.ts",
    'import "../test/fine.ts";',
    ["nobody-imports-scripts-or-test", "worker-serves-no-http-api"],
  ],
  ["worker/d.ts", 'import "ioredis";', ["ioredis-only-behind-its-door"]],
  ["worker/e.ts", 'import "pg";', ["pg-only-behind-its-door"]],
  [
    "worker/f.ts",
    'import type { Pool } from "pg"; export type F = Pool;',
    ["pg-only-behind-its-door"],
  ],
  ["src/redis/c.ts", 'import "express";', ["express-only-behind-its-door"]],
  ["src/http/b.ts", 'import "jose";', ["jose-only-behind-its-door"]],
  ["src/client/a.ts", 'import "../domain/fine.ts";', ["client-imports-nothing-but-itself"]],
  ["src/client/b.ts", 'import "node:fs";', ["client-imports-nothing-but-itself"]],
  ["src/client/c.ts", 'import "zod";', ["client-imports-nothing-but-itself"]],
  ["src/http/c.ts", 'import "../client/fine.ts";', ["the-processes-are-no-clients"]],
  ["src/redis/d.ts", 'import "@opentelemetry/sdk-trace-node";', ["trace-sdk-only-behind-its-door"]],
  ["worker/g.ts", 'import "../src/tracing-sdk.ts";', ["trace-sdk-is-loaded-late"]],
  ["src/domain/d.ts", 'import "./e.ts";', ["no-cycles"]],
  ["src/domain/f.ts", 'import "./nowhere.ts";', ["no-missing-files"]],
];
const ALLOWED: [file: string, line: string][] = [
  ["src/fine.ts", 'import "./domain/fine.ts"; void import("./tracing-sdk.ts");'],
  ["src/tracing-sdk.ts", 'import "@opentelemetry/sdk-trace-node";'],
  ["src/domain/fine.ts", "export type Fine = string;"],
  ["src/domain/e.ts", 'import "./d.ts";'], // the other half of the cycle, which is reported once
  ["src/redis/fine.ts", 'import "ioredis"; import "../domain/fine.ts"; import "../fine.ts";'],
  ["src/postgres/fine.ts", 'import "pg"; import "../domain/fine.ts"; import "../fine.ts";'],
  [
    "src/http/fine.ts",
    'import "express"; import "../redis/fine.ts"; import "../postgres/fine.ts";',
  ],
  ["src/client/fine.ts", "export type Fine = string;"],
  ["worker/fine.ts", 'import "../src/redis/fine.ts"; import "../src/postgres/fine.ts";'],
  ["worker/main.ts", 'import "./fine.ts"; import "../src/fine.ts";'],
  ["scripts/fine.ts", 'import "pg"; import "../src/redis/fine.ts";'],
  ["test/fine.ts", 'import "../scripts/fine.ts"; import "../worker/fine.ts";'],
];

let place: Awaited<ReturnType<typeof freshDir>>;
let violations: { from: string; rule: { name: string } }[];

beforeAll(async () => {
  place = await freshDir();
  for (const [file, line] of [...BREAKERS, ...ALLOWED]) {
    const path = join(place.dir, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${line}\nexport {};\n`);
  }
  copyFileSync(join(ROOT, CONFIG), join(place.dir, CONFIG));
  copyFileSync(join(ROOT, "package.json"), join(place.dir, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(place.dir, "node_modules"));
  violations = await cruise(place.dir);
});

afterAll(() => place?.close());

test.each(BREAKERS)("%s is caught when it has %s", (file, _, rules) => {
  const caught = violations.filter(({ from }) => from === file).map(({ rule }) => rule.name);
  expect(caught.sort()).toEqual([...rules].sort());
});

test("what docs/architecture.md allows is allowed", () => {
  const breakers = BREAKERS.map(([file]) => file);
  expect(violations.filter(({ from }) => !breakers.includes(from))).toEqual([]);
});

test("each rule catches something here", () => {
  const { forbidden } = z
    .object({ forbidden: z.array(z.object({ name: z.string() })) })
    .parse(createRequire(import.meta.url)(join(ROOT, CONFIG)));
  const caught = new Set(violations.map(({ rule }) => rule.name));
  expect(forbidden.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
});

/** What `npm run check:layers` finds in `dir`. */
async function cruise(dir: string): Promise<typeof violations> {
  const { scripts } = z
    .object({ scripts: z.object({ "check:layers": z.string() }) })
    .parse(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")));
  const [program, ...args] = scripts["check:layers"].split(" ");
  expect(program).toBe("depcruise");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(ROOT, "node_modules/.bin/depcruise"), ...args, "--output-type", "json"],
    { cwd: dir, maxBuffer: 64 * 1024 * 1024 },
  );
  const result = z.object({
    summary: z.object({
      violations: z.array(z.object({ from: z.string(), rule: z.object({ name: z.string() }) })),
    }),
  });
  return result.parse(JSON.parse(stdout)).summary.violations;
}
