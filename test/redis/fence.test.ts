import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { until } from "../../scripts/until.ts";
import { Recovering, RedisFault } from "../../src/redis/outcome.ts";
import { readScripts } from "../../src/redis/scripts.ts";
import { dumpAll } from "../lua/script-side.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

type Side = Awaited<ReturnType<typeof openDecidingSide>>;
/**
 * Looks every 20 ms for a second. They are counted, and not the time: a machine that stands still for a while
 * takes it from those who look as well.
 */
const SERVED_LOOKS_MAX = 50;

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
  await admin.script("FLUSH"); // or scripts of another test's generations would still be there
  await emptyRedis(admin);
  await admin.set("stock:phone", "100");
  side = await openDecidingSide(proxy.url);
});
afterEach(async () => {
  await side.close();
  proxy.aim(server.port);
  proxy.pass();
});
afterAll(async () => {
  admin.disconnect();
  await proxy.close();
  await server.close();
});

const phone = { sku: "phone", store_id: "main" };
const create = (key: string, { of = side, ms = 5_000 } = {}) =>
  of.inventory.createHold(
    {
      lines: [{ ...phone, quantity: 1 }],
      user_id: "user-1",
      ttl_seconds: 600,
      idempotency_key: key,
    },
    callContext(ms),
  );
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => "no failure",
    (error: unknown) => error,
  );
const sold = async () => 100 - Number(await admin.get("stock:phone"));
const callsOf = async (command: string, redis = admin) => {
  const stats = await redis.info("commandstats");
  return Number(
    new RegExp(`^cmdstat_${command.replace("|", "\\|")}:calls=(\\d+)`, "m").exec(stats)?.[1] ?? 0,
  );
};

/** Everything that a process of ours asks Redis to do, or to read by its scripts. */
function everyCall(hold_id: string): Record<string, () => Promise<unknown>> {
  const { inventory, stock } = side;
  const context = callContext();
  const change = { ...phone, operation: "ADJUST" as const, units: 5, reason: "receipt" };
  return {
    createHold: () => create("another"),
    confirmHold: () => inventory.confirmHold({ hold_id, payment_ref: "pay" }, context),
    cancelHold: () => inventory.cancelHold({ hold_id, reason: "" }, context),
    expireHold: () => inventory.expireHold(hold_id, context),
    changeStock: () =>
      stock.changeStock(change, { route: "adjust", key: "k", request: [] }, context),
    transferStock: () =>
      stock.transferStock(
        { from_store: "main", to_store: "north", lines: [{ sku: "phone", quantity: 1 }] },
        "k",
        context,
      ),
    purchase: () =>
      stock.purchase(
        { sku: "phone", quantity: 1, user_id: "", policy: "round-robin" },
        "k",
        context,
      ),
  };
}

/** Expects that everything is refused and nothing done. */
async function expectClosed(hold_id: string, redis = admin): Promise<void> {
  const before = await dumpAll(redis);
  for (const [name, call] of Object.entries(everyCall(hold_id))) {
    expect([name, await failure(call())]).toEqual([name, expect.any(Recovering)]);
  }
  expect(await dumpAll(redis)).toEqual(before);
  await expect(side.scripts.checkAdmitted()).rejects.toThrow("recovering");
  expect(side.scripts.generation()).toBeNull();
}

/** Expects that a hold is made in time, by a process that nobody tells. */
async function expectServed(key: string, of = side) {
  let looks = 0;
  const hold = await until("it is served", () => {
    looks += 1;
    return create(key, { of }).catch(() => undefined);
  });
  expect(looks).toBeLessThanOrEqual(SERVED_LOOKS_MAX);
  return hold;
}

describe("when Redis may have lost data", () => {
  const LOSSES: [string, () => Promise<unknown>][] = [
    ["its scripts are flushed", () => admin.script("FLUSH")],
    ["everything is flushed", () => admin.flushall()],
    [
      "everything is flushed, and its scripts",
      () => admin.multi().flushall().script("FLUSH").exec(),
    ],
    ["its generation is gone", () => admin.del(side.keys.generation)],
    ["its generation is older", () => admin.set(side.keys.generation, "0")],
    ["its generation is newer, without scripts", () => admin.set(side.keys.generation, "7")],
    ["its generation is no number", () => admin.set(side.keys.generation, "1x")],
    [
      "its generation is a list",
      () => admin.multi().del(side.keys.generation).rpush(side.keys.generation, "1").exec(),
    ],
    ["it was restarted with its file", () => server.restart()],
    ["it was killed", () => server.kill().then(() => server.start())],
  ];

  test.each(LOSSES)(
    "%s: nothing is decided until it is admitted again, and then within a second",
    async (_, lose) => {
      const { hold_id } = await create("before");
      await lose();
      await until("it is connected", () => side.redis.status === "ready" || undefined);
      await expectClosed(hold_id);
      // Long enough for a process that would open by itself.
      const loads = await callsOf("script|load");
      await new Promise((resolve) => setTimeout(resolve, 300));
      await expectClosed(hold_id);
      expect(await callsOf("script|load")).toBe(loads);

      await admin.setnx("stock:phone", "100");
      await admin.del(side.keys.generation);
      await admit(admin, 8);
      await expectServed("after");
      expect(side.scripts.generation()).toBe(8);
      await side.scripts.checkAdmitted();
    },
  );

  test("a request that was refused is done when it is asked again", async () => {
    await admin.script("FLUSH");
    const refused = await Promise.all(
      Array.from({ length: 50 }, (_, i) => failure(create(`k${i}`))),
    );
    for (const error of refused) expect(error).toBeInstanceOf(Recovering);
    expect(await sold()).toBe(0);
    await admit(admin, 2);
    await side.scripts.learn();
    const holds = await Promise.all(refused.map((_, i) => create(`k${i}`)));
    expect(holds.filter(({ replayed }) => replayed)).toEqual([]);
    expect(await sold()).toBe(50);
  });

  test("an admission in two steps opens with the second one", async () => {
    const { hold_id } = await create("before");
    await admin.del(side.keys.generation);
    await side.scripts.load(2);
    await expectClosed(hold_id);
    await admin.set(side.keys.generation, "2");
    await expectServed("after");
  });

  test("one script that is missing keeps it closed", async () => {
    const { hold_id } = await create("before");
    await admin.script("FLUSH");
    const [, ...others] = readScripts(1).values();
    for (const { source } of others) await admin.script("LOAD", source);
    expect(await side.scripts.isAdmitted()).toBe(false);
    await expectClosed(hold_id);
  });
});

describe("a process", () => {
  test("that starts before the first admission decides nothing, and learns of it by itself", async () => {
    await admin.flushall();
    await admin.set("stock:phone", "100");
    const early = await openDecidingSide(server.url, { admits: false });
    expect(early.scripts.generation()).toBeNull();
    expect(await failure(create("k", { of: early }))).toBeInstanceOf(Recovering);
    await admit(admin);
    await expectServed("k", early);
    await early.close();
  });

  test("learns of each admission, as do all others", async () => {
    const others = await Promise.all([1, 2].map(() => openDecidingSide(server.url)));
    const all = [side, ...others];
    for (const generation of [2, 3, 4]) {
      await admit(admin, generation);
      await Promise.all(all.map((of, i) => expectServed(`${generation}-${i}`, of)));
      expect(all.map(({ scripts }) => scripts.generation())).toEqual(all.map(() => generation));
    }
    await Promise.all(others.map((other) => other.close()));
    expect(await sold()).toBe(9);
  });

  test("that believes in an older generation is refused, though its scripts are still cached", async () => {
    await admit(admin, 2);
    const before = await dumpAll(admin);
    expect(await failure(create("k"))).toBeInstanceOf(Recovering);
    expect(await dumpAll(admin)).toEqual(before);
  });

  test("asks for the generation ten times a second while it is refused, however often it is asked", async () => {
    await admin.del(side.keys.generation);
    await failure(create("first"));
    const since = performance.now();
    const [gets, calls] = [await callsOf("get"), await callsOf("evalsha")];
    const end = performance.now() + 1_000;
    let asked = 0;
    while (performance.now() < end) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => failure(create("k"))));
      for (const error of batch) expect(error).toBeInstanceOf(Recovering);
      asked += batch.length;
    }
    expect(asked).toBeGreaterThan(500);
    const looks = (await callsOf("get")) - gets;
    expect(looks).toBeGreaterThan(0);
    // However long that was: a timer may be a ms early, and one was under way at the beginning.
    expect(looks).toBeLessThanOrEqual(1 + (performance.now() - since) / 99);
    expect((await callsOf("evalsha")) - calls).toBe(0);
  });

  test("asks for it no more once it is served", async () => {
    await create("first");
    const gets = await callsOf("get");
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(await callsOf("get")).toBe(gets);
  });

  test("says that Redis is away, and not that it recovers, when it can't even be asked", async () => {
    await admin.del(side.keys.generation);
    await failure(create("k"));
    proxy.refuse();
    const error = await until("that is noticed", async () => {
      const refused = await failure(create("k"));
      return refused instanceof Recovering ? undefined : refused;
    });
    expect(error).toMatchObject({ name: "RedisFault", outcome: "NOT_EXECUTED" });
    proxy.pass();
    await admit(admin, 2);
    await until("it is back", () => side.redis.status === "ready" || undefined);
    await expectServed("k");
  });
});

describe("a request whose reply was lost", () => {
  /** It takes effect, its reply is lost, and Redis is not admitted any more. */
  async function loseReply(ms: number) {
    const sha = readScripts(1).get("create_holds")?.sha ?? "";
    proxy.dropRepliesFrom(sha);
    const answer = create("k", { ms });
    answer.catch(() => undefined);
    await until("it took effect", async () => ((await sold()) === 1 ? true : undefined));
    await admin.del(side.keys.generation);
    proxy.cut();
    proxy.pass();
    return answer;
  }

  test("stays unknown while Redis is not admitted", async () => {
    const error = await failure(loseReply(1_000));
    expect(error).toBeInstanceOf(RedisFault);
    expect(error).not.toBeInstanceOf(Recovering);
    expect(error).toMatchObject({ outcome: "UNKNOWN" });
    expect(await sold()).toBe(1);
  });

  test("gets its answer when Redis is admitted in time, and takes effect once", async () => {
    const answer = loseReply(10_000);
    await until("it is refused", () => (side.scripts.generation() === null ? true : undefined));
    await admit(admin, 2);
    expect((await answer).replayed).toBe(false);
    expect(await sold()).toBe(1);
  });
});

describe("a replica", () => {
  let replica: Awaited<ReturnType<typeof freshRedis>>;
  let onReplica: Redis;
  beforeEach(async () => {
    replica = await freshRedis();
    onReplica = new Redis(replica.url);
    for (const redis of [admin, onReplica]) {
      await redis.config("SET", "repl-diskless-sync-delay", "0"); // no other replica to wait for
    }
    await onReplica.replicaof("127.0.0.1", server.port);
    await untilEqual();
  });
  afterEach(async () => {
    onReplica.disconnect();
    await admin.replicaof("NO", "ONE");
    await replica.close();
  });

  const untilEqual = () =>
    until("both have the same", async () => {
      const [one, other] = [await dumpAll(admin), await dumpAll(onReplica)];
      return JSON.stringify(one) === JSON.stringify(other) ? true : undefined;
    });

  async function promote(redis: Redis, { port }: { port: number }) {
    await untilEqual();
    await redis.replicaof("NO", "ONE");
    proxy.aim(port);
    await until("the API is connected to it", async () => {
      const info = await side.redis.info("server").catch(() => "");
      return info.includes(`tcp_port:${port}\r`) || undefined;
    });
    // A call may still meet the end of the old connection: it has done nothing, and says so.
    await until(
      "a call comes to it, and is refused",
      async () => (await failure(create("early"))) instanceof Recovering || undefined,
    );
  }

  test("that is promoted has the key and none of the scripts: it decides nothing until it is admitted", async () => {
    const { hold_id } = await create("before");
    await promote(onReplica, replica);
    expect(await onReplica.get(side.keys.generation)).toBe("1");
    await expectClosed(hold_id, onReplica);
    expect(await callsOf("script|load", onReplica)).toBe(0);
    await onReplica.del(side.keys.generation);
    await admit(onReplica, 2);
    await expectServed("after");
    expect((await create("before")).hold_id).toBe(hold_id);
    expect(await sold()).toBe(1); // the former master, which nobody asks any more
  });

  test("that was the master before is refused, though it still has scripts of its time", async () => {
    const { hold_id } = await create("before");
    await promote(onReplica, replica);
    await onReplica.del(side.keys.generation);
    await admit(onReplica, 2);
    await expectServed("after");
    await admin.replicaof("127.0.0.1", replica.port);
    await untilEqual();
    const shas = [...readScripts(1).values()].map(({ sha }) => sha);
    expect(await admin.script("EXISTS", ...shas)).toEqual(shas.map(() => 1));

    await promote(admin, server);
    await expectClosed(hold_id);
  });
});
