import "../src/node-version.ts";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { reportAndExit, say } from "./say.ts";
import { findingsIn } from "./supply/findings.ts";
import { readSupply } from "./supply/lock-file.ts";
import { licencesPage } from "./supply/page.ts";

// `npm run check:supply`: what package-lock.json lets in. `npm run licences` writes the list anew.
const ROOT = new URL("../", import.meta.url).pathname;
const PAGE = "docs/licences.md";

async function main(): Promise<void> {
  const supply = readSupply(ROOT);
  const page = licencesPage(supply);
  if (process.argv.includes("--write")) writeFileSync(join(ROOT, PAGE), page);
  const findings = findingsIn(supply);
  if (readFileSync(join(ROOT, PAGE), "utf8") !== page) {
    findings.push(`${PAGE} is not what package-lock.json gives: npm run licences`);
  }
  if (findings.length > 0) throw new Error(findings.join("\n"));
  say(`${supply.dependencies.length} packages: licences, integrity and install scripts are right`);
}

main().catch(reportAndExit);
