import { chmod, chown, copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { createLog } from "../../src/log.ts";
import { createPool } from "../../src/postgres/client.ts";
import { createRedis } from "../../src/redis/client.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshPostgres, freshRedis, runSql } from "../setup/stack.ts";
import { query } from "../worker/query.ts";

// A certificate of 127.0.0.1, signed by itself, which nobody knows but those who are told of it.
const PLACE = new URL("tls/", import.meta.url).pathname;
const CERTIFICATE = join(PLACE, "localhost.crt");
const KEY = join(PLACE, "localhost.key");
const TEST_MS_MAX = 60_000;

const tls_port = await freePort();
const redis = await freshRedis([
  ...["--tls-port", `${tls_port}`, "--tls-cert-file", CERTIFICATE, "--tls-key-file", KEY],
  ...["--tls-auth-clients", "no"],
]);
const postgres = await freshPostgres();
const admin = new Redis(redis.url);
const log = createLog("api", "silent");
const urls = {
  REDIS_URL: `rediss://127.0.0.1:${tls_port}`,
  DATABASE_URL: `${postgres.url}?sslmode=verify-full`,
};
let processes: TestProcess[] = [];

beforeAll(async () => {
  const [row] = await query<{ data_directory: string }>(postgres.url, "show data_directory");
  const data = row?.data_directory ?? "";
  const { uid, gid } = await stat(data);
  for (const [from, to] of [
    [CERTIFICATE, "server.crt"],
    [KEY, "server.key"],
  ] as const) {
    await copyFile(from, join(data, to));
    await chown(join(data, to), uid, gid);
    await chmod(join(data, to), 0o600);
  }
  await runSql(postgres.url, "alter system set ssl = on");
  await runSql(postgres.url, "select pg_reload_conf()");
  await until("Postgres speaks TLS", async () => {
    const [setting] = await query<{ ssl: string }>(postgres.url, "show ssl");
    return setting?.ssl === "on" ? true : undefined;
  });
}, TEST_MS_MAX);

afterAll(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  admin.disconnect();
  await redis.close();
  await postgres.close();
});

test(
  "API and worker work over TLS with both, when they are told of the certificate's authority",
  async () => {
    const env = { ...urls, NODE_EXTRA_CA_CERTS: CERTIFICATE };
    processes = await Promise.all([spawnWorker({ ...env, WORKER_NAME: "w" }), spawnApi(env)]);
    const clients = String(await admin.client("LIST")).split("\n");
    const ports = clients.flatMap(
      (line) => /\bladdr=\S+:(\d+) .*\bcmd=(?!client)/.exec(line)?.[1] ?? [],
    );
    expect(new Set(ports)).toEqual(new Set([`${tls_port}`]));
    const sessions = await query<{ ssl: boolean }>(
      postgres.url,
      `select ssl from pg_stat_ssl join pg_stat_activity using (pid)
       where backend_type = 'client backend' and pid <> pg_backend_pid()
         and state is distinct from 'starting'`, // it is there before it has agreed on TLS
    );
    expect(sessions.length).toBeGreaterThan(1);
    expect(sessions.filter(({ ssl }) => !ssl)).toEqual([]);
  },
  TEST_MS_MAX,
);

test("a certificate of an authority that nobody knows is refused", async () => {
  const stranger = createRedis(urls.REDIS_URL, log);
  const pool = createPool(urls.DATABASE_URL, log);
  try {
    const refusal = new Promise<Error>((resolve) => stranger.once("error", resolve));
    expect(String(await refusal)).toContain("self-signed certificate");
    await expect(pool.query("select 1")).rejects.toThrow("self-signed certificate");
  } finally {
    stranger.disconnect();
    await pool.end();
  }
});
