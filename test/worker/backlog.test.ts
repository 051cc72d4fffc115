import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import autocannon from "autocannon";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { createStream } from "../../src/redis/stream.ts";
import { postJson } from "../http/shop.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshPostgres, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "./books.ts";
import { metricOf } from "./parts.ts";
import { emptyLedger, query } from "./query.ts";
import { brokenPromises, startTraffic } from "./traffic.ts";

const TEST_MS_MAX = 180_000;
const LIMIT = 400;
/** What eight clients may decide while it does not look. */
const OVERSHOT = 200;
const CLIENTS = 500;

const keys = createKeys("main");
const server = await freshRedis();
const postgres = await freshPostgres();
let redis: Redis;
let api: TestProcess;
let worker: TestProcess;
let traffic: ReturnType<typeof startTraffic> | undefined;

beforeEach(async () => {
  await emptyLedger(postgres.url);
  redis = new Redis(server.url);
  await redis.config("SET", "maxmemory", "0");
  await emptyRedis(redis);
  await redis.set("stock:tea", 1_000_000);
  const urls = { REDIS_URL: server.url, DATABASE_URL: postgres.url };
  worker = await spawnWorker(urls);
  api = await spawnApi({ ...urls, BACKLOG_LIMIT: String(LIMIT) });
});

afterEach(async () => {
  await postgres.restart(); // a test that failed may have left it stopped
  await traffic?.stop();
  traffic = undefined;
  await worker.kill();
  await api.kill();
  redis.disconnect();
});

afterAll(async () => {
  await server.close();
  await postgres.close();
});

const post = (path: string, body: unknown) =>
  postJson(`${api.url}${path}`, body, { "Idempotency-Key": randomUUID() });
const reserve = () => post("/holds/reserve", { sku: "tea", qty: 1, user_id: "ann" });
const isFull = () => metricOf(api, "holdfast_backlog_full");
const untilFull = (full: number) =>
  until(
    `the backlog is ${full ? "full" : "not full"}`,
    async () => (await isFull()) === full || undefined,
    60_000,
  );
const linesWith = (text: string) => api.output().split(text).length - 1;

async function expectOverloaded(answer: Promise<Awaited<ReturnType<typeof post>>>, why: string) {
  const { status, body, headers } = await answer;
  expect({ status, code: body.code, detail: body.detail }).toEqual({
    status: 503,
    code: "OVERLOADED",
    detail: expect.stringContaining(why),
  });
  expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(5);
}

async function expectBooksRight() {
  await untilRecorded(redis, postgres.url, 60_000);
  expect(await compareBooks(redis, postgres.url)).toEqual([]);
  const seqs = await query<{ seq: number }>(
    postgres.url,
    "select seq::int from processed_events order by recorded_id",
  );
  expect(seqs.map(({ seq }) => seq)).toEqual(seqs.map((_, i) => i + 1));
}

/** Asks without a pause, whatever the answers say. */
const storm = (amount: number) =>
  autocannon({
    url: `${api.url}/holds/reserve`,
    connections: CLIENTS,
    amount,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sku: "tea", qty: 1, user_id: "bob", idempotency_key: "stormy" }),
  });

test(
  "without Postgres the sale goes on up to the limit, holds still end, and afterwards all is recorded in order",
  async () => {
    const going = startTraffic({ url: api.url, sku: "tea" });
    traffic = going;
    await until("some units are sold", () => (going.counts.CONFIRMED > 10 ? true : undefined));
    const [sold, given_back] = [await reserve(), await reserve()];
    const before = going.counts.RESERVED;
    await postgres.stop();
    await until("the sale goes on", () => (going.counts.RESERVED > before + 50 ? true : undefined));
    await untilFull(1);

    const lines = [{ sku: "tea", storeId: "main", qty: 1 }];
    await expectOverloaded(reserve(), `${LIMIT} events wait to be recorded in Postgres`);
    await expectOverloaded(post("/v1/reservations", { lines }), "events wait");
    await expectOverloaded(
      post("/v1/purchase", { sku: "tea", qty: 1, policy: "highest-available" }),
      "events wait",
    );
    await expectOverloaded(
      post("/v1/adjustments", { sku: "tea", storeId: "main", delta: 1, reason: "manual" }),
      "events wait",
    );
    const { hold_id } = sold.body;
    expect(await post("/holds/confirm", { hold_id, payment_ref: "p" })).toMatchObject({
      status: 200,
    });
    expect(await post("/holds/cancel", { hold_id: given_back.body.hold_id })).toMatchObject({
      status: 200,
    });
    const ready = await (await fetch(`${api.url}/ready`)).json();
    expect(ready).toMatchObject({ missing: { backlog: expect.stringContaining("events wait") } });
    const unrecorded = await createStream(redis, keys).countUnrecorded();
    expect(unrecorded).toBeGreaterThanOrEqual(LIMIT);
    expect(unrecorded).toBeLessThan(LIMIT + OVERSHOT);

    await postgres.start();
    await untilFull(0);
    const { RESERVED } = going.counts;
    await until("it sells again", () => (going.counts.RESERVED > RESERVED + 50 ? true : undefined));
    await going.stop();
    expect(going.odd).toEqual([]);
    // Nobody was sent away for anything but the backlog. How soon it is full is the machine's to say: it may
    // be so before Postgres has stopped.
    expect([...going.sent_away_for]).toEqual(["OVERLOADED"]);
    expect(await brokenPromises(redis, going.told)).toEqual([]);
    await expectBooksRight();
    expect(linesWith('"nothing new is taken on"')).toBe(1);
    expect(linesWith('"new requests are taken on again"')).toBe(1);
    expect(linesWith('"requests can\'t be served"')).toBe(0);
  },
  TEST_MS_MAX,
);

test(
  "five hundred clients who hammer at a full backlog change nothing, and make nothing grow",
  async () => {
    await postgres.stop();
    while ((await isFull()) === 0) await Promise.all(Array.from({ length: 50 }, reserve));
    const memory = () => metricOf(api, "process_resident_memory_bytes");
    const decided = await redis.get(keys.seq);
    const first = await storm(10_000);
    const [rss, bytes] = [await memory(), await redis.memory("USAGE", keys.stream)];
    const second = await storm(20_000);
    for (const { non2xx, statusCodeStats, errors, timeouts } of [first, second]) {
      expect(statusCodeStats).toEqual({ "503": { count: non2xx } });
      expect([errors, timeouts]).toEqual([0, 0]);
    }
    expect(first["2xx"] + second["2xx"]).toBe(0);
    expect((await memory()) - rss).toBeLessThan(50_000_000);
    expect(await metricOf(api, "holdfast_queue_length")).toBe(0);
    expect(await redis.memory("USAGE", keys.stream)).toBe(bytes);
    expect(await redis.get(keys.seq)).toBe(decided);
    expect(await metricOf(api, 'holdfast_shed_total{because="BACKLOG"}')).toBeGreaterThanOrEqual(
      30_000,
    );

    await postgres.start();
    await untilFull(0);
    expect((await reserve()).status).toBe(201);
    await expectBooksRight();
  },
  TEST_MS_MAX,
);

test(
  "a Redis with little memory is never asked for more than it has, and has room again once all is recorded",
  async () => {
    await api.kill();
    api = await spawnApi({ REDIS_URL: server.url, DATABASE_URL: postgres.url });
    await redis.config("SET", "maxmemory", String(10 * 1024 * 1024));
    const held = await reserve();
    await postgres.stop();
    const codes = new Set<unknown>();
    while ((await isFull()) === 0) {
      const answers = await Promise.all(Array.from({ length: 100 }, reserve));
      for (const { status, body } of answers) codes.add(body.code ?? status);
    }
    await expectOverloaded(reserve(), "Redis uses 90 % of its maxmemory");
    expect([...codes].filter((code) => code !== "OVERLOADED")).toEqual([201]);
    const { hold_id } = held.body;
    expect((await post("/holds/confirm", { hold_id, payment_ref: "p" })).status).toBe(200);
    expect(await redis.info("errorstats")).not.toContain("errorstat_OOM");

    await postgres.start();
    await untilFull(0);
    expect((await reserve()).status).toBe(201);
    await expectBooksRight();
  },
  TEST_MS_MAX,
);
