import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { freePort } from "../../scripts/free-port.ts";
import { findRedisServer } from "../../scripts/install-redis.ts";
import { type LocalRedis, startRedis } from "../../scripts/local-redis.ts";
import { freshDir, freshRedis } from "../setup/stack.ts";

let place: Awaited<ReturnType<typeof freshDir>>;
let dir: string;
let server: LocalRedis;

beforeAll(async () => {
  place = await freshDir();
  dir = join(place.dir, "with a space", "redis");
  await mkdir(dir, { recursive: true });
  server = await startRedis({ dir, port: await freePort() });
});

afterAll(async () => {
  await server?.stop();
  await place?.close();
});

test("the redis-server on the PATH is 7.0 or newer", async () => {
  expect(Number((await findRedisServer())?.split(".")[0])).toBeGreaterThanOrEqual(7);
});

test("our Redis has each write on disk before it answers, evicts nothing and listens on loopback only", async () => {
  const redis = new Redis(server.url);
  const settings = await Promise.all(
    [
      "appendonly",
      "appendfsync",
      "no-appendfsync-on-rewrite",
      "aof-load-truncated",
      "maxmemory-policy",
      "save",
      "bind",
      "dir",
    ].map((name) => redis.config("GET", name)),
  );
  redis.disconnect();
  expect(Object.fromEntries(settings as [string, string][])).toEqual({
    appendonly: "yes",
    appendfsync: "always",
    "no-appendfsync-on-rewrite": "no",
    "aof-load-truncated": "yes",
    "maxmemory-policy": "noeviction",
    save: "",
    bind: "127.0.0.1",
    dir,
  });
});

test("a second Redis on the same data is refused and names the first", async () => {
  await expect(startRedis({ dir, port: await freePort() })).rejects.toThrow(`pid ${server.pid}`);
});

test("another Redis that has the pid of an earlier run by now keeps nobody from starting", async () => {
  const other = join(place.dir, "reused");
  await mkdir(other);
  await writeFile(join(other, "redis.pid"), `${server.pid}\n`);
  const second = await startRedis({ dir: other, port: await freePort() });
  expect(second.pid).not.toBe(server.pid);
  await second.stop();
});

test("a Redis that cannot start says why, with the end of its log", async () => {
  const other = join(place.dir, "other");
  const start = startRedis({ dir: other, port: server.port });
  await expect(start).rejects.toThrow(/did not start(.|\n)*Address already in use/);
  expect(await readFile(`${other}.log`, "utf8")).toContain("Address already in use");
});

test("what was written survives a kill -9 and a restart", async () => {
  const own = await freshRedis();
  try {
    const before = new Redis(own.url);
    await before.set("stock:a", 7);
    before.disconnect();
    const { pid } = own;
    await own.kill("SIGKILL");
    await own.restart();
    expect(own.pid).not.toBe(pid);
    const after = new Redis(own.url);
    expect(await after.get("stock:a")).toBe("7");
    after.disconnect();
  } finally {
    await own.close();
  }
});
