import "../src/node-version.ts";
import { writeFile } from "node:fs/promises";
import { collectionText } from "./postman-collection.ts";
import { readDocument } from "./read-document.ts";
import { reportAndExit, say } from "./say.ts";

const FILE = new URL("../docs/holdfast.postman_collection.json", import.meta.url);

async function main(): Promise<void> {
  await writeFile(FILE, collectionText(readDocument()));
  say("docs/holdfast.postman_collection.json is what /openapi.json says");
}

main().catch(reportAndExit);
