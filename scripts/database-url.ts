import { readUpConfig } from "../src/config.ts";
import { readEnvFile } from "./env-file.ts";
import { stackFiles } from "./stack-files.ts";

/** DATABASE_URL from the environment, or else that of the running stack. */
export function findDatabaseUrl(): string {
  const config = readUpConfig();
  const url = config.DATABASE_URL ?? readEnvFile(stackFiles(config).env).DATABASE_URL;
  if (url !== undefined) return url;
  throw new Error("DATABASE_URL is not set and nothing is running: start ./scripts/up first");
}
