import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const ROOT = new URL("../../", import.meta.url).pathname;
const TABLE = readFileSync(join(ROOT, "docs/faults.md"), "utf8");

/** The tests that a table names, as the file and the name. */
const testsIn = (table: string) =>
  [...table.matchAll(/^\|.*\| `([^`]+)` "([^"]+)" \| [^|]+\|$/gm)].map(
    ([, file = "", name = ""]) => ({
      file,
      name,
    }),
  );

/** Those that are not there. */
const missingFrom = (table: string) =>
  testsIn(table).filter(({ file, name }) => {
    const path = join(ROOT, file);
    return !existsSync(path) || !readFileSync(path, "utf8").includes(`"${name}"`);
  });

test("the table of faults names tests that are there", () => {
  const rows = TABLE.split("\n").filter(
    (line) => line.startsWith("| ") && !line.startsWith("| fault "),
  );
  expect(testsIn(TABLE).length).toBe(rows.length);
  expect(missingFrom(TABLE)).toEqual([]);
});

test("a test that is renamed is missed", () => {
  const row =
    '| a fault | so | `test/faults/table.test.ts` "a test that is not there" | own |'.replace(
      "not there",
      "gone",
    );
  expect(missingFrom(row)).toHaveLength(1);
});

test("every test of a fault has its row", () => {
  const files = ["test/faults", "test/faults/slow"].flatMap((dir) =>
    readdirSync(join(ROOT, dir))
      .filter((file) => file.endsWith(".test.ts"))
      .map((file) => `${dir}/${file}`),
  );
  const named = new Set(testsIn(TABLE).map(({ file }) => file));
  const others = files.filter((file) => file !== "test/faults/table.test.ts" && !named.has(file));
  expect(others).toEqual([]);
});
