import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { freePort } from "../../scripts/free-port.ts";
import { type LocalPostgres, startPostgres } from "../../scripts/local-postgres.ts";
import { type LocalRedis, startRedis } from "../../scripts/local-redis.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { sweep } from "./sweep.ts";

export const TEMPLATE = "holdfast_template";

/** A migrated database of one's own in the Postgres that all tests share. */
export async function freshDatabase() {
  const admin = setByStart("TEST_POSTGRES_URL");
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  await runSql(admin, `create database ${name} template ${TEMPLATE}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  const close = () => runSql(admin, `drop database if exists ${name} with (force)`);
  return { url: url.href, close };
}

/**
 * A Redis of one's own, that writes as the real one does, if perhaps to memory (start.ts). Its data survive
 * `restart`, until `close`.
 */
export async function freshRedis(extraArgs: string[] = []) {
  const { dir, port, remove } = await ownPlace();
  const start = () => startRedis({ dir: join(dir, "redis"), port, extraArgs });
  return ownServer(start, remove);
}

/** A migrated Postgres of one's own, for tests that stop it. Its data survive `stop`, until `close`. */
export async function freshPostgres() {
  const { dir, port, remove } = await ownPlace();
  const start = () => startPostgres({ dir: join(dir, "postgres"), port, fsync: false });
  const server = await ownServer(start, remove);
  try {
    await migrate(server.url);
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

/** Runs one statement that has no answer. */
export async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/**
 * An empty directory of one's own. `close` removes it, and stops the servers in its `redis` and `postgres`.
 * It lies inside the run's directory, so that stop.ts finds what a failed test left behind.
 */
export async function freshDir() {
  const dir = join(setByStart("TEST_DIR"), randomUUID());
  await mkdir(dir);
  return { dir, close: () => sweep(dir) };
}

async function ownPlace() {
  const { dir, close } = await freshDir();
  return { dir, port: await freePort(), remove: close };
}

function setByStart(name: "TEST_DIR" | "TEST_POSTGRES_URL"): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is set by test/setup/start.ts`);
  return value;
}

async function ownServer<Server extends LocalRedis | LocalPostgres>(
  startServer: () => Promise<Server>,
  remove: () => Promise<void>,
) {
  let server = await startServer().catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const start = async () => {
    server = await startServer();
  };
  return {
    url: server.url,
    port: server.port,
    /** Of the process that runs now: another one after each start. */
    get pid() {
      return server.pid;
    },
    stop: () => server.stop(),
    start,
    restart: async () => {
      await server.stop();
      await start();
    },
    /** Waits for the end of a process that is killed; one that is only paused goes on existing. */
    kill: async (signal: NodeJS.Signals = "SIGKILL") => {
      server.kill(signal);
      if (signal === "SIGKILL") await server.exited;
    },
    close: async () => {
      await server.stop();
      await remove();
    },
  };
}
