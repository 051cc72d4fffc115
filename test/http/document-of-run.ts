import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { documentText } from "../../scripts/read-document.ts";

/**
 * The document's text. To make it of the routes' schemas is a good part of what a file of HTTP tests costs,
 * so the first one of a run that needs it leaves it in the run's directory for all others.
 */
export function documentOfRun(): string {
  const path = `${process.env.TEST_DIR}/openapi.json`; // start.ts
  try {
    return readFileSync(path, "utf8");
  } catch {
    const text = documentText();
    const draft = `${path}.${randomUUID()}`; // somebody else may be about to read it
    writeFileSync(draft, text);
    renameSync(draft, path);
    return text;
  }
}
