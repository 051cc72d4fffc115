import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { registry } from "../../src/metrics.ts";
import { jsonRequest, openSocket, send } from "../http/raw.ts";
import { fresh } from "../http/shop.ts";
import { spawnApi, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { runToEnd } from "./run-to-end.ts";

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  const redis = new Redis(server.url);
  await redis.set("stock:a", 1_000_000);
  await admit(redis);
  redis.disconnect();
});
afterAll(() => Promise.all([server.close(), database.close()]));

const env = (API_PROCESSES: number) => ({
  REDIS_URL: server.url,
  DATABASE_URL: database.url,
  API_PROCESSES: `${API_PROCESSES}`,
  LOG_LEVEL: "debug", // then each request is logged, with the process that answered it
});

type Line = Record<string, unknown> & { pid: number };
const logOf = (api: TestProcess, msg: string) =>
  api
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line): Line => JSON.parse(line))
    .filter((line) => line.msg === msg);

/** The pids of the processes that share the port now. */
function sharers(api: TestProcess): number[] {
  const dead = logOf(api, "an API process died and is replaced").map(({ died_pid }) => died_pid);
  const pids = logOf(api, "the API is listening").map(({ pid }) => pid);
  return pids.filter((pid) => !dead.includes(pid));
}

const untilSharedBy = (api: TestProcess, count: number) =>
  until(`${count} processes listen`, () => {
    const pids = sharers(api);
    return pids.length === count ? pids : undefined;
  });

async function spawnSeveral(count: number) {
  const api = await spawnApi(env(count));
  return { api, pids: await untilSharedBy(api, count) };
}

const portOf = ({ url }: TestProcess) => Number(new URL(url).port);
const wish = () => ({ sku: "a", qty: 1, user_id: "u", idempotency_key: fresh("key") });
type Connection = Awaited<ReturnType<typeof openSocket>>;

/** The pid of the process at the other end. */
async function whoAnswers(api: TestProcess, connection: Connection): Promise<number> {
  const id = fresh("who");
  connection.write(`GET /health HTTP/1.1\r\nHost: test\r\nX-Request-Id: ${id}\r\n\r\n`);
  return until("the request is logged", () => {
    return logOf(api, "request").find(({ request_id }) => request_id === id)?.pid;
  });
}

/** One open connection to each process, by its pid. */
async function connectToEach(api: TestProcess, pids: number[]) {
  const connections = new Map<number, Connection>();
  await until("there is a connection to each process", async () => {
    const connection = await openSocket(portOf(api));
    connections.set(await whoAnswers(api, connection), connection);
    return connections.size === pids.length || undefined;
  });
  return connections;
}

/** Sends the head of a reserve, and returns its body when the API has begun with it. */
async function begin(connection: Connection): Promise<string> {
  const request = jsonRequest("/holds/reserve", wish(), { Expect: "100-continue" });
  const [head, body = ""] = request.split("\r\n\r\n");
  connection.write(`${head}\r\n\r\n`);
  await until("100 Continue", () => connection.received().includes("100 Continue") || undefined);
  return body;
}

/** Reserves, each over a connection of its own. */
async function reserve(api: TestProcess, count: number): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  const answers = Array.from({ length: count }, () =>
    send(api.url, { path: "/holds/reserve", headers, body: JSON.stringify(wish()) }),
  );
  for (const { status } of await Promise.all(answers)) expect(status).toBe(201);
}

/** GET /metrics over a new connection, so that another process answers each time. */
async function scrape({ url }: TestProcess): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${url}/metrics`, { agent: false }, resolve).on("error", reject);
  });
  return text(response);
}

const untilRefused = (port: number) =>
  until("new connections are refused", async () => {
    const socket = connect({ port, host: "127.0.0.1" });
    const refused = await new Promise<boolean>((resolve) => {
      socket.on("error", () => resolve(true));
      socket.on("connect", () => resolve(false));
    });
    socket.destroy();
    return refused || undefined;
  });

const readMetric = (metrics: string, name: string) =>
  Number(
    metrics
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.split(" ")[1],
  );
const route = 'route="/holds/reserve"';
const countsOf = (metrics: string) => [
  readMetric(metrics, `holdfast_http_requests_total{${route},status="201"}`),
  readMetric(metrics, `holdfast_http_request_seconds_count{${route}}`),
  readMetric(metrics, `holdfast_http_request_seconds_bucket{le="+Inf",${route}}`),
  readMetric(metrics, 'holdfast_holds_total{operation="create_holds",outcome="CREATED"}'),
  readMetric(metrics, 'holdfast_redis_batch_size_sum{script="create_holds"}'),
];
const allCount = (count: number) => Array.from({ length: 5 }, () => count);

test("one process is one process: it listens itself", async () => {
  const { api, pids } = await spawnSeveral(1);
  expect(pids).toEqual([api.pid]);
  api.signal("SIGTERM");
  expect(await api.ended).toEqual([0, null]);
});

describe("several processes", () => {
  const COUNT = 3;
  let api: TestProcess;
  let pids: number[];
  beforeAll(async () => {
    ({ api, pids } = await spawnSeveral(COUNT));
  });
  afterAll(() => api.kill());

  test("share a port, and the connections to it", async () => {
    expect(new Set([...pids, api.pid]).size).toBe(COUNT + 1);
    await reserve(api, 10 * COUNT);
    const answered = () => logOf(api, "request").filter((line) => line.route === "/holds/reserve");
    await until("all are logged", () => answered().length === 10 * COUNT || undefined);
    expect(new Set(answered().map(({ pid }) => pid))).toEqual(new Set(pids));
  });

  test("add their metrics up, whichever of them is asked", async () => {
    let [count = 0] = countsOf(await scrape(api));
    for (const more of [1, 10, 100]) {
      await reserve(api, more);
      count += more;
      for (let i = 0; i < 2 * COUNT; i++) {
        expect(countsOf(await scrape(api))).toEqual(allCount(count));
      }
    }
    const asked = logOf(api, "request").filter((line) => line.route === "/metrics");
    expect(new Set(asked.map(({ pid }) => pid))).toEqual(new Set(pids));
  });

  test("have the metrics that one has", async () => {
    const metrics = await scrape(api);
    const names = [...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    expect(names.sort()).toEqual(
      registry
        .getMetricsAsArray()
        .map(({ name }) => name)
        .sort(),
    );
    expect(metrics).toMatch(/^nodejs_version_info\{.*\} 1$/m);
    const started = readMetric(metrics, "process_start_time_seconds") * 1000;
    expect(Math.abs(Date.now() - started)).toBeLessThan(600_000);
  });

  test("count in the metrics as they last reported while they are silent", async () => {
    const counts = countsOf(await scrape(api));
    const [silent, other] = [...(await connectToEach(api, pids))];
    if (!silent || !other) throw new Error("there are too few");
    process.kill(silent[0], "SIGSTOP");
    try {
      other[1].write("GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
      await other[1].closed();
      expect(countsOf(other[1].received())).toEqual(counts);
    } finally {
      process.kill(silent[0], "SIGCONT");
    }
  });

  test("are replaced when they die, ever later, while the others serve, and what they counted stays", async () => {
    const connections = await connectToEach(api, pids);
    const [count = 0] = countsOf(await scrape(api));
    // Connections come all the while: those of the dead are cut off, and nobody waits in vain.
    let over = false;
    const visitors = Array.from({ length: 10 }, async () => {
      while (!over) await send(api.url, { method: "GET", path: "/health" }).catch(() => {});
    });
    let victim = pids[0] ?? 0;
    for (let deaths = 1; deaths <= 4; deaths++) {
      const before = sharers(api);
      process.kill(victim, "SIGKILL");
      const died = () => logOf(api, "an API process died and is replaced").length === deaths;
      await until("its death is noticed", () => died() || undefined);
      await reserve(api, 1);
      const after = await untilSharedBy(api, COUNT);
      victim = after.find((pid) => !before.includes(pid)) ?? 0;
    }
    over = true;
    await Promise.all(visitors);
    const deaths = logOf(api, "an API process died and is replaced");
    expect(deaths.map(({ wait_ms }) => wait_ms)).toEqual([100, 200, 400, 800]);
    expect(deaths[0]).toMatchObject({ pid: api.pid, cause: "SIGKILL" });

    for (const pid of pids.slice(1)) {
      const connection = connections.get(pid);
      expect(connection && (await whoAnswers(api, connection))).toBe(pid);
    }
    const [now = 0] = countsOf(await scrape(api));
    expect(now).toBeGreaterThanOrEqual(count);
    expect((await connectToEach(api, sharers(api))).has(victim)).toBe(true);
  }, 60_000);
});

describe("several processes end, and leave none behind,", () => {
  const signals: [string, (api: TestProcess, pids: number[]) => void, unknown][] = [
    ["at SIGTERM to the primary", (api) => void api.signal("SIGTERM"), [0, null]],
    [
      "at Ctrl-C, which reaches all",
      (api, pids) => {
        for (const pid of [...pids, api.pid ?? 0]) process.kill(pid, "SIGINT");
      },
      [0, null],
    ],
    ["when the primary is killed", (api) => void api.signal("SIGKILL"), [null, "SIGKILL"]],
  ];

  test.each(signals)("%s, once they have answered what they have begun", async (_, end, how) => {
    const { api, pids } = await spawnSeveral(2);
    const connections = [...(await connectToEach(api, pids)).values()];
    const bodies = await Promise.all(connections.map(begin));
    end(api, pids);
    await untilRefused(portOf(api));
    for (const [i, connection] of connections.entries()) {
      connection.write(bodies[i] ?? "");
      await connection.closed();
      expect(connection.received()).toContain("HTTP/1.1 201 Created");
    }
    expect(await api.ended).toEqual(how);
    await api.allEnded;
    expect(api.output()).not.toMatch(/"level":"(warn|error|fatal)"/);
    expect(logOf(api, "stopped").map(({ pid }) => pid)).toEqual(expect.arrayContaining(pids));
  });

  test("at once at a second signal", async () => {
    const { api, pids } = await spawnSeveral(2);
    const connections = [...(await connectToEach(api, pids)).values()];
    await Promise.all(connections.map(begin));
    api.signal("SIGTERM");
    await until("all are stopping", () => logOf(api, "stopping").length === 3 || undefined);
    api.signal("SIGTERM");
    expect(await api.ended).toEqual([1, null]);
    await api.allEnded;
    expect(logOf(api, "stopped")).toEqual([]);
  });
});

describe("several processes do not start, and say why once,", () => {
  const evicting = () => freshRedis(["--maxmemory-policy", "allkeys-lru"]);
  const withoutLogs = ({ code, output }: { code: unknown; output: string }) => ({
    code,
    output: output.replaceAll(/^\{.*\n/gm, ""),
  });
  /** Expects of three what one does, and returns what it writes. */
  async function failLikeOne(more: Record<string, string>): Promise<string> {
    const [one, three] = await Promise.all(
      [1, 3].map(async (count) => {
        const PORT = `${await freePort()}`;
        return withoutLogs(await runToEnd("src/main.ts", { ...env(count), PORT, ...more }));
      }),
    );
    expect(three).toEqual(one);
    expect(three?.code).toBe(1);
    expect(three?.output.trim()).toMatch(/^.+$/); // one line
    return three?.output ?? "";
  }

  test("with bad settings", async () => {
    const more = { QUEUE_MAX: "x" };
    const [one, three] = await Promise.all(
      [1, 3].map((count) => runToEnd("src/main.ts", { ...env(count), ...more })),
    );
    expect(three).toEqual(one);
    expect(three?.output).toMatch(/^ {2}QUEUE_MAX: /m);
  });

  test("with a Redis that may evict", async () => {
    const redis = await evicting();
    const said = await failLikeOne({ REDIS_URL: redis.url }).finally(redis.close);
    expect(said).toContain("maxmemory-policy allkeys-lru");
  });

  test("without a Redis", async () => {
    // A port that is free now might be another test's Redis before they have given up.
    const said = await failLikeOne({ REDIS_URL: "redis://127.0.0.1:1" });
    expect(said).toContain("Redis does not answer");
  });

  test("on a port that is taken", async () => {
    const squatter = createServer().listen(0, "127.0.0.1");
    await once(squatter, "listening");
    const address = squatter.address();
    const PORT = `${address !== null && typeof address === "object" && address.port}`;
    const said = await failLikeOne({ PORT }).finally(() => squatter.close());
    expect(said).toBe(`Port ${PORT} on 127.0.0.1 is taken. Choose another one with PORT.\n`);
  });
});
