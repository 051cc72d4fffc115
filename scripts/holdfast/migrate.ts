import type { Command } from "commander";
import { migrate, readMigrations } from "../../src/postgres/migrate.ts";
import { findDatabaseUrl } from "../database-url.ts";
import { formatTable } from "../table.ts";
import { contextOf } from "./context.ts";
import { EXITS } from "./failure.ts";
import { relative } from "./output.ts";

/** `migrate up|status`: on DATABASE_URL, or the database of the stack that runs here. */
export function addMigrate(program: Command): void {
  const group = program.command("migrate").description("the tables of Postgres (DATABASE_URL)");

  group
    .command("up")
    .description("apply what is missing")
    .action(async (_: object, command: Command) => {
      const { applied } = await migrate(findDatabaseUrl());
      const words =
        applied.length === 0 ? "The database is up to date." : `Applied ${applied.join(", ")}.`;
      contextOf(command).tell({ applied }, () => `${words}\n`);
    });

  group
    .command("status")
    .description("what is applied; ends with 1 when something is missing")
    .action(async (_: object, command: Command) => {
      const { applied, pending } = await readMigrations(findDatabaseUrl());
      contextOf(command).tell({ applied, pending }, () => {
        const rows = [
          ...applied.map(({ name, applied_at }) => [name, relative(applied_at.toISOString())]),
          ...pending.map((name) => [name, "missing"]),
        ];
        const advice =
          pending.length === 0 ? "" : "npx holdfast migrate up applies what is missing\n";
        return `${formatTable(["migration", "applied"], rows)}${advice}`;
      });
      if (pending.length > 0) process.exitCode = EXITS.REFUSED;
    });
}
