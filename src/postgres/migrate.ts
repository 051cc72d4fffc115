import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { type Connection, connect, type Pool } from "./client.ts";

const SQL_DIR = new URL("../../sql/", import.meta.url);
/** Any number that nothing else in this database locks. */
const MIGRATION_LOCK = 4_063_251;
const MIGRATION_MS_MAX = 10 * 60_000;
const TABLE_LOCK_MS_MAX = 10_000;

/**
 * Brings the database to the newest migration of `sql/`, each file in a transaction of its own. Concurrent
 * starts take turns. Returns the names of the files it applied.
 * @throws Error when a file that was applied has been edited or removed since
 */
export async function migrate(databaseUrl: string): Promise<{ applied: string[] }> {
  const client = await connect(databaseUrl, { statement_ms: MIGRATION_MS_MAX });
  try {
    // Must come first, so that we see what a concurrent migration has done.
    await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
    await client.query(
      `create table if not exists migrations (
         name text constraint migrations_pk primary key,
         sha256 text not null,
         applied_at timestamptz not null default now()
       )`,
    );
    const applied: string[] = [];
    for (const file of await pendingFiles(client)) {
      await applyFile(client, file);
      applied.push(file.name);
    }
    return { applied };
  } finally {
    await client.end();
  }
}

/**
 * Rejects, naming them, when this database still lacks migrations.
 * @param options.newer whether it may have some of a newer version: migrations only ever add, so whoever only
 * reads, or writes rows that no other depends on, goes on in the middle of an upgrade
 */
export async function checkMigrations(
  pool: Pool,
  options: { newer: "REFUSED" | "FINE" },
): Promise<void> {
  const { rows } = await pool.query("select to_regclass('migrations') is not null as begun");
  const pending = rows[0]?.begun ? await pendingFiles(pool, options) : migrationFiles();
  if (pending.length === 0) return;
  throw new Error(`not applied: ${pending.map(({ name }) => name).join(", ")} (npm run migrate)`);
}

/** What was applied to this database, and what is still missing. */
export async function readMigrations(
  databaseUrl: string,
): Promise<{ applied: { name: string; applied_at: Date }[]; pending: string[] }> {
  const client = await connect(databaseUrl);
  try {
    const { rows } = await client.query("select to_regclass('migrations') is not null as begun");
    if (!rows[0]?.begun) return { applied: [], pending: migrationFiles().map(({ name }) => name) };
    const { rows: applied } = await client.query<{ name: string; applied_at: Date }>(
      "select name, applied_at from migrations order by name",
    );
    return { applied, pending: (await pendingFiles(client)).map(({ name }) => name) };
  } finally {
    await client.end();
  }
}

type MigrationFile = { name: string; text: string; sha256: string };

async function pendingFiles(
  db: Connection | Pool,
  { newer }: { newer: "REFUSED" | "FINE" } = { newer: "REFUSED" },
): Promise<MigrationFile[]> {
  const files = migrationFiles();
  const newest = files.at(-1)?.name ?? "";
  const { rows } = await db.query<{ name: string; sha256: string }>(
    "select name, sha256 from migrations order by name",
  );
  for (const { name, sha256 } of rows) {
    if (newer === "FINE" && name > newest) continue;
    const file = files.find((candidate) => candidate.name === name);
    if (!file) throw new Error(`Migration ${name} was applied, but sql/${name} is not there.`);
    if (file.sha256 !== sha256) {
      throw new Error(`sql/${name} was edited after it was applied. Add a new file instead.`);
    }
  }
  const done = new Set(rows.map(({ name }) => name));
  return files.filter(({ name }) => !done.has(name));
}

function migrationFiles(): MigrationFile[] {
  return readdirSync(SQL_DIR)
    .filter((name) => name.endsWith(".sql"))
    .sort()
    .map((name) => {
      const text = readFileSync(new URL(name, SQL_DIR), "utf8");
      return {
        name,
        text,
        sha256: createHash("sha256").update(text).digest("hex"),
      };
    });
}

async function applyFile(client: Connection, { name, text, sha256 }: MigrationFile) {
  await client.query("begin");
  try {
    // Who waits for a lock of a table holds up all who come behind it, the recorder too.
    await client.query(`set local lock_timeout = ${TABLE_LOCK_MS_MAX}`);
    await client.query(text);
    await client.query("insert into migrations (name, sha256) values ($1, $2)", [name, sha256]);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw new Error(`sql/${name} failed, nothing of it was applied.`, {
      cause: error,
    });
  }
}
