import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import pg from "pg";
import { until } from "../../scripts/until.ts";
import { jsonRequest, openSocket } from "../http/raw.ts";
import { askAny, fresh, postJson } from "../http/shop.ts";
import { admitAt } from "../setup/admit-at.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshPostgres, freshRedis } from "../setup/stack.ts";

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let redis: Redis;
beforeAll(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  await admitAt(server.url);
  redis = new Redis(server.url);
  await redis.set("stock:a", 1_000);
});
afterAll(async () => {
  redis.disconnect();
  await Promise.all([server.close(), database.close()]);
});

const env = (more: Record<string, string> = {}) => ({
  REDIS_URL: server.url,
  DATABASE_URL: database.url,
  ...more,
});
const wish = () => ({ sku: "a", qty: 1, user_id: "u", idempotency_key: fresh("key") });
const portOf = ({ url }: { url: string }) => Number(new URL(url).port);
const metricsOf = async ({ url }: { url: string }) => (await fetch(`${url}/metrics`)).text();

/** The value of a metric, by its name and labels as Prometheus writes them. */
const readMetric = (metrics: string, name: string) =>
  Number(
    metrics
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.split(" ")[1],
  );

const untilRefused = (port: number) =>
  until("new connections are refused", async () => {
    const socket = connect({ port, host: "127.0.0.1" });
    return new Promise<true | undefined>((resolve) => {
      socket.on("error", () => resolve(true));
      socket.on("connect", () => resolve(undefined));
    }).finally(() => socket.destroy());
  });

describe("at SIGTERM", () => {
  test("the API answers what it has begun, refuses what is new, and exits with 0", async () => {
    const api = await spawnApi(env({ REQUEST_BUDGET_MS: "20000" }));
    const port = portOf(api);
    // Five whose body is still to come: "100 Continue" proves that the API has begun with them.
    const begun = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const socket = await openSocket(port);
        const request = jsonRequest("/holds/reserve", wish(), { Expect: "100-continue" });
        const [head, body = ""] = request.split("\r\n\r\n");
        socket.write(`${head}\r\n\r\n`);
        await until("100 Continue", () => socket.received().includes("100 Continue") || undefined);
        return { socket, body };
      }),
    );
    // And one that waits for Redis.
    server.kill("SIGSTOP");
    const waiting = postJson(`${api.url}/holds/reserve`, wish());
    await until("a call is sent to Redis", async () =>
      readMetric(await metricsOf(api), 'holdfast_redis_batch_size_count{script="create_holds"}') > 0
        ? true
        : undefined,
    );

    api.signal("SIGTERM");
    await untilRefused(port);
    server.kill("SIGCONT");
    expect((await waiting).status).toBe(201);
    for (const { socket, body } of begun) {
      socket.write(body);
      await socket.closed();
      expect(socket.received()).toContain("HTTP/1.1 201 Created");
    }
    expect(await api.ended).toEqual([0, null]);
  });

  test("the API does not wait for ever for a client that never finishes, nor for idle ones", async () => {
    const api = await spawnApi(env());
    const stuck = await openSocket(portOf(api));
    stuck.write(jsonRequest("/holds/reserve", wish(), { Expect: "100-continue" }).slice(0, -1));
    await until("it has begun", () => stuck.received().includes("100 Continue") || undefined);
    const idle = await openSocket(portOf(api));
    idle.write("GET /health HTTP/1.1\r\nHost: test\r\n\r\n");
    await until("it is served", () => idle.received().includes('"up"') || undefined);
    api.signal("SIGTERM");
    await idle.closed();
    expect(await api.ended).toEqual([0, null]);
  });

  test("the worker finishes what it is at and exits with 0", async () => {
    const locker = new pg.Client({ connectionString: database.url });
    await locker.connect();
    await locker.query("begin; lock table stock_movements in access exclusive mode");
    const worker = await spawnWorker(env());
    await until("an agent waits for the lock", async () => {
      const { rows } = await locker.query(
        "select from pg_locks join pg_database d on d.oid = database where not granted and datname = current_database()",
      );
      return rows.length > 0 ? true : undefined;
    });
    worker.signal("SIGTERM");
    await until(
      "it is told to stop",
      () => worker.output().includes('"msg":"stopping"') || undefined,
    );
    await locker.end();
    expect(await worker.ended).toEqual([0, null]);
    expect(worker.output()).toContain('"msg":"stopped"');
  });

  test("both exit with 0 though Redis is away", async () => {
    const own = await freshRedis();
    const processes = await Promise.all([
      spawnApi(env({ REDIS_URL: own.url })),
      spawnWorker(env({ REDIS_URL: own.url })),
    ]);
    await own.stop();
    for (const process of processes) process.signal("SIGTERM");
    for (const process of processes) expect(await process.ended).toEqual([0, null]);
    await own.close();
  });
});

describe("the addresses both processes have", () => {
  let postgres: Awaited<ReturnType<typeof freshPostgres>>;
  let own: Awaited<ReturnType<typeof freshRedis>>;
  let api: TestProcess;
  let worker: TestProcess;
  beforeAll(async () => {
    [postgres, own] = await Promise.all([freshPostgres(), freshRedis()]);
    const places = { REDIS_URL: own.url, DATABASE_URL: postgres.url };
    [api, worker] = await Promise.all([spawnApi(places), spawnWorker(places)]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([api.kill(), worker.kill()]);
    await Promise.all([postgres.close(), own.close()]);
  });

  const both = () => [api, worker];
  const missingAt = async ({ url }: TestProcess) => {
    const { status, body } = await askAny(`${url}/ready`);
    return { status, missing: Object.keys(body.missing ?? {}) };
  };
  async function untilReady(process: TestProcess) {
    let missing: string[] = [];
    await until(
      "ready",
      async () => {
        ({ missing } = await missingAt(process));
        return missing.length === 0 ? true : undefined;
      },
      15_000,
    ).catch((cause: unknown) => {
      throw new Error(`still missing: ${missing}`, { cause });
    });
  }

  test("/metrics has the documented names, and counts", async () => {
    const client = new Redis(own.url);
    await client.set("stock:a", 2);
    // The short one second, and longer than the third may take to come, which must find nothing.
    for (const ttl_seconds of [300, 3, 300]) {
      await postJson(`${api.url}/holds/reserve`, { ...wish(), ttl_seconds });
    }
    client.disconnect();
    const metrics = await until("all is recorded and swept", async () => {
      const text = await metricsOf(worker);
      const applied = readMetric(text, 'holdfast_recorder_events_total{outcome="APPLIED"}');
      return applied === 3 && readMetric(text, "holdfast_stream_lag_events") === 0
        ? text
        : undefined;
    });
    expect(readMetric(metrics, 'holdfast_sweeper_holds_total{outcome="EXPIRED"}')).toBe(1);
    expect(readMetric(metrics, "holdfast_recorder_active")).toBe(1);
    expect(readMetric(metrics, "holdfast_stream_lag_seconds")).toBe(0);
    expect(readMetric(metrics, "holdfast_seq_gaps_total")).toBe(0);
    expect(readMetric(metrics, "holdfast_seq_rewinds_total")).toBe(0);
    expect(readMetric(metrics, "holdfast_sweeper_late_seconds_count")).toBe(1);
    expect(readMetric(metrics, "holdfast_recorder_batch_seconds_count")).toBeGreaterThan(0);

    const text = await metricsOf(api);
    const script = 'script="create_holds"';
    const decided = (outcome: string) =>
      readMetric(text, `holdfast_holds_total{operation="create_holds",outcome="${outcome}"}`);
    expect([decided("CREATED"), decided("ALL_HELD")]).toEqual([2, 1]);
    expect(readMetric(text, `holdfast_redis_batch_size_sum{${script}}`)).toBe(3);
    expect(readMetric(text, `holdfast_redis_call_seconds_count{${script}}`)).toBe(3);
    expect(readMetric(text, 'holdfast_redis_outcomes_total{outcome="EXECUTED"}')).toBe(3);
    const route = 'route="/holds/reserve"';
    expect(readMetric(text, `holdfast_http_request_seconds_count{${route}}`)).toBe(3);
    expect(readMetric(text, `holdfast_http_requests_total{${route},status="409"}`)).toBe(1);
    expect(text).toContain("process_cpu_seconds_total");
  });

  test("/ready names what is missing, while /health is about the process alone", async () => {
    for (const process of both()) await untilReady(process);
    await postgres.stop();
    for (const process of both()) {
      const { status, missing } = await missingAt(process);
      expect(status).toBe(503);
      expect(missing).toEqual(expect.arrayContaining(["postgres", "migrations"]));
      expect(missing).not.toContain("redis");
    }
    await own.stop();
    for (const process of both()) {
      const { status, missing } = await missingAt(process);
      expect(status).toBe(503);
      expect(missing).toEqual(expect.arrayContaining(["postgres", "redis", "admission"]));
      expect((await askAny(`${process.url}/health`)).body).toEqual({ status: "up" });
      expect(await metricsOf(process)).toContain("holdfast_redis_outcomes_total");
    }
  });

  test("/ready says so again when both are back, without a request or a restart", async () => {
    await Promise.all([postgres.start(), own.start()]);
    await Promise.all(both().map(untilReady));
  });
});
