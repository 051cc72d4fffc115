import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { isNativeError } from "node:util/types";

export type EnvValues = Record<string, string | number>;

const PLAIN = /^[A-Za-z0-9_.:/@%+,=-]*$/;
const LINE = /^([A-Z_]+)=(.*)$/;

/** Writes `KEY=value` lines for a shell to source. Readers see the old file or the new, never a part. */
export function writeEnvFile(file: string, values: EnvValues): void {
  const unfinished = `${file}.new`;
  // For its owner only: a URL may hold a password.
  writeFileSync(unfinished, formatEnv(values), { mode: 0o600 });
  renameSync(unfinished, file);
}

/** What `writeEnvFile` wrote; no values at all if there is no such file. */
export function readEnvFile(file: string): Record<string, string> {
  try {
    return parseEnv(readFileSync(file, "utf8"));
  } catch (error) {
    if (isNativeError(error) && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
}

/** One line a value, quoted wherever a shell would not take it literally. */
export function formatEnv(values: EnvValues): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${quote(`${value}`)}\n`)
    .join("");
}

/** The reverse of `formatEnv`. */
export function parseEnv(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [, key, value] = LINE.exec(line) ?? [];
    if (key !== undefined && value !== undefined) values[key] = unquote(value);
  }
  return values;
}

function quote(value: string): string {
  return PLAIN.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

function unquote(value: string): string {
  return value.startsWith("'") ? value.slice(1, -1).replaceAll("'\\''", "'") : value;
}
