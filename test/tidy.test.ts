import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { z } from "zod";

const ROOT = new URL("../", import.meta.url).pathname;
const LINES_MAX = 300;
const LINE_CHARS_MAX = 110; // Biome wraps TypeScript at 100 where it can.

type File = { path: string; text: string };
type Rule = {
  says: string;
  for: RegExp;
  but?: RegExp;
  /** What it forbids, in a path (when `inPath`) or in a text. */
  forbids: RegExp | ((text: string) => boolean);
  inPath?: boolean;
  /** A file that breaks it, to show that the rule can fail. */
  sample: [path: string, text: string];
};

const OURS = /^(src|worker)\/.*\.ts$/;
const ANY = /./;
const RULES: Rule[] = [
  {
    says: `a source file has at most ${LINES_MAX} lines`,
    for: /^(src|worker|lua|scripts)\//,
    but: /^src\/client\/types\//, // made by a program
    forbids: (text) => text.trimEnd().split("\n").length > LINES_MAX,
    sample: ["lua/long.lua", "\nlocal x".repeat(LINES_MAX)],
  },
  {
    says: `a line has at most ${LINE_CHARS_MAX} characters around its texts`,
    for: /\.(ts|lua|sql)$/,
    forbids: (text) => text.split("\n").some((line) => charsAroundTexts(line) > LINE_CHARS_MAX),
    sample: ["sql/0009_wide.sql", `-- ${"é".repeat(LINE_CHARS_MAX - 2)}\n`],
  },
  {
    says: "TypeScript files are kebab-case",
    for: /\.ts$/,
    forbids: /(^|\/)(?![a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.ts$)[^/]+$/,
    inPath: true,
    sample: ["src/domain/holdStatus.ts", ""],
  },
  {
    says: "Lua and SQL files are snake_case",
    for: /\.(lua|sql)$/,
    forbids: /(^|\/)(?![a-z0-9]+(_[a-z0-9]+)*\.(lua|sql)$)[^/]+$/,
    inPath: true,
    sample: ["lua/create-holds.lua", ""],
  },
  {
    says: "a file has the name of its idea",
    for: ANY,
    forbids: /(^|\/)(index|utils?|helpers?|common|misc)(\/|\.)/,
    inPath: true,
    sample: ["src/utils/dates.ts", ""],
  },
  {
    says: "nothing is a default export, except what jest calls",
    for: /\.ts$/,
    but: /^test\/setup\//,
    forbids: /^export (default\b|\{[^}]*\bas default\b)/m,
    sample: ["src/log.ts", "export default createLog;\n"],
  },
  {
    says: "the processes log through log.ts",
    for: OURS,
    forbids: /\bconsole\./,
    sample: ["worker/loop.ts", "console.info(1);\n"],
  },
  {
    says: "only config.ts reads the environment",
    for: OURS,
    but: /^src\/config\.ts$/,
    forbids: /\bprocess\.env\b|\benv\b.*from "node:process"/,
    sample: ["worker/loop.ts", "const { PORT } = process.env;\n"],
  },
  {
    says: "a script hands the environment on, and takes nothing out of it",
    for: /^scripts\/.*\.ts$/,
    forbids: /\bprocess\.env\??[.[]|=\s*process\.env\b/,
    sample: ["scripts/up.ts", "const port = process.env.PORT;\n"],
  },
  {
    says: "only keys.ts spells a Redis key",
    for: OURS,
    but: /^src\/redis\/keys\.ts$/,
    forbids:
      /["'`](stock:|item:|hold:|idem:|holds:deadlines|inventory\.(seq|events|dead|cg|generation)\b)/,
    sample: ["src/redis/stream.ts", 'const key = "hold:" + hold_id;\n'],
  },
  {
    says: "nothing is left for later without an issue",
    for: ANY,
    forbids: /\b(TODO|FIXME|XXX)\b/,
    sample: ["lua/lib/batch.lua", "-- TODO: be faster\n"],
  },
  {
    says: "every test runs",
    for: /\.test\.ts$/,
    forbids: /\b(test|it|describe)\.(only|skip|todo|failing)\b|\b(f|x)(it|test|describe)\(/,
    sample: ["test/domain/ids.test.ts", 'test.only("ids are unique", check);\n'],
  },
  {
    says: "nobody looks away from a type",
    for: /\.ts$/,
    forbids: /\bas any(?! \w)|@ts-(ignore|nocheck)\b/,
    sample: ["test/http/shop.ts", "const body = (await response.json()) as any;\n"],
  },
  {
    says: "nothing is tied to one machine",
    for: ANY,
    forbids: /(^|[\s"'`=(:])\/(work|root|tmp|home\/\w+|Users\/\w+)\//m,
    sample: ["scripts/seed.ts", 'const file = "/tmp/seeded";\n'],
  },
  {
    says: "nothing is tied to one registry",
    for: ANY,
    forbids:
      /\bregistry\.[\w-]+\.\w|\bnpmjs\.(org|com)|"resolved":|\b(deb\.debian|pypi|ghcr|quay)\.(org|io)\b/,
    sample: ["package-lock.json", '"resolved": "https://registry.npmjs.org/pg/-/pg-8.0.0.tgz"\n'],
  },
  {
    says: "a file ends with one line break, and no line of it with a space",
    for: /(^scripts\/\w+|\.(ts|lua|sql|md|yml|sh|json|cjs))$/,
    forbids: /[ \t]$|[^\n]$(?![\s\S])|\n\n$(?![\s\S])/m,
    sample: ["sql/0009_spaces.sql", "select 1; \n"],
  },
];

const files = listFiles()
  .filter((path) => path !== "test/tidy.test.ts") // the samples above
  .map((path): File => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

describe.each(RULES)("$says", (rule) => {
  test("holds", () => {
    expect(files.filter((file) => breaks(rule, file)).map(({ path }) => path)).toEqual([]);
  });

  test("can fail", () => {
    const [path, text] = rule.sample;
    expect(breaks(rule, { path, text })).toBe(true);
    expect(files.some((file) => rule.for.test(file.path))).toBe(true);
  });
});

test("every metric is used by a process", () => {
  const metrics = ["src/metrics.ts", "worker/metrics.ts"].flatMap((path) => [
    ...textOf(path).matchAll(/^export const (\w+) = new /gm),
  ]);
  expect(metrics.length).toBeGreaterThan(10);
  const notUses = /^import [^;]*;|^export const \w+ = new |\/\*[\s\S]*?\*\/|\/\/.*/gm;
  const uses = files
    .filter(({ path }) => OURS.test(path))
    .map(({ text }) => text.replaceAll(notUses, ""))
    .join("\n");
  const unused = metrics.filter(([, name]) => !new RegExp(`\\b${name}\\b`).test(uses));
  expect(unused.map(([, name]) => name)).toEqual([]);
});

test("npm ci can install: the lock file has every package that it names", () => {
  const lock = z.object({
    packages: z.record(
      z.string(),
      z.object({
        dependencies: z.record(z.string(), z.string()).default({}),
        optionalDependencies: z.record(z.string(), z.string()).default({}),
      }),
    ),
  });
  const { packages } = lock.parse(JSON.parse(textOf("package-lock.json")));
  const missing = Object.entries(packages).flatMap(
    ([place, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => !placesToLook(place, name).some((candidate) => candidate in packages))
        .map((name) => `${name} for ${place}`),
  );
  expect(missing).toEqual([]);
});

test("every npm script runs a file or a program that is there", () => {
  const scripts = Object.values(npmScripts());
  const named = scripts.flatMap(
    (script) => script.match(/[\w./-]+\/[\w./-]+\.[jt]s|--config \S+/g) ?? [],
  );
  expect(named.length).toBeGreaterThan(4);
  expect(named.map((name) => name.replace("--config ", "")).filter(isMissing)).toEqual([]);
});

test("every command that a text names is there", () => {
  const npmRuns = namedIn(ANY, /npm run (?:--?\S+ )*([a-z][\w:-]*\w)/g);
  const ourScripts = namedIn(ANY, /(?<![\w.-])\.\/scripts\/([a-z][\w-]*(?:\.\w+)?)/g);
  expect(npmRuns.length).toBeGreaterThan(2);
  expect(ourScripts.length).toBeGreaterThan(2);
  expect(npmRuns.filter(({ name }) => !(name in npmScripts()))).toEqual([]);
  expect(ourScripts.filter(({ name }) => isMissing(`scripts/${name}`))).toEqual([]);
});

test("every file that a document names is there", () => {
  const named = namedIn(/\.md$/, /`((?:src|worker|scripts|lua|sql|test|docs)\/[\w./-]*)`/g);
  expect(named.filter(({ name }) => isMissing(name))).toEqual([]);
});

test("what is meant to be run by name may be run", () => {
  const programs = files.filter(({ path, text }) => text.startsWith("#!/") && /^[^.]+$/.test(path));
  expect(programs.length).toBeGreaterThan(2);
  const modes = programs.map(({ path }) => [path, statSync(join(ROOT, path)).mode & 0o111]);
  expect(modes.filter(([, mode]) => mode !== 0o111)).toEqual([]);
});

function breaks(rule: Rule, { path, text }: File): boolean {
  if (!rule.for.test(path) || rule.but?.test(path)) return false;
  const subject = rule.inPath ? path : text;
  return rule.forbids instanceof RegExp ? rule.forbids.test(subject) : rule.forbids(subject);
}

/** All files that are or could be committed; without git, as in an archive, all that .gitignore leaves. */
function listFiles(): string[] {
  try {
    const args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    const output = execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: "pipe" });
    return output.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
  } catch {
    const ignored = readFileSync(join(ROOT, ".gitignore"), "utf8").split("\n");
    const skipped = new Set([".git", ...ignored.map((line) => line.replace(/\/$/, ""))]);
    const walk = (dir: string): string[] =>
      readdirSync(join(ROOT, dir), { withFileTypes: true })
        .filter(({ name }) => !skipped.has(name))
        .flatMap((entry) => {
          const path = join(dir, entry.name);
          return entry.isDirectory() ? walk(path) : entry.isFile() ? [path] : [];
        });
    return walk("");
  }
}

/** A long text stays in one line, where it can be searched for; also a test's name, which is a sentence. */
function charsAroundTexts(line: string): number {
  return [...line.replace(/(["'`])(?:(?!\1).){40,}\1|^\s*\/[^/*].{40,}\/[a-z]*[;,]$/, "")].length;
}

function textOf(path: string): string {
  return files.find((file) => file.path === path)?.text ?? "";
}

function npmScripts(): Record<string, string> {
  const shape = z.object({ scripts: z.record(z.string(), z.string()) });
  return shape.parse(JSON.parse(textOf("package.json"))).scripts;
}

function namedIn(where: RegExp, pattern: RegExp): { path: string; name: string }[] {
  return files
    .filter(({ path }) => where.test(path) && path !== "package-lock.json")
    .flatMap(({ path, text }) =>
      [...text.matchAll(pattern)].map(([, name]) => ({ path, name: name ?? "" })),
    );
}

const isMissing = (path: string) => !existsSync(join(ROOT, path));

/** Where Node looks for a package: beside what needs it, then ever further up. */
function placesToLook(place: string, name: string): string[] {
  const above = place.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, "");
  const here = `${place === "" ? "" : `${place}/`}node_modules/${name}`;
  return place === "" ? [here] : [here, ...placesToLook(above, name)];
}
