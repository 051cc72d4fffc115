import { readConfig, readUpConfig } from "../../src/config.ts";
import { createLog } from "../../src/log.ts";
import { connect, createPool } from "../../src/postgres/client.ts";
import { createLedger } from "../../src/postgres/ledger.ts";
import { checkMigrations } from "../../src/postgres/migrate.ts";
import { createBatcher } from "../../src/redis/batcher.ts";
import { createRedis, untilReady } from "../../src/redis/client.ts";
import { createClock } from "../../src/redis/clock.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { createScripts } from "../../src/redis/scripts.ts";
import { checkServer } from "../../src/redis/server-check.ts";
import { createStock } from "../../src/redis/stock.ts";
import { createStores } from "../../src/redis/stores.ts";
import { createStream } from "../../src/redis/stream.ts";
import { readEnvFile } from "../env-file.ts";
import { blame } from "../say.ts";
import { stackFiles } from "../stack-files.ts";

const QUEUE_MAX = 10_000;
const STATEMENT_MS_MAX = 30_000;
/** When this machine vanishes, the lock on the file goes with its connection after 25 s. */
const SESSION = {
  application_name: "holdfast-seed",
  tcp_keepalives_idle: 10,
  tcp_keepalives_interval: 5,
  tcp_keepalives_count: 3,
};

export type Servers = Awaited<ReturnType<typeof openServers>>;
export type Settings = ReturnType<typeof findSettings>;

/** From the environment, or else those of the running stack. */
export function findSettings() {
  const found = findEnvironment();
  for (const name of ["REDIS_URL", "DATABASE_URL"]) {
    if (found[name] !== undefined) continue;
    throw new Error(`${name} is not set and nothing is running: start ./scripts/up first`);
  }
  return readConfig(found);
}

/** All that must be known to check a file. */
export function findDefaultStore(): string {
  const no_servers = { REDIS_URL: "redis://none", DATABASE_URL: "postgres://none" };
  return readConfig({ ...no_servers, ...findEnvironment() }).DEFAULT_STORE;
}

function findEnvironment(): NodeJS.ProcessEnv {
  // biome-ignore lint/style/noProcessEnv: handed on as a whole to config.ts
  const set = Object.entries(process.env).filter(([, value]) => value?.trim());
  return { ...readEnvFile(stackFiles(readUpConfig()).env), ...Object.fromEntries(set) };
}

/** What decides about stock, as src/main.ts puts it together, and a connection to Postgres. */
export async function openServers({ REDIS_URL, DATABASE_URL, DEFAULT_STORE }: Settings) {
  // What goes wrong is told to the person who waits, in the end or by going on late.
  const log = createLog("api", "silent");
  const redis = createRedis(REDIS_URL, log);
  const pool = createPool(DATABASE_URL, log);
  const closers = [() => pool.end(), async () => redis.disconnect()];
  const close = async () => {
    for (const closer of closers.toReversed()) await closer();
  };
  try {
    await blame("REDIS_URL", untilReady(redis));
    await checkServer(redis, log);
    await blame("DATABASE_URL", checkMigrations(pool, { newer: "REFUSED" }));
    const client = await connect(DATABASE_URL, { statement_ms: STATEMENT_MS_MAX }, SESSION);
    closers.push(() => client.end());

    const keys = createKeys(DEFAULT_STORE);
    const clock = createClock();
    const stream = createStream(redis, keys);
    await clock.learnFrom(stream.now);
    const scripts = createScripts(redis, keys, log);
    closers.push(async () => scripts.stop());
    await scripts.learn();
    const batcher = createBatcher({ call: scripts.call, keys, clock, queue_max: QUEUE_MAX });
    closers.push(async () => batcher.stop());
    const stores = createStores(redis, keys, DEFAULT_STORE);
    const stock = createStock({ batcher, keys, stores, default_store: DEFAULT_STORE });
    const ledger = createLedger(pool);

    /** How many events Redis has decided and Postgres has not recorded. */
    async function unrecorded(): Promise<number> {
      const decided = await stream.lastSeq();
      return decided - (await ledger.readProgress()).applied_seq;
    }

    return { client, stock, unrecorded, close };
  } catch (error) {
    await close();
    throw error;
  }
}
