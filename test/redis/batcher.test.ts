import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { until } from "../../scripts/until.ts";
import { monotonicNow } from "../../src/now.ts";
import { createBatcher } from "../../src/redis/batcher.ts";
import { createClock } from "../../src/redis/clock.ts";
import { Overloaded, Recovering, RedisFault } from "../../src/redis/outcome.ts";
import type { ScriptName } from "../../src/redis/scripts.ts";
import { parseInfo } from "../../src/redis/server-check.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

type Side = Awaited<ReturnType<typeof openDecidingSide>>;
let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let proxy: TcpProxy;
let side: Side;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  proxy = await startProxy(server.port);
});
beforeEach(async () => {
  await emptyRedis(admin);
  await admin.set("stock:phone", "1000000");
  side = await openDecidingSide(proxy.url);
});
afterEach(async () => {
  await server.kill("SIGCONT");
  proxy.pass();
  await side.close();
});
afterAll(async () => {
  admin.disconnect();
  await proxy.close();
  await server.close();
});

const LONG_MS = 20_000;
const input = (key: string, quantity = 1) => ({
  lines: [{ sku: "phone", store_id: "main", quantity }],
  user_id: "user-1",
  ttl_seconds: 600,
  idempotency_key: key,
});
const create = (key: string, ms = LONG_MS) =>
  side.inventory.createHold(input(key), callContext(ms));
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => "no failure",
    (error: unknown) => (error instanceof RedisFault ? error.outcome : error),
  );
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const sold = async () => 1_000_000 - Number(await admin.get("stock:phone"));
const callsOf = async (command: string) => {
  const stats = parseInfo(await admin.info("commandstats"));
  return Number(/calls=(\d+)/.exec(stats[`cmdstat_${command}`] ?? "")?.[1] ?? 0);
};

/** A batcher that notes each call it makes; the calls themselves are real. */
function countedBatcher(queue_max = 4_096) {
  const calls: { script: ScriptName; size: number; keys: number }[] = [];
  let in_flight = 0;
  let in_flight_max = 0;
  const batcher = createBatcher({
    async call(script, keys, args) {
      calls.push({ script, size: Number(args[0]), keys: keys.length });
      in_flight += 1;
      in_flight_max = Math.max(in_flight_max, in_flight);
      try {
        return await side.scripts.call(script, keys, args);
      } finally {
        in_flight -= 1;
      }
    },
    keys: side.keys,
    clock: createClock(),
    queue_max,
  });
  const read = (hold_id: string, ms = LONG_MS) =>
    batcher.submit(
      "read_holds",
      { keys: [side.keys.hold(hold_id)], args: ["HOLD"] },
      Date.now() + ms,
    );
  return { ...batcher, read, calls, inFlightMax: () => in_flight_max };
}

describe("group commit", () => {
  test("answers a thousand requests in calls of at most 128, at most two at a time", async () => {
    const counted = countedBatcher();
    await admin.hset("hold:H-7", "field", "7");
    const tuples = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => counted.read(`H-${i}`)),
    );
    counted.stop();
    expect(tuples.filter(([word]) => word === "HOLD")).toHaveLength(1);
    expect(tuples[7]).toEqual(["HOLD", "field", "7"]);
    expect(counted.calls.map(({ size }) => size)).toEqual([...Array(7).fill(128), 104]);
    expect(counted.inFlightMax()).toBe(2);
  });

  test("sends a request that is alone at once, and those that come meanwhile together", async () => {
    const counted = countedBatcher();
    await counted.read("H-alone");
    const first = counted.read("H-1");
    await nextTurn();
    const second = counted.read("H-2");
    await nextTurn();
    const others = Array.from({ length: 10 }, (_, i) => counted.read(`H-other-${i}`));
    await nextTurn();
    await Promise.all([first, second, ...others]);
    counted.stop();
    expect(counted.calls[0]).toEqual({ script: "read_holds", size: 1, keys: 1 });
    expect(counted.calls.map(({ size }) => size).reduce((a, b) => a + b)).toBe(13);
    expect(counted.inFlightMax()).toBeLessThanOrEqual(2);
  });

  test.each([
    [4_094, 1, [2]],
    [4_095, 1, [2]],
    [4_096, 1, [1, 1]],
    [4_095, 2, [1, 1]],
    [9_000, 9_000, [1, 1]],
    [1, 4_095, [2]],
  ])(
    "sends requests of %d and %d keys in calls of %j: wide ones make small calls",
    async (...[first, second, sizes]) => {
      const counted = countedBatcher();
      const wide = (count: number) => {
        const keys = Array.from({ length: count }, (_, i) => `key-${i}`);
        return counted.submit("read_holds", { keys, args: ["LINES"] }, Date.now() + LONG_MS);
      };
      // A request that takes fewer keys than it brings: what the others of its call get is not asked here.
      await Promise.all([wide(first), wide(second)]);
      counted.stop();
      expect(counted.calls.map(({ size }) => size)).toEqual(sizes);
    },
  );

  test("gives the shared keys to scripts that write, and not to those that read", async () => {
    const counted = countedBatcher();
    const event = ["event", "request", "H-1", "", "0"];
    await counted.read("H-1");
    await counted.submit("read_stocks", { keys: ["s"], args: ["0", "0"] }, Date.now() + LONG_MS);
    await counted.submit("expire_holds", { keys: ["h"], args: event }, Date.now() + LONG_MS);
    counted.stop();
    expect(counted.calls.map(({ keys }) => keys)).toEqual([1, 1, 10]);
  });

  test("refuses what its queue has no place for, and answers the rest", async () => {
    const counted = countedBatcher(10);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => counted.read(`H-${i}`).catch((error: unknown) => error)),
    );
    counted.stop();
    expect(answers.map((answer) => answer instanceof Overloaded)).toEqual([
      ...Array(10).fill(false),
      true,
      true,
    ]);
  });

  test("refuses at once who would wait for more than a quarter of its time, and nobody who has time", async () => {
    const counted = countedBatcher(100_000);
    const many = (ms: number) =>
      Promise.all(
        Array.from({ length: 3_000 }, (_, i) =>
          counted.read(`H-${i}`, ms).catch((error: unknown) => error),
        ),
      );
    const refused = (answers: unknown[]) =>
      answers.filter((answer) => answer instanceof Overloaded).length;
    expect(refused(await many(LONG_MS))).toBe(0); // how fast they are is known from here on
    const patient = many(LONG_MS);
    const hasty = await many(1);
    expect(refused(hasty)).toBe(3_000);
    expect(refused(await patient)).toBe(0);
    expect(await counted.read("H-1", LONG_MS)).toEqual(["HOLD_NOT_FOUND"]);
    counted.stop();
  });

  test("has places again when the queue is empty", async () => {
    const counted = countedBatcher(1);
    for (let i = 0; i < 5; i += 1) expect(await counted.read("H-1")).toEqual(["HOLD_NOT_FOUND"]);
    counted.stop();
  });

  test("a bad request leaves those it travels with alone", async () => {
    const contexts = callContext(LONG_MS);
    const answers = await Promise.allSettled([
      create("a"),
      side.inventory.createHold(input("b", 0), contexts),
      side.inventory.createHold(
        { ...input("c"), lines: [{ sku: "ghost", store_id: "main", quantity: 1 }] },
        contexts,
      ),
      create("d"),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
    expect(await sold()).toBe(2);
  });

  test("lets no script wait for the whole queue of another", async () => {
    const counted = countedBatcher();
    const reads = Array.from({ length: 2_000 }, (_, i) => counted.read(`H-${i}`));
    const other = counted.submit(
      "expire_holds",
      { keys: ["hold:H-1"], args: ["event", "request", "H-1", "", "0"] },
      Date.now() + LONG_MS,
    );
    expect(await other).toEqual(["HOLD_NOT_FOUND"]);
    await Promise.all(reads);
    counted.stop();
    expect(counted.calls.length).toBe(17);
    expect(counted.calls.findIndex(({ script }) => script === "expire_holds")).toBe(1);
  });

  test("does each request once, however often Redis loses its scripts meanwhile", async () => {
    let refused = 0;
    const createAdmitted = async (key: string): ReturnType<typeof create> => {
      try {
        return await create(key);
      } catch (error) {
        if (!(error instanceof Recovering)) throw error;
        refused += 1;
        await admit(admin);
        await side.scripts.learn();
        return createAdmitted(key);
      }
    };
    const holds = [];
    for (let round = 0; round < 10; round += 1) {
      const flushed = admin.script("FLUSH");
      for (let i = 0; i < 20; i += 1) holds.push(createAdmitted(`${round}-${i}`));
      await flushed;
      await Promise.all(holds);
    }
    const answers = await Promise.all(holds);
    expect(new Set(answers.map(({ hold_id }) => hold_id)).size).toBe(200);
    expect(answers.some(({ replayed }) => replayed)).toBe(false);
    expect(await sold()).toBe(200);
    expect(refused).toBeGreaterThan(10);
  });
});

describe("a request's deadline", () => {
  test("ends its wait for a stopped Redis as UNKNOWN, and it has no effect afterwards", async () => {
    await create("warm-up");
    const before = await callsOf("evalsha");
    await server.kill("SIGSTOP");
    expect(await failure(create("late", 500))).toBe("UNKNOWN");
    const over = Date.now() + 10; // by Redis's clock, too, which counts whole ms
    await until("the deadline is over", () => (Date.now() > over ? true : undefined));
    await server.kill("SIGCONT");
    await until("Redis has run what lay in its socket", async () =>
      (await callsOf("evalsha")) > before ? true : undefined,
    );
    expect(await sold()).toBe(1);
    expect(await admin.xlen(side.keys.stream)).toBe(1);
    expect(await admin.exists(side.keys.idem("reserve", "late"))).toBe(0);
  });

  test("ends its wait in the queue as NOT_EXECUTED", async () => {
    const counted = countedBatcher();
    await server.kill("SIGSTOP");
    const sent = [failure(counted.read("H-1"))];
    await nextTurn();
    await nextTurn();
    sent.push(failure(counted.read("H-2")));
    await nextTurn();
    await nextTurn();
    expect(counted.calls).toHaveLength(2);
    expect(await failure(counted.read("H-3", 200))).toBe("NOT_EXECUTED");
    await server.kill("SIGCONT");
    expect(await Promise.all(sent)).toEqual(["no failure", "no failure"]);
    counted.stop();
  });

  test("that was over before is NOT_EXECUTED, by the script's own look at the time", async () => {
    await create("warm-up");
    // Over by Redis's clock alone. By ours, too, and our own look ten times a second might be the first.
    const now = monotonicNow();
    side.clock.learn(side.clock.now() - 60_000, now, now);
    expect(await failure(create("over"))).toBe("NOT_EXECUTED");
    expect(await sold()).toBe(1);
  });

  test("is kept for what is in flight when nothing ever comes back", async () => {
    proxy.blackhole();
    expect(await failure(create("lost", 700))).toBe("UNKNOWN");
  });
});

test("without a connection a request is NOT_EXECUTED long before its deadline", async () => {
  proxy.refuse();
  await until("it is noticed", () => (side.redis.status === "ready" ? undefined : true));
  const deadline = Date.now() + 600_000;
  expect(await failure(create("k", 600_000))).toBe("NOT_EXECUTED");
  expect(Date.now()).toBeLessThan(deadline);
});
