import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { pino } from "pino";
import { checkServer, parseInfo, UnfitRedis } from "../../src/redis/server-check.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

let server: Awaited<ReturnType<typeof freshRedis>>;
let redis: Redis;
let proxy: TcpProxy;
let lines: { level: number; msg: string; appendfsync?: string }[];
beforeAll(async () => {
  server = await freshRedis();
  redis = new Redis(server.url);
  proxy = await startProxy(server.port);
});
beforeEach(() => {
  lines = [];
});
afterEach(async () => {
  proxy.pass();
  await redis.config("SET", "maxmemory-policy", "noeviction");
  await redis.config("SET", "appendonly", "yes");
  await redis.config("SET", "appendfsync", "always");
});
afterAll(async () => {
  redis.disconnect();
  await proxy.close();
  await server.close();
});

const log = pino({ level: "trace" }, { write: (line: string) => lines.push(JSON.parse(line)) });
const WARN = 40;

test("a Redis as we start it is fit, and nothing is said of it", async () => {
  await checkServer(redis, log);
  expect(lines).toEqual([]);
});

test.each([
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
])("a Redis that may evict keys by %s is refused, with how to mend it", async (policy) => {
  await redis.config("SET", "maxmemory-policy", policy);
  const error = await checkServer(redis, log).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UnfitRedis);
  expect(String(error)).toContain(policy);
  expect(String(error)).toContain("redis-cli CONFIG SET maxmemory-policy noeviction");
  await redis.config("SET", "maxmemory-policy", "noeviction");
  await checkServer(redis, log);
});

test("without an append-only file it warns that holds are lost", async () => {
  await redis.config("SET", "appendonly", "no");
  await checkServer(redis, log);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ level: WARN, msg: expect.stringContaining("LOST") });
  expect(lines[0]?.msg).toContain("appendonly yes");
});

test.each(["everysec", "no"])("with appendfsync %s it warns of the last second", async (fsync) => {
  await redis.config("SET", "appendfsync", fsync);
  await checkServer(redis, log);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ level: WARN, appendfsync: fsync });
  expect(lines[0]?.msg).toContain("Set appendfsync always");
});

test("where CONFIG is not permitted it warns that it can't tell", async () => {
  await redis.call("ACL", "SETUSER", "managed", "on", "nopass", "~*", "+@all", "-config");
  const managed = new Redis(server.url, { username: "managed", password: "any" });
  await checkServer(managed, log);
  managed.disconnect();
  expect(lines).toHaveLength(1);
  expect(lines[0]?.msg).toMatch(/does not tell us its appendfsync/);
});

describe("the version", () => {
  // The server's own INFO, with another version written into it on the way.
  async function checkVersion(version: string) {
    proxy.rewriteReplies((text) =>
      text.replace(/redis_version:([\d.]+)/, (_, real: string) => {
        return `redis_version:${version.padEnd(real.length, "0").slice(0, real.length)}`;
      }),
    );
    const old = new Redis(proxy.url);
    try {
      await checkServer(old, log);
    } finally {
      old.disconnect();
    }
  }

  test.each(["6.2.9", "5.0.7", "x.y.z"])("%s is refused", async (version) => {
    const refused = expect(checkVersion(version)).rejects;
    await refused.toThrow(UnfitRedis);
    await expect(checkVersion(version)).rejects.toThrow(/needs 7\.0 or newer/);
  });

  test.each(["7.0.0", "8.2.1", "10.0.1"])("%s is accepted", async (version) => {
    await checkVersion(version);
    expect(lines).toEqual([]);
  });
});

test("INFO is read by name, with colons in values and without headings", () => {
  expect(parseInfo("# Server\r\nredis_version:7.0.15\r\npath:/a:b\r\nempty:\r\n\r\n")).toEqual({
    redis_version: "7.0.15",
    path: "/a:b",
    empty: "",
  });
});
