import { readdirSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createPool } from "../../src/postgres/client.ts";
import { checkMigrations, migrate } from "../../src/postgres/migrate.ts";
import { freshDatabase, runSql } from "../setup/stack.ts";
import { keptLog } from "../worker/parts.ts";
import { query } from "../worker/query.ts";

const FILES = readdirSync(new URL("../../sql/", import.meta.url)).filter((f) => f.endsWith(".sql"));
const [FIRST = ""] = FILES;

let database: Awaited<ReturnType<typeof freshDatabase>>;
let pool: ReturnType<typeof createPool>;

beforeEach(async () => {
  database = await freshDatabase();
  // As it is before the first migration.
  await sql("drop schema public cascade; create schema public");
  pool = createPool(database.url, keptLog().log);
});

afterEach(async () => {
  await pool.end();
  await database.close();
});

const check = (newer: "REFUSED" | "FINE" = "REFUSED") => checkMigrations(pool, { newer });
const sql = (text: string) => runSql(database.url, text);

const tables = async () => {
  const rows = await query<{ tablename: string }>(
    database.url,
    "select tablename from pg_tables where schemaname = 'public' order by tablename",
  );
  return rows.map(({ tablename }) => tablename);
};

test("a fresh database gets every file of sql/ in order", async () => {
  expect(await migrate(database.url)).toEqual({ applied: FILES.toSorted() });
  expect(await tables()).toEqual(
    expect.arrayContaining(["holds", "migrations", "orders", "processed_events", "stock_levels"]),
  );
  await expect(check()).resolves.toBeUndefined();
});

test("a second run applies nothing", async () => {
  await migrate(database.url);
  expect(await migrate(database.url)).toEqual({ applied: [] });
});

test("concurrent starts take turns: one of them applies each file", async () => {
  const results = await Promise.all(Array.from({ length: 5 }, () => migrate(database.url)));
  expect(results.flatMap(({ applied }) => applied).toSorted()).toEqual(FILES.toSorted());
});

test("a file that was edited after it was applied is refused, and nothing is applied", async () => {
  await migrate(database.url);
  await sql(`update migrations set sha256 = 'another' where name = '${FIRST}'`);
  const refusal = `sql/${FIRST} was edited after it was applied. Add a new file instead.`;
  await expect(migrate(database.url)).rejects.toThrow(refusal);
  await expect(check()).rejects.toThrow(refusal);
});

test("a file that was applied and is gone is refused", async () => {
  await migrate(database.url);
  await sql("insert into migrations (name, sha256) values ('0000_gone.sql', 'x')");
  await expect(migrate(database.url)).rejects.toThrow(
    "Migration 0000_gone.sql was applied, but sql/0000_gone.sql is not there.",
  );
});

test("files of a newer version are fine for whoever says so; a gone one of before never is", async () => {
  await migrate(database.url);
  await sql("insert into migrations (name, sha256) values ('9999_newer.sql', 'x')");
  await expect(check("FINE")).resolves.toBeUndefined();
  await expect(check("REFUSED")).rejects.toThrow("9999_newer.sql");
  await expect(migrate(database.url)).rejects.toThrow("9999_newer.sql");
  await sql("update migrations set name = '0000_gone.sql' where name = '9999_newer.sql'");
  await expect(check("FINE")).rejects.toThrow("0000_gone.sql");
});

test("a refusal leaves the lock to others", async () => {
  await migrate(database.url);
  await sql("insert into migrations (name, sha256) values ('0000_gone.sql', 'x')");
  await expect(migrate(database.url)).rejects.toThrow("0000_gone.sql");
  await sql("delete from migrations where name = '0000_gone.sql'");
  expect(await migrate(database.url)).toEqual({ applied: [] });
});

test("a file that fails leaves nothing of itself behind, and can be applied later", async () => {
  await sql("create table dead_events ()"); // the last table of the first file
  await expect(migrate(database.url)).rejects.toThrow(
    `sql/${FIRST} failed, nothing of it was applied.`,
  );
  expect(await tables()).toEqual(["dead_events", "migrations"]);
  await sql("drop table dead_events");
  expect(await migrate(database.url)).toEqual({ applied: FILES.toSorted() });
});

test("what is missing is named: all before the first migration, and each one after", async () => {
  const all = `not applied: ${FILES.toSorted().join(", ")} (npm run migrate)`;
  await expect(check()).rejects.toThrow(all);
  await migrate(database.url);
  await sql(`delete from migrations where name = '${FIRST}'`);
  await expect(check()).rejects.toThrow(`not applied: ${FIRST} (npm run migrate)`);
});
