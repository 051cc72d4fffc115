import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { createLog } from "../../src/log.ts";
import { createRedis, untilReady } from "../../src/redis/client.ts";
import { readScripts } from "../../src/redis/scripts.ts";
import { loadBeside, witnessOf } from "../../src/redis/witness.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

// Two versions of Holdfast, whose scripts differ, on one Redis: as while one takes the other's place.
const GENERATION = 3;
const texts = [...readScripts(GENERATION).values()].map(({ source }) => source);
const shas = [...readScripts(GENERATION).values()].map(({ sha }) => sha);

let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let proxy: TcpProxy;
let redis: Redis;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  proxy = await startProxy(server.port);
});
beforeEach(async () => {
  await admin.flushall();
  await admin.script("FLUSH");
  await admin.set("stock:phone", "100");
  redis = createRedis(proxy.url, createLog("api", "silent"));
  await untilReady(redis);
});
afterEach(() => {
  redis.disconnect();
  proxy.pass();
  proxy.aim(server.port);
});
afterAll(async () => {
  admin.disconnect();
  await proxy.close();
  await server.close();
});

/** What another version leaves behind that admits Redis: its own scripts are none of ours. */
async function admitByAnotherVersion() {
  await admin.script("LOAD", witnessOf(GENERATION).source);
  await admin.script("LOAD", "#!lua\nreturn 'of another version'");
  await admin.set("inventory.generation", GENERATION);
}

const known = async (of = admin) =>
  ((await of.script("EXISTS", ...shas)) as number[]).filter((one) => one === 1).length;

const reserve = (side: Awaited<ReturnType<typeof openDecidingSide>>) =>
  side.inventory.createHold(
    {
      lines: [{ sku: "phone", store_id: "main", quantity: 1 }],
      ...{ user_id: "ann", ttl_seconds: 600, idempotency_key: "k" },
    },
    callContext(),
  );

describe("a process that meets the admission of another version", () => {
  test("adds its own scripts, and serves under the same generation", async () => {
    await admitByAnotherVersion();
    const side = await openDecidingSide(server.url, { admits: false });
    await reserve(side);
    expect(side.scripts.generation()).toBe(GENERATION);
    expect(await admin.get("inventory.generation")).toBe(String(GENERATION));
    expect(await known()).toBe(shas.length);
    await side.close();
  });

  test("adds nothing where the witness is of another generation, or was forgotten", async () => {
    await admitByAnotherVersion();
    await admin.set("inventory.generation", GENERATION + 1);
    const side = await openDecidingSide(server.url, { admits: false });
    expect(await side.scripts.isAdmitted()).toBe(false);
    await admin.set("inventory.generation", GENERATION);
    await admin.script("FLUSH");
    expect(await side.scripts.isAdmitted()).toBe(false);
    expect(await known()).toBe(0);
    await side.close();
  });

  test("adds nothing to a Redis that has been restarted", async () => {
    await admitByAnotherVersion();
    await server.restart();
    const side = await openDecidingSide(server.url, { admits: false });
    expect(await side.scripts.isAdmitted()).toBe(false);
    expect(await known()).toBe(0);
    await side.close();
  });
});

describe("scripts are loaded beside another version's", () => {
  test("where the witness is, and nowhere else", async () => {
    expect(await loadBeside(redis, GENERATION, texts)).toBe(false);
    expect(await known()).toBe(0);
    await admitByAnotherVersion();
    expect(await loadBeside(redis, GENERATION, texts)).toBe(true);
    expect(await known()).toBe(shas.length);
  });

  test("never into another Redis than the one that has shown its witness", async () => {
    await admitByAnotherVersion();
    const promoted = await freshRedis();
    const onPromoted = new Redis(promoted.url);
    // It has shown it, and at this moment every connection is to another one.
    proxy.rewriteReplies((text) => {
      if (text === "*1\r\n:1\r\n") setImmediate(() => proxy.aim(promoted.port));
      return text;
    });
    const loading = loadBeside(redis, GENERATION, texts);
    await expect(loading).rejects.toThrow();
    await until("the client is connected to that other one", () =>
      redis.get("stock:phone").then(
        (units) => units === null || undefined,
        () => undefined,
      ),
    );
    expect(await known(onPromoted)).toBe(0);
    onPromoted.disconnect();
    await promoted.close();
  });
});

test("the witness has the same text in every version, or two of them would never agree", () => {
  expect(witnessOf(1).source).toBe('#!lua flags=no-writes\nreturn "admitted with generation 1"\n');
});
