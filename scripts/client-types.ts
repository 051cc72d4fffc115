import "../src/node-version.ts";
import { execFileSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clientTypes } from "./client-types/files.ts";
import { readDocument } from "./read-document.ts";
import { reportAndExit, say } from "./say.ts";

const ROOT = new URL("../", import.meta.url).pathname;

async function main(): Promise<void> {
  const folder = join(ROOT, "src/client/types");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [name, text] of clientTypes(readDocument())) await writeFile(join(folder, name), text);
  // As the code is formatted that people write: then it can be read, and checked like that.
  execFileSync(join(ROOT, "node_modules/.bin/biome"), ["format", "--write", folder], {
    cwd: ROOT,
    stdio: "ignore",
  });
  say("src/client/types is what /openapi.json says");
}

main().catch(reportAndExit);
