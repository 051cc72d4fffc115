import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { createLog } from "../../src/log.ts";
import { createBlockingRedis, createRedis, untilReady } from "../../src/redis/client.ts";
import { failedOutcome } from "../../src/redis/outcome.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

// "No script ever runs twice for one call": pins what the ioredis options of client.ts are there for. Each
// run of this script counts itself, so that a second one shows.
const COUNT = "#!lua\nreturn redis.call('INCR', KEYS[1])";
const log = createLog("api", "silent");

let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let proxy: TcpProxy;
let redis: Redis;
let sha: string;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  sha = String(await admin.script("LOAD", COUNT));
  proxy = await startProxy(server.port);
});
beforeEach(async () => {
  await admin.flushall();
  redis = createRedis(proxy.url, log);
  await untilReady(redis);
});
afterEach(() => {
  proxy.pass();
  redis.disconnect();
});
afterAll(async () => {
  await server.kill("SIGCONT");
  admin.disconnect();
  await proxy.close();
  await server.close();
});

const run = () => redis.evalsha(sha, 1, "runs");
const runs = async () => Number((await admin.get("runs")) ?? 0);
const ran = (times: number) =>
  until(`${times} runs`, async () => ((await runs()) >= times ? true : undefined));
/** Starts a call and returns how it fails; a call that succeeds is "EXECUTED". */
const outcomeOf = (call: Promise<unknown>) =>
  call.then(
    () => "EXECUTED",
    (error: unknown) => failedOutcome(error),
  );
/** After this, whatever an old connection or a queue of the client had to send again has run. */
async function comeBack() {
  proxy.pass();
  await until("the connection is back", async () =>
    (await outcomeOf(redis.ping())) === "EXECUTED" ? true : undefined,
  );
}
const isDown = () =>
  until("the client notices", () => (redis.status === "ready" ? undefined : true));

describe("a call whose reply is lost", () => {
  test("rejects as UNKNOWN when the connection is cut, and ran once", async () => {
    proxy.dropReplies();
    const outcome = outcomeOf(run());
    await ran(1);
    proxy.cut();
    expect(await outcome).toBe("UNKNOWN");
    await comeBack();
    expect(await runs()).toBe(1);
    expect(await run()).toBe(2);
  });

  test("rejects as UNKNOWN when its time is over, and ran once", async () => {
    proxy.dropReplies();
    expect(await outcomeOf(run())).toBe("UNKNOWN");
    expect(await runs()).toBe(1);
    proxy.cut();
    await comeBack();
    expect(await run()).toBe(2);
  });

  test("among many on one connection is not sent again with any of them", async () => {
    proxy.dropReplies();
    const outcomes = Array.from({ length: 20 }, () => outcomeOf(run()));
    await ran(20);
    proxy.cut();
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(["UNKNOWN"]));
    await comeBack();
    expect(await run()).toBe(21);
  });
});

describe("without a connection", () => {
  test("a call is NOT_EXECUTED at once, and nothing runs when the connection is back", async () => {
    proxy.refuse();
    await isDown();
    const outcomes = await Promise.all([outcomeOf(run()), outcomeOf(run()), outcomeOf(run())]);
    expect(outcomes).toEqual(["NOT_EXECUTED", "NOT_EXECUTED", "NOT_EXECUTED"]);
    await comeBack();
    expect(await run()).toBe(1);
  });

  test("a client that never had one says the same, and names why when waited for", async () => {
    const nobody = createRedis(`redis://127.0.0.1:${await freePort()}`, log);
    try {
      expect(await outcomeOf(nobody.evalsha(sha, 1, "runs"))).toBe("NOT_EXECUTED");
      await expect(untilReady(nobody)).rejects.toThrow(/Redis does not answer: .*ECONNREFUSED/);
    } finally {
      nobody.disconnect();
    }
  });

  test("a blocking client does not keep its reads for later either", async () => {
    const blocking = createBlockingRedis(proxy.url, log, 1_000);
    try {
      await untilReady(blocking);
      proxy.refuse();
      await until("it notices", () => (blocking.status === "ready" ? undefined : true));
      expect(await outcomeOf(blocking.evalsha(sha, 1, "runs"))).toBe("NOT_EXECUTED");
      proxy.pass();
      await untilReady(blocking);
      expect(await blocking.evalsha(sha, 1, "runs")).toBe(1);
    } finally {
      blocking.disconnect();
    }
  });
});

describe("with a Redis that is stopped", () => {
  test("a call times out as UNKNOWN, and ran at most once when Redis goes on", async () => {
    await server.kill("SIGSTOP");
    const outcome = await outcomeOf(run());
    await server.kill("SIGCONT");
    expect(outcome).toBe("UNKNOWN");
    await comeBack();
    expect(await runs()).toBeLessThanOrEqual(1);
    const before = await runs();
    expect(await run()).toBe(before + 1);
  });

  test("calls that go on being made while it stands each run at most once", async () => {
    await server.kill("SIGSTOP");
    const outcomes: string[] = [];
    // Longer than a socket may be silent: the client gives its connection up meanwhile.
    await until("the client reconnects", async () => {
      outcomes.push(await outcomeOf(run()));
      return redis.status === "ready" ? undefined : true;
    });
    await server.kill("SIGCONT");
    expect(outcomes).not.toContain("EXECUTED");
    await comeBack();
    expect(await runs()).toBeLessThanOrEqual(outcomes.length);
    const before = await runs();
    expect(await run()).toBe(before + 1);
  });
});

describe("with a connection that is open and carries nothing", () => {
  test("a call that never arrived is not made later", async () => {
    proxy.blackhole();
    expect(await outcomeOf(run())).toBe("UNKNOWN");
    proxy.cut();
    await comeBack();
    expect(await run()).toBe(1);
  });

  test("the client notices by itself and makes another connection", async () => {
    proxy.blackhole();
    const before = await outcomeOf(run());
    await isDown();
    await comeBack();
    expect(before).toBe("UNKNOWN");
    expect(await run()).toBe(1);
  });

  test("a blocking read is given up, too", async () => {
    const blocking = createBlockingRedis(proxy.url, log, 100);
    try {
      await untilReady(blocking);
      proxy.blackhole();
      expect(await outcomeOf(blocking.xread("BLOCK", 100, "STREAMS", "s", "$"))).toBe("UNKNOWN");
      await untilReady(blocking);
      expect(await blocking.xread("BLOCK", 1, "STREAMS", "s", "$")).toBeNull();
    } finally {
      blocking.disconnect();
    }
  });
});
