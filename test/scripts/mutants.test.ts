import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Mutant } from "../../scripts/mutants/mutant.ts";
import { exitCodeOf, lineOf } from "../../scripts/mutants/page.ts";
import { runMutants, type Verdict } from "../../scripts/mutants/run.ts";
import { treeOf } from "../../scripts/process-tree.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { until } from "../../scripts/until.ts";
import { freshDir } from "../setup/stack.ts";

// A shop of one function, with tests of its own that a jest of its own runs.
const SHOP: Record<string, string> = {
  "package.json": JSON.stringify({
    type: "commonjs",
    jest: { testEnvironment: "node", transform: {}, testTimeout: 60_000 },
  }),
  "shop.js": `
    let stock = 3;
    exports.sell = (units) => {
      if (units > stock) return "SOLD_OUT";
      stock -= units;
      return "SOLD";
    };
    exports.close = () => "closed";
  `,
  "test/shop.test.js": `
    const { sell } = require("../shop.js");
    test("what there is is sold", () => expect(sell(3)).toBe("SOLD"));
    test("more is not", () => expect(sell(1)).toBe("SOLD_OUT"));
  `,
  "test/opening.test.js": `
    const { sell } = require("../shop.js");
    beforeAll(() => { if (typeof sell !== "function") throw new Error("no shop"); });
    test("it sells", () => expect(sell(1)).toBe("SOLD"));
  `,
  "test/red.test.js": `test("it is red anyway", () => expect(1).toBe(2));`,
};

let place: Awaited<ReturnType<typeof freshDir>>;
let root: string;

beforeAll(async () => {
  place = await freshDir();
  root = join(place.dir, "shop");
  await mkdir(join(root, "test"), { recursive: true });
  for (const [path, text] of Object.entries(SHOP)) await writeFile(join(root, path), text);
  await symlink(join(REPO_DIR, "node_modules"), join(root, "node_modules"));
});

afterAll(() => place.close());

const mutant = (of: Partial<Mutant>): Mutant => ({
  name: "sells-too-many",
  breaks: "more is sold than there is",
  promise: "G1",
  file: "shop.js",
  text: "if (units > stock)",
  instead: "if (false)",
  tests: ["test/shop.test.js"],
  ...of,
});

const SURVIVOR = mutant({ name: "never-closes", text: '"closed"', instead: '"open"' });

async function run(mutants: Mutant[], more: { jobs?: number; ms_max?: number } = {}) {
  const told: Verdict[] = [];
  const { signal } = new AbortController();
  const tell = (verdict: Verdict) => told.push(verdict);
  const verdicts = await runMutants({ root, mutants, jobs: 1, signal, tell, ...more });
  expect(told).toEqual(verdicts);
  return verdicts;
}

describe("a mutant", () => {
  test("is caught by a test that fails because of it, and the code stays as it was", async () => {
    const verdicts = await run([mutant({})]);
    expect(verdicts.map(lineOf)).toEqual([
      expect.stringMatching(
        /^CAUGHT +\d+\.\d s {2}G1 {2}sells-too-many: test\/shop\.test\.js: more is not$/,
      ),
    ]);
    expect(exitCodeOf(verdicts)).toBe(0);
    expect(await readFile(join(root, "shop.js"), "utf8")).toBe(SHOP["shop.js"]);
  });

  test("that no test minds survives, and is told", async () => {
    const verdicts = await run([mutant({}), SURVIVOR, mutant({ name: "again" })], { jobs: 2 });
    const lines = Object.fromEntries(verdicts.map((of) => [of.mutant.name, lineOf(of)]));
    expect(lines["never-closes"]).toMatch(
      /^SURVIVED .* never-closes: more is sold than there is, and no test says so$/,
    );
    expect(lines["sells-too-many"]).toMatch(/^CAUGHT/);
    expect(lines.again).toMatch(/^CAUGHT/);
    expect(exitCodeOf(verdicts)).toBe(1);
  });

  test.each([
    ["code that can't be read", { text: "let stock = 3;", instead: "let let = ;" }],
    [
      "tests that can't start",
      {
        text: "exports.sell =",
        instead: "exports.sale =",
        tests: ["test/opening.test.js"],
      },
    ],
  ])("is not caught by %s", async (_what, of) => {
    const verdicts = await run([mutant(of)]);
    expect(verdicts).toMatchObject([
      { verdict: "UNCLEAR", by: expect.stringContaining("could not start") },
    ]);
    expect(exitCodeOf(verdicts)).toBe(1);
  });

  test("is not caught by tests that are red without it", async () => {
    const tests = ["test/shop.test.js", "test/red.test.js"];
    const [verdict] = await run([mutant({ tests })]);
    expect(verdict).toMatchObject({
      verdict: "UNCLEAR",
      by: "red without it: test/red.test.js: it is red anyway",
    });
  });

  test("is not caught by tests that never end", async () => {
    const verdicts = await run([mutant({ instead: "for (;;);" })], { ms_max: 4_000 });
    expect(verdicts).toMatchObject([{ verdict: "UNCLEAR", by: "not done within 4 s" }]);
  });
});

describe("nothing is run", () => {
  test.each([
    ["is not there", { text: "if (units >= stock)" }, "its text stands 0 times in shop.js"],
    ["is there twice", { text: "stock" }, "its text stands 3 times in shop.js"],
    ["has no file", { file: "store.js" }, "there is no store.js"],
    ["has no test", { tests: ["test/store.test.js"] }, "there is no test/store.test.js"],
    ["is another's twin", { name: "sells-too-many" }, "there are two of this name"],
    ["changes nothing", { name: "nothing", instead: "if (units > stock)" }, "changes nothing"],
  ])("when one %s", async (_what, of, message) => {
    await expect(run([mutant({}), mutant({ name: "stale", ...of })])).rejects.toThrow(message);
  });
});

test("a run that is stopped in the middle of a mutant leaves no process and no file", async () => {
  const tmp = join(place.dir, "stopped");
  await mkdir(tmp);
  const stop = new AbortController();
  const endless = mutant({ instead: "for (;;);" });
  const more = { jobs: 1, signal: stop.signal, tell: () => {}, tmp };
  const all = runMutants({ root, mutants: [endless], ...more }).catch((error: unknown) => error);
  const before = await treeOf(process.pid);
  await until("the code is broken", async () => {
    const [dir = ""] = await readdir(tmp);
    const code = await readFile(join(tmp, dir, "tree-0/shop.js"), "utf8").catch(() => "");
    return code.includes("for (;;);") || undefined;
  });
  const jest = await until("its tests run", async () => {
    const started = (await treeOf(process.pid)).filter((pid) => !before.includes(pid));
    return started.length > 0 ? started : undefined;
  });
  stop.abort("enough");
  expect(await all).toBe("enough");
  const tree = await treeOf(process.pid);
  expect(jest.filter((pid) => tree.includes(pid))).toEqual([]);
  expect(await readdir(tmp)).toEqual([]);
});
