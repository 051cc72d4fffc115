import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { postJson } from "../http/shop.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { type Received, startCollector } from "./collector.ts";

const SERVER = 2;
const CLIENT = 3;

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let collector: Awaited<ReturnType<typeof startCollector>>;
let redis: Redis;
let api: TestProcess;
let plain: TestProcess;
let worker: TestProcess;
beforeAll(async () => {
  [server, database, collector] = await Promise.all([
    freshRedis(),
    freshDatabase(),
    startCollector(),
  ]);
  redis = new Redis(server.url);
  await redis.mset({ "stock:secret-sku": "100", "stock:secret-corrupt": "abc" });
  const env = { REDIS_URL: server.url, DATABASE_URL: database.url };
  const traced = {
    ...env,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: "20",
    OTEL_EXPORTER_OTLP_TIMEOUT: "60000", // the one that hangs is waited for longer than a shutdown may take
    REQUEST_BUDGET_MS: "20000", // Redis is stopped below
  };
  [api, worker, plain] = await Promise.all([
    spawnApi(traced),
    spawnWorker(traced),
    spawnApi({ ...env, NODE_OPTIONS: `--import=${TELL_IMPORTS}` }),
  ]);
}, 60_000);
afterAll(async () => {
  await Promise.all([api.kill(), worker.kill(), plain.kill()]);
  redis.disconnect();
  await Promise.all([server.close(), database.close(), collector.close()]);
});

/** Has a process write the address of each module of OpenTelemetry that it loads. */
const TELL_IMPORTS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  import { writeSync } from "node:fs";
  registerHooks({
    load(url, context, next) {
      const [, name] = /node_modules\\/(@opentelemetry\\/[a-z-]+)/.exec(url) ?? [];
      if (name) writeSync(1, "loaded " + name + "\\n");
      return next(url, context);
    },
  });
`)}`;

let made = 0;
const fresh = (digits: number) => `${Date.now()}${++made}`.padStart(digits, "a");

/** A reserve of a caller who traces it. */
function reserve(at: TestProcess, { sku = "secret-sku", sampled = true } = {}) {
  const traceId = fresh(32);
  const spanId = fresh(16);
  const key = `secret-key-${traceId}`;
  const answer = postJson(
    `${at.url}/holds/reserve`,
    { sku, qty: 1, user_id: "secret-user", idempotency_key: key },
    {
      traceparent: `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`,
      "x-request-id": `r-${traceId}`,
      authorization: "Bearer secret-token",
    },
  );
  return { traceId, spanId, answer };
}

const inTrace = (traceId: string) => collector.spans.filter((span) => span.traceId === traceId);
const untilSpan = (what: string, find: () => Received | undefined) => until(what, find, 15_000);
const isCall = ({ name }: Received) => name === "EVALSHA create_holds";
const payloads = async () =>
  (await redis.xrange("inventory.events", "-", "+")).map(([, fields]) => fields.join(" "));

test("a request, its script call and its recording are one trace, which is the caller's", async () => {
  const { traceId, spanId, answer } = reserve(api);
  expect((await answer).status).toBe(201);
  const recording = await untilSpan("it is recorded", () =>
    inTrace(traceId).find(({ name }) => name === "record events"),
  );
  await untilSpan("the request's span is there", () =>
    inTrace(traceId).find(({ kind }) => kind === SERVER),
  );
  const named = (name: string) => inTrace(traceId).find((span) => span.name === name);
  const request = named("POST /holds/reserve");
  const asking = named("create_holds");
  const call = named("EVALSHA create_holds");
  expect(request).toMatchObject({
    kind: SERVER,
    parentSpanId: spanId,
    service: "holdfast-api",
    attributes: {
      "http.request.method": "POST",
      "http.route": "/holds/reserve",
      "holdfast.request_id": `r-${traceId}`,
    },
  });
  expect(Number(request?.attributes["http.response.status_code"])).toBe(201);
  expect(asking).toMatchObject({
    parentSpanId: request?.spanId,
    attributes: { "holdfast.outcome": "CREATED" },
  });
  expect(call).toMatchObject({
    kind: CLIENT,
    parentSpanId: asking?.spanId,
    attributes: { "db.system.name": "redis", "db.stored_procedure.name": "create_holds" },
  });
  expect(recording).toMatchObject({
    service: "holdfast-worker",
    parentSpanId: asking?.spanId,
    links: [{ traceId, spanId: asking?.spanId }],
  });
});

test("requests in one call are linked with it, whoever's trace it is in", async () => {
  server.kill("SIGSTOP");
  const requests = Array.from({ length: 30 }, () => reserve(api));
  await until("all wait for Redis", async () => {
    const metrics = await (await fetch(`${api.url}/metrics`)).text();
    // And the one that asks.
    return /^holdfast_http_requests_in_flight 31$/m.test(metrics) || undefined;
  });
  server.kill("SIGCONT");
  for (const { answer } of requests) expect((await answer).status).toBe(201);
  const asking = await Promise.all(
    requests.map(({ traceId }) =>
      untilSpan("the span of a request's part is there", () =>
        inTrace(traceId).find(({ name }) => name === "create_holds"),
      ),
    ),
  );
  const callOf = ({ spanId, links }: Received) =>
    collector.spans
      .filter(isCall)
      .find((call) => call.parentSpanId === spanId || links.some((l) => l.spanId === call.spanId));
  const calls = await Promise.all(asking.map((one) => untilSpan("its call", () => callOf(one))));
  for (const [i, { spanId, parentSpanId, links }] of calls.entries()) {
    expect([parentSpanId, ...links.map((link) => link.spanId)]).toContain(asking[i]?.spanId);
    expect(spanId).not.toBe(asking[i]?.spanId);
  }
  expect(new Set(calls.map(({ spanId }) => spanId)).size).toBeLessThan(30);
  const sizes = calls.map(({ attributes }) => Number(attributes["db.operation.batch.size"] ?? 1));
  expect(Math.max(...sizes)).toBeGreaterThan(1);
});

test("a request that its caller does not trace, or that machines send, leaves no span; nothing is in its event", async () => {
  const before = await payloads();
  const silent = reserve(api, { sampled: false });
  await silent.answer;
  const watched = fresh(32);
  for (const path of ["/health", "/ready", "/metrics"]) {
    await fetch(api.url + path, { headers: { traceparent: `00-${watched}-${fresh(16)}-01` } });
  }
  const loud = reserve(api);
  await loud.answer;
  await untilSpan("a later one is sent", () => inTrace(loud.traceId)[0]);
  expect([...inTrace(silent.traceId), ...inTrace(watched)]).toEqual([]);
  const [quiet = "", heard = ""] = (await payloads()).slice(before.length);
  expect(quiet).not.toContain("traceparent");
  expect(heard).toContain(`"traceparent":"00-${loud.traceId}-`);
});

test("a problem is told by its code, and log lines name the trace", async () => {
  const { traceId, answer } = reserve(api, { sku: "secret-corrupt" });
  expect((await answer).status).toBe(500);
  const request = await untilSpan("its span", () =>
    inTrace(traceId).find(({ kind }) => kind === SERVER),
  );
  expect(request.attributes).toMatchObject({
    "holdfast.problem_code": "CORRUPT_STOCK",
    "error.type": "CORRUPT_STOCK",
  });
  const line = api
    .output()
    .split("\n")
    .find((one) => one.includes("request failed"));
  expect(JSON.parse(line ?? "{}")).toMatchObject({ trace_id: traceId, span_id: request.spanId });
});

test("of a bulk request sixteen parts have a span of their own", async () => {
  const traceId = fresh(32);
  const lines = Array.from({ length: 20 }, () => ({ sku: "secret-sku", delta: 1 }));
  const answer = await fetch(`${api.url}/v1/stock:bulk`, {
    method: "POST",
    headers: {
      ...{ "content-type": "application/json", "idempotency-key": `secret-${traceId}` },
      traceparent: `00-${traceId}-${fresh(16)}-01`,
    },
    body: JSON.stringify(lines),
  });
  expect((await answer.text()).match(/APPLIED/g)).toHaveLength(lines.length);
  await untilSpan("the last span is sent", () =>
    inTrace(traceId).find(({ kind }) => kind === SERVER),
  );
  expect(inTrace(traceId).filter(({ name }) => name === "change_stocks")).toHaveLength(16);
});

test("no span holds what a caller has sent", async () => {
  const traceId = fresh(32);
  const traceparent = `00-${traceId}-${fresh(16)}-01`;
  const path = "/v1/items/secret-sku/availability?storeId=secret-store";
  await fetch(`${api.url}${path}`, { headers: { traceparent } });
  const { attributes } = await untilSpan("its span", () =>
    inTrace(traceId).find(({ kind }) => kind === SERVER),
  );
  expect(Object.keys(attributes)).toContain("http.route");
  expect(collector.text()).toContain("holdfast.request_id");
  expect(collector.text()).not.toContain("secret");
});

test("without a collector the SDK is not even loaded, and nobody is traced", async () => {
  const { traceId, answer } = reserve(plain);
  expect((await answer).status).toBe(201);
  const event = (await payloads()).at(-1);
  expect(event).toContain(`r-${traceId}`);
  expect(event).not.toContain("traceparent");
  const loaded = new Set(plain.output().match(/(?<=^loaded ).*$/gm));
  expect([...loaded]).toEqual(["@opentelemetry/api"]);
});

test("a collector that hangs holds nobody up, nor a shutdown", async () => {
  collector.hang();
  const before = collector.parcels();
  const requests = Array.from({ length: 30 }, () => reserve(api));
  for (const { answer } of requests) expect((await answer).status).toBe(201);
  await until("spans are sent to it", () => collector.parcels() > before || undefined);
  for (const { ended, signal, output } of [api, worker]) {
    signal("SIGTERM");
    expect(await ended).toEqual([0, null]);
    expect(output()).toContain('"msg":"stopped"');
    expect(output()).not.toContain("could not stop in time");
  }
});
