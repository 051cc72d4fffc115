import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { findingsIn } from "../../scripts/supply/findings.ts";
import { type Dependency, readSupply } from "../../scripts/supply/lock-file.ts";
import { licencesPage } from "../../scripts/supply/page.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const supply = readSupply(ROOT);

const FINE: Dependency = {
  name: "a",
  place: "node_modules/a",
  version: "1.0.0",
  license: "MIT",
  installed_license: "MIT",
  integrity: `sha512-${"A".repeat(86)}==`,
  dev: false,
  optional: false,
  hasInstallScript: false,
};
const findingsOf = (more: Partial<Dependency>, allowScripts: Record<string, boolean> = {}) =>
  findingsIn({ dependencies: [{ ...FINE, ...more }], allowScripts });

test("what others wrote has licences that are allowed, integrity, and no install script undecided", () => {
  expect(supply.dependencies.length).toBeGreaterThan(300);
  expect(supply.dependencies.some(({ installed_license }) => installed_license === "MIT")).toBe(
    true,
  );
  expect(findingsIn(supply)).toEqual([]);
});

test("the list of licences is what package-lock.json gives: npm run licences mends it", () => {
  const page = licencesPage(supply);
  for (const name of ["express", "ioredis", "pg", "zod", "jest"])
    expect(page).toContain(`\n- ${name}: `);
  expect(readFileSync(join(ROOT, "docs/licences.md"), "utf8") === page).toBe(true);
});

test.each<[finding: string, Partial<Dependency>]>([
  ["licence GPL-3.0", { license: "GPL-3.0" }],
  ["licence none", { license: undefined }],
  ["licence SSPL-1.0", { installed_license: "SSPL-1.0" }],
  ["licence CC-BY-4.0", { license: "CC-BY-4.0", installed_license: undefined }],
  ["licence MIT AND GPL-3.0", { license: "MIT AND GPL-3.0" }],
  ["licence (GPL-3.0 OR (MIT AND X))", { license: "(GPL-3.0 OR (MIT AND X))" }],
  ["no SHA-512", { integrity: undefined }],
  ["no SHA-512", { integrity: "sha1-AAAA" }],
  ["no SHA-512", { integrity: undefined, optional: true, os: ["linux"] }],
  ["bound to a host", { resolved: "https://example.com/a.tgz" }],
  ["install script", { hasInstallScript: true }],
])("%s is found", (finding, more) => {
  const findings = findingsOf(more);
  expect(findings.length).toBe(1);
  expect(findings[0]).toContain(finding);
});

test.each<[why: string, Partial<Dependency>]>([
  ["one of two licences is allowed", { license: "(GPL-3.0 OR MIT)" }],
  ["both are", { license: "Apache-2.0 AND MIT" }],
  ["it is a tool", { license: "CC-BY-4.0", installed_license: "CC-BY-4.0", dev: true }],
  [
    "a tool's part for other machines",
    { integrity: undefined, dev: true, optional: true, cpu: ["arm"] },
  ],
])("nothing is found when %s", (_, more) => {
  expect(findingsOf(more)).toEqual([]);
});

test("an install script is decided on, either way; and nothing is decided that is not there", () => {
  expect(findingsOf({ hasInstallScript: true }, { a: true })).toEqual([]);
  expect(findingsOf({ hasInstallScript: true }, { a: false })).toEqual([]);
  expect(findingsOf({}, { b: true })).toEqual(["allowScripts names b, which is not there"]);
});
