import { chmod, lstat, readFile, realpath, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { freePort } from "../../scripts/free-port.ts";
import { type LocalPostgres, startPostgres } from "../../scripts/local-postgres.ts";
import {
  completeLibraries,
  nativePostgres,
  readableBinaries,
} from "../../scripts/postgres-binaries.ts";
import { must, run } from "../../scripts/run.ts";
import { freshDir } from "../setup/stack.ts";

const uid = process.getuid?.();
const IS_ROOT = uid === 0;

let place: Awaited<ReturnType<typeof freshDir>>;
let open: Awaited<ReturnType<typeof freshDir>>;
let dir: string;
let user: { uid: number; gid: number };

beforeAll(async () => {
  place = await freshDir();
  open = await freshDir();
  // A home nobody else may enter, as /root is.
  await chmod(place.dir, 0o700);
  dir = join(place.dir, "postgres");
  const owner = IS_ROOT ? "nobody" : `${uid}`;
  user = {
    uid: Number(await must("id", ["-u", owner])),
    gid: Number(await must("id", ["-g", owner])),
  };
});

afterAll(async () => {
  await place?.close();
  await open?.close();
});

test("Postgres runs in a home nobody else may enter, as an ordinary user, and keeps its data", async () => {
  await withPostgres(async (server) => {
    // Written by the server itself.
    expect((await stat(join(dir, "cluster", "postmaster.pid"))).uid).toBe(user.uid);
    await query(server.url, "create table kept as select 42 as answer");
  });
  // Root's Postgres is another user, who gets a place to enter; everybody else's data stay where they are.
  expect((await lstat(dir)).isSymbolicLink()).toBe(IS_ROOT);
  expect((await stat(dir)).uid).toBe(user.uid);

  await withPostgres(async (server) => {
    expect(await query(server.url, "select answer from kept")).toEqual([{ answer: 42 }]);
    await expect(startPostgres({ dir, port: await freePort() })).rejects.toThrow(
      `pid ${server.pid}`,
    );
  });
});

test("data are UTF-8 in code point order, and the port is open on loopback only", async () => {
  await withPostgres(async (server) => {
    const [row] = await query(
      server.url,
      `select current_database() as database, current_setting('server_encoding') as encoding,
              current_setting('listen_addresses') as addresses, 'Z' < 'a' as by_code_point,
              current_setting('unix_socket_directories') as sockets`,
    );
    expect(row).toEqual({
      database: "holdfast",
      encoding: "UTF8",
      addresses: "127.0.0.1",
      by_code_point: true,
      sockets: "",
    });
  });
});

test("Postgres comes back at once after a kill -9, with its data", async () => {
  await withPostgres(async (server) => {
    await query(server.url, "create table killed as select 1 as n");
    server.kill("SIGKILL");
    expect(await server.exited).toBe("SIGKILL");
  });
  await withPostgres(async (server) => {
    expect(await query(server.url, "select n from killed")).toEqual([{ n: 1 }]);
  });
});

test("whoever removes the data starts afresh, whatever is left of them elsewhere", async () => {
  if (IS_ROOT) await rm(await realpath(dir), { recursive: true });
  else await rm(dir, { recursive: true });
  await withPostgres(async (server) => {
    expect(await query(server.url, "select to_regclass('kept') as kept")).toEqual([{ kept: null }]);
  });
});

test("programs a user cannot reach are copied once, whole, with the links between libraries", async () => {
  const native = await nativePostgres();
  const hidden = { dir: join(place.dir, "native"), version: native.version };
  await must("cp", ["-RP", native.dir, hidden.dir]);
  const copies = join(open.dir, "copies");
  const bin = await readableBinaries(hidden, user, copies);
  expect(bin).toBe(join(IS_ROOT ? join(copies, native.version) : hidden.dir, "bin"));
  const asUser = IS_ROOT ? { user } : {};
  expect((await run(join(bin, "postgres"), ["--version"], asUser)).stdout).toContain("PostgreSQL");
  if (!IS_ROOT) return;

  const made = (await stat(bin)).ctimeMs;
  expect(await readableBinaries(hidden, user, copies)).toBe(bin);
  expect((await stat(bin)).ctimeMs).toBe(made);
  // Part of a copy is no copy.
  await rm(join(bin, "initdb"));
  expect(await readableBinaries(hidden, user, copies)).toBe(bin);
  expect((await run(join(bin, "initdb"), ["--version"], asUser)).ok).toBe(true);
});

test("libraries without links, as npm leaves them when it runs no install scripts, are completed", async () => {
  const native = await nativePostgres();
  const home = join(open.dir, "package");
  await must("cp", ["-RP", dirname(native.dir), home]);
  const list = await readFile(join(home, "native", "pg-symlinks.json"), "utf8");
  const links: { target: string }[] = JSON.parse(list);
  expect(links.length).toBeGreaterThan(0);
  for (const { target } of links) await rm(join(home, target));
  const initdb = join(home, "native", "bin", "initdb");
  expect((await run(initdb, ["--version"])).ok).toBe(false);
  await completeLibraries(home);
  expect((await run(initdb, ["--version"])).ok).toBe(true);
});

async function withPostgres(work: (server: LocalPostgres) => Promise<void>): Promise<void> {
  const server = await startPostgres({ dir, port: await freePort(), fsync: false });
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

async function query(connectionString: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString });
  // Expected when the test kills the server.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
