import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until as untilWithin } from "../../scripts/until.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { readScripts } from "../../src/redis/scripts.ts";
import { callsTo } from "../http/v1/back-office.ts";
import { startProxy, type TcpProxy } from "../redis/tcp-proxy.ts";
import { admitAt } from "../setup/admit-at.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";

// What takes two steps, and loses whoever takes them in between.

const TEST_MS_MAX = 180_000;
const WITHIN_MS = 60_000;
const keys = createKeys("main");

const until = <T>(what: string, look: () => Promise<T | undefined>) =>
  untilWithin(what, look, WITHIN_MS);

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let redis: Redis;
let proxy: TcpProxy;
let processes: TestProcess[];

beforeEach(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  proxy = await startProxy(server.port);
  redis = new Redis(server.url, { protocol: 2 });
  processes = [];
  await admitAt(server.url);
});

afterEach(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  redis.disconnect();
  await proxy.close();
  await Promise.all([server.close(), database.close()]);
});

/** One that reaches Redis through the proxy, which stays when it is killed. */
async function start(spawn: typeof spawnApi): Promise<TestProcess> {
  const urls = { REDIS_URL: proxy.url, DATABASE_URL: database.url };
  const started = await spawn({ ...urls, REQUEST_BUDGET_MS: "20000" });
  processes.push(started);
  return started;
}
const startApi = async () => {
  const api = await start(spawnApi);
  return { ...api, ...callsTo(api.url) };
};
const stockOf = async (sku: string) => {
  const held = await redis.hget(keys.item(sku, "main"), "held");
  return [Number(await redis.get(keys.stock(sku, "main"))), Number(held)];
};

/** Nobody has recorded anything twice, or left anything out. */
async function expectBooks() {
  await untilRecorded(redis, database.url);
  expect(await compareBooks(redis, database.url)).toEqual([]);
}

/** Sells five of tea, of which none are left, has it recorded, and kills the worker. */
async function sellAll() {
  await redis.set(keys.stock("tea", "main"), 5);
  const [api, worker] = await Promise.all([startApi(), start(spawnWorker)]);
  const { status, body, text } = await api.post("/v1/purchase", { sku: "tea", qty: 5 });
  if (status !== 202) throw new Error(text);
  await untilRecorded(redis, database.url);
  await worker.kill();
  return { api, path: `/v1/orders/${body.orderId}:return` };
}

const promises = () =>
  query<{ returned_at: Date | null }>(database.url, "select returned_at from order_returns");

test.each([
  ["before Redis hears of it", "part", 0],
  ["after Redis has done it", "dropReplies", 2],
] as const)(
  "a return whose API and worker are killed %s is done once, and its key knows it",
  async (_, fault, units) => {
    const { api, path } = await sellAll();
    const wish = { lines: [{ sku: "tea", qty: 2 }] };
    proxy[fault]();
    const asked = api.post(path, wish, { key: "back" }).catch(() => null);
    await until("it is promised", async () =>
      (await promises()).length === 1 && (await stockOf("tea"))[0] === units ? true : undefined,
    );
    await api.kill();
    proxy.pass();
    expect((await asked)?.status).not.toBe(202);
    expect([await promises(), await stockOf("tea")]).toEqual([[{ returned_at: null }], [units, 0]]);

    // Old enough for the keeper.
    await query(database.url, "update order_returns set created_at = now() - interval '1 min'");
    const [next] = await Promise.all([startApi(), start(spawnWorker)]);
    await until("it is done", async () => (await promises())[0]?.returned_at ?? undefined);
    expect(await stockOf("tea")).toEqual([2, 0]);
    const answers = [
      await next.post(path, wish, { key: "back" }),
      await next.post(path, wish, { key: "back" }),
    ];
    for (const { status, text, headers } of answers) {
      expect([status, headers.get("idempotent-replayed")]).toEqual([202, "true"]);
      expect(text).toBe(answers[0]?.text);
    }
    expect(await stockOf("tea")).toEqual([2, 0]);
    expect(await promises()).toHaveLength(1);
    await expectBooks();
  },
  TEST_MS_MAX,
);

test(
  "those who wait keep their places, and get one offer, though who let them in and who serves them are killed",
  async () => {
    await redis.set(keys.stock("tea", "main"), 0);
    const wait = (api: Pick<Awaited<ReturnType<typeof startApi>>, "post">, customerId: string) =>
      api.post(
        "/v1/waitlist",
        { sku: "tea", qty: 1, customerId, offerSeconds: 600 },
        { key: customerId },
      );
    const killed = await startApi();
    proxy.dropReplies();
    const unheard = wait(killed, "ada").catch(() => null);
    const [id = ""] = await until("ada waits", async () => {
      const ids = await redis.zrange(keys.queue("tea"), "0", "-1");
      return ids.length > 0 ? ids : undefined;
    });
    await killed.kill();
    proxy.pass();
    expect((await unheard)?.status).not.toBe(202);

    const [api, worker] = await Promise.all([startApi(), start(spawnWorker)]);
    const first = await wait(api, "ada");
    expect(first.body).toMatchObject({ waiterId: id, position: 1 });
    expect(first.headers.get("idempotent-replayed")).toBe("true");
    const bob = (await wait(api, "bob")).body.waiterId;

    // A unit comes by redis-cli, the worker offers it, and dies before it has heard so.
    const scripts = readScripts(Number(await redis.get(keys.generation)));
    proxy.dropRepliesFrom(`EVALSHA\r\n$40\r\n${scripts.get("offer_stock")?.sha}`);
    await redis.incr(keys.stock("tea", "main"));
    const offered = `H-${id.slice(2)}`;
    await until("it is offered", async () => (await redis.exists(keys.hold(offered))) || undefined);
    await worker.kill();
    proxy.pass();
    proxy.cut();
    expect(await stockOf("tea")).toEqual([0, 1]);
    // And another one, while there is no worker.
    await redis.incr(keys.stock("tea", "main"));
    await start(spawnWorker);
    const statusOf = async (waiter: unknown) => (await api.get(`/v1/waitlist/${waiter}`)).body;
    await until("bob is offered his", async () =>
      (await statusOf(bob)).status === "OFFERED" ? true : undefined,
    );
    expect(await statusOf(id)).toMatchObject({ status: "OFFERED", reservationId: offered });
    expect(await stockOf("tea")).toEqual([0, 2]);
    expect((await redis.keys(keys.hold("*"))).length).toBe(2);
    expect((await wait(api, "ada")).text).toBe(first.text);
    await expectBooks();
  },
  TEST_MS_MAX,
);
