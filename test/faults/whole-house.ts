import { Redis } from "ioredis";
import { createAsker } from "../../scripts/drill/ask.ts";
import { createJournal } from "../../scripts/drill/journal.ts";
import type { Offer } from "../../scripts/drill/shopper-plan.ts";
import { stockUp } from "../../scripts/drill/stock-up.ts";
import { startProxy } from "../redis/tcp-proxy.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { createCrowd } from "./crowd.ts";

/** Much of one product, and so little of the other that it is soon sold out. */
const OFFER: Offer = new Map([
  ["plenty", 100_000],
  ["scarce", 30],
]);

export type Server = { url: string; port: number; close: () => Promise<void> };
export type WholeHouse<R extends Server = Server> = Awaited<ReturnType<typeof openWholeHouse<R>>>;
type Part = { name?: string; env?: Record<string, string>; root?: string };

/**
 * A whole Holdfast: Redis, a database, and an API and a worker as processes of their own, with a proxy
 * before each store. What its shoppers are told is in `journal`, from the first one on.
 * @param servers.redis another one than freshRedis() starts
 * @param servers.postgres another one than the Postgres that all tests share
 * @param redis_user a user and password for the processes, `name:password@`
 */
export async function openWholeHouse<R extends Server>(servers: {
  redis: R;
  postgres?: Server;
  redis_user?: string;
}) {
  const { redis } = servers;
  const database = await openDatabase(servers.postgres);
  const admin = new Redis(redis.url, { protocol: 2, maxRetriesPerRequest: null });
  admin.on("error", () => {}); // it may be away: who asks it waits
  const redis_proxy = await startProxy(redis.port);
  const postgres_proxy = await startProxy(Number(new URL(database.url).port));
  const journal = createJournal();
  const processes: TestProcess[] = [];
  const closers: (() => Promise<void> | void)[] = [];

  const urls = {
    REDIS_URL: `redis://${servers.redis_user ?? ""}127.0.0.1:${redis_proxy.port}`,
    DATABASE_URL: at(database.url, postgres_proxy.port),
  };

  async function start(spawn: typeof spawnApi, { env = {}, name = "w", root }: Part) {
    const started = await spawn({ ...urls, WORKER_NAME: name, ...env }, root);
    processes.push(started);
    return started;
  }
  const startApi = (part: Part = {}) => start(spawnApi, part);
  const startWorker = (part: Part = {}) => start(spawnWorker, part);

  async function close() {
    // Of a test that has failed in the middle of its fault: whoever is there must be able to leave.
    for (const proxy of [redis_proxy, postgres_proxy]) {
      proxy.pass();
      proxy.cut();
    }
    for (const closer of closers) await closer();
    await Promise.all(processes.map((process) => process.kill()));
    admin.disconnect();
    await Promise.all([redis_proxy.close(), postgres_proxy.close()]);
    await redis.close();
    await database.close();
  }

  try {
    // The API is ready once a worker has admitted Redis, and not before.
    const [worker, api] = await Promise.all([startWorker(), startApi()]);
    const stores = {
      database_url: database.url,
      withRedis: <T>(work: (redis: Redis) => Promise<T>) => work(admin),
    };
    await stockUp({ ...stores, api_url: api.url }, OFFER);
    const asker = createAsker(api.url, () => 0);
    const crowd = createCrowd({ offer: OFFER, asker, journal });
    closers.push(crowd.leave, asker.close);
    return {
      ...{ redis, admin, api, worker, redis_proxy, postgres_proxy, crowd, journal, startApi },
      ...{ startWorker, stores, offer: OFFER, close },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openDatabase(postgres: Server | undefined) {
  return postgres ?? (await freshDatabase());
}

function at(url: string, port: number): string {
  const moved = new URL(url);
  moved.hostname = "127.0.0.1";
  moved.port = String(port);
  return moved.href;
}

/** The one that most tests have, with a Redis as durable as the real one. */
export const openHouse = async (redis_args: string[] = []) =>
  openWholeHouse({ redis: await freshRedis(redis_args) });
