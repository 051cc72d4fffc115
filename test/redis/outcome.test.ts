import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { createLog } from "../../src/log.ts";
import { createRedis, untilReady } from "../../src/redis/client.ts";
import { failedOutcome } from "../../src/redis/outcome.ts";
import { parseInfo } from "../../src/redis/server-check.ts";
import { freshRedis } from "../setup/stack.ts";

// Each refusal is provoked from a real Redis, so that a new version with other words shows here.
const COUNT = "#!lua\nreturn redis.call('INCR', KEYS[1])";
const ENDLESS = "#!lua flags=no-writes\nwhile true do end";
const log = createLog("api", "silent");

let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let redis: Redis;
let sha: string;
beforeAll(async () => {
  server = await freshRedis(["--enable-debug-command", "yes"]);
  admin = new Redis(server.url);
  sha = String(await admin.script("LOAD", COUNT));
});
beforeEach(async () => {
  redis?.disconnect();
  await admin.del("runs");
  redis = createRedis(server.url, log);
  await untilReady(redis);
});
afterAll(async () => {
  redis.disconnect();
  admin.disconnect();
  await server.close();
});

const run = () => redis.evalsha(sha, 1, "runs");
const config = (name: string, value: string) => admin.config("SET", name, value);

// Also after a failed test, or all those behind it would fail with it.
afterEach(async () => {
  await admin.replicaof("NO", "ONE");
  for (const [name, value] of [
    ["maxmemory", "0"],
    ["min-replicas-to-write", "0"],
    ["replica-serve-stale-data", "yes"],
    ["save", ""],
    ["key-load-delay", "0"],
    ["requirepass", ""],
  ] as const) {
    await config(name, value);
  }
});

async function expectRefused(prefix: string, call: () => Promise<unknown> = run) {
  const error = await call().catch((thrown: Error) => thrown);
  expect(error).toBeInstanceOf(Error);
  expect(error).toHaveProperty("message", expect.stringMatching(new RegExp(`^${prefix} `)));
  expect(failedOutcome(error)).toBe("NOT_EXECUTED");
}
const expectNoRun = async () => expect(await admin.get("runs")).toBeNull();

describe("NOT_EXECUTED is what Redis means by", () => {
  test("NOSCRIPT", async () => {
    await admin.script("FLUSH");
    await expectRefused("NOSCRIPT");
    await admin.script("LOAD", COUNT);
    await expectNoRun();
  });

  test("OOM", async () => {
    await config("maxmemory", "1");
    await expectRefused("OOM");
    await expectNoRun();
  });

  test("NOREPLICAS", async () => {
    await config("min-replicas-to-write", "1");
    await expectRefused("NOREPLICAS");
    await expectNoRun();
  });

  test("READONLY, of a replica", async () => {
    await admin.replicaof("127.0.0.1", await freePort());
    await expectRefused("READONLY");
    await admin.replicaof("NO", "ONE");
    await expectNoRun();
  });

  test("MASTERDOWN, of a replica that has lost its master and must not answer without", async () => {
    const reading = "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])";
    const readingSha = String(await admin.script("LOAD", reading));
    await config("replica-serve-stale-data", "no");
    await admin.replicaof("127.0.0.1", await freePort());
    await expectRefused("MASTERDOWN", () => redis.evalsha(readingSha, 1, "runs"));
  });

  test("MISCONF, when it could not save", async () => {
    const [, dir = ""] = (await admin.config("GET", "dir")) as string[]; // pairs of name and value
    const inTheWay = join(dir, "dump.rdb");
    await mkdir(inTheWay);
    await config("save", "3600 1");
    await admin.bgsave();
    const lastSave = async () => parseInfo(await admin.info()).rdb_last_bgsave_status;
    await until("saving fails", async () => ((await lastSave()) === "err" ? true : undefined));
    await expectRefused("MISCONF");
    await rm(inTheWay, { recursive: true });
    await expectNoRun();
    await admin.bgsave();
    await until("saving works", async () => ((await lastSave()) === "ok" ? true : undefined));
  });

  test("BUSY, while another script runs", async () => {
    await config("busy-reply-threshold", "50");
    const other = new Redis(server.url);
    const ended = other.eval(ENDLESS, 0).catch((error: Error) => error.message);
    const answer = () => redis.ping().catch((error: Error) => error.message);
    await until("Redis is busy", async () =>
      (await answer()).startsWith("BUSY ") ? true : undefined,
    );
    await expectRefused("BUSY");
    await admin.script("KILL");
    expect(await ended).toMatch(/killed/i);
    other.disconnect();
    await expectNoRun();
  });

  test("LOADING, while it reads its file", async () => {
    const pipeline = admin.pipeline();
    for (let i = 0; i < 200; i += 1) pipeline.set(`big:${i}`, `${Math.random()}`.repeat(200));
    await pipeline.exec();
    await config("loading-process-events-interval-bytes", "1024");
    await config("key-load-delay", "20000"); // 4 s in all, if nobody makes it go on
    const loading = new Redis(server.url);
    const reloaded = loading.call("DEBUG", "RELOAD");
    const answer = () => redis.get("runs").catch((error: Error) => error.message);
    await until("Redis is loading", async () =>
      (await answer())?.startsWith("LOADING ") ? true : undefined,
    );
    await expectRefused("LOADING");
    await config("key-load-delay", "0");
    await reloaded;
    loading.disconnect();
    await expectNoRun();
  });

  test("NOAUTH", async () => {
    await config("requirepass", "secret");
    await redis.call("RESET");
    await expectRefused("NOAUTH");
    await expectNoRun();
  });

  test("NOPERM, of a user who may not call scripts or touch the key", async () => {
    await admin.call("ACL", "SETUSER", "scripted", "on", "nopass", "~*", "+@all", "-evalsha");
    await redis.call("AUTH", "scripted", "any");
    await expectRefused("NOPERM");
    await admin.call("ACL", "SETUSER", "scripted", "+evalsha", "resetkeys", "~other");
    await expectRefused("NOPERM");
    await expectNoRun();
  });

  test("CLUSTERDOWN, of a cluster that does not serve the key", async () => {
    const bus_port = String(await freePort()); // by default 10,000 higher, where anybody's connections begin
    const cluster = await freshRedis(["--cluster-enabled", "yes", "--cluster-port", bus_port]);
    const node = createRedis(cluster.url, log);
    try {
      await untilReady(node);
      await node.script("LOAD", COUNT);
      const error = await node.evalsha(sha, 1, "runs").catch((thrown: Error) => thrown);
      expect(error).toHaveProperty("message", expect.stringMatching(/^CLUSTERDOWN /));
      expect(failedOutcome(error)).toBe("NOT_EXECUTED");
    } finally {
      node.disconnect();
      await cluster.close();
    }
  });
});

describe("UNKNOWN is", () => {
  test("an error from inside a script, which may have written before it", async () => {
    const script = "#!lua\nredis.call('INCR', KEYS[1]) return redis.call('LPOP', KEYS[1])";
    const error = await redis.eval(script, 1, "runs").catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(failedOutcome(error)).toBe("UNKNOWN");
    expect(await admin.get("runs")).toBe("1");
  });

  test("a command that the user may not run, met by a script after it wrote", async () => {
    await admin.call("ACL", "SETUSER", "halved", "on", "nopass", "~*", "+@all", "-lpop");
    await redis.call("AUTH", "halved", "any");
    const script = "#!lua\nredis.call('INCR', KEYS[1]) return redis.call('LPOP', KEYS[1])";
    const error = await redis.eval(script, 1, "runs").catch((thrown: Error) => thrown);
    expect(await admin.get("runs")).toBe("1");
    expect(error).toBeInstanceOf(Error);
    expect(failedOutcome(error)).toBe("UNKNOWN");
  });

  test.each(["ERR something OOM ", "OOMPH ", "", "MOVED 1 127.0.0.1:1", "Connection is closed."])(
    "an error that only looks like a refusal: %j",
    (message) => {
      expect(failedOutcome(new Error(message))).toBe("UNKNOWN");
    },
  );

  test("anything that is no error", () => {
    expect(failedOutcome("OOM command not allowed")).toBe("UNKNOWN");
    expect(failedOutcome(undefined)).toBe("UNKNOWN");
  });
});
