import "../src/node-version.ts";
import { migrate } from "../src/postgres/migrate.ts";
import { findDatabaseUrl } from "./database-url.ts";
import { reportAndExit, say } from "./say.ts";

async function main(): Promise<void> {
  const { applied } = await migrate(findDatabaseUrl());
  say(applied.length === 0 ? "the database is up to date" : `applied ${applied.join(", ")}`);
}

main().catch(reportAndExit);
