import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { parseEnv } from "node:util";
import { describe, expect, test } from "@jest/globals";
import {
  ConfigError,
  PROCESS_VARIABLES,
  readConfig,
  readUpConfig,
  UP_VARIABLES,
} from "../src/config.ts";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

const URLS = { REDIS_URL: "redis://127.0.0.1:6380", DATABASE_URL: "postgres://h@127.0.0.1/h" };

/** The lines of the error, without its heading: one for each bad variable. */
function complaints(
  env: NodeJS.ProcessEnv,
  readIt: (env: NodeJS.ProcessEnv) => unknown = readConfig,
) {
  try {
    readIt(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n").slice(1);
    throw error;
  }
  return [];
}

const named = (env: NodeJS.ProcessEnv) => complaints(env).map((line) => line.trim().split(":")[0]);

test("a process needs two addresses and has defaults for the rest", () => {
  expect(readConfig(URLS)).toEqual({
    ...URLS,
    HOST: "127.0.0.1",
    PORT: 8080,
    API_PROCESSES: 1,
    WORKER_PORT: 8081,
    WORKER_NAME: hostname(),
    LOG_LEVEL: "info",
    DEFAULT_STORE: "main",
    REQUEST_BUDGET_MS: 2000,
    QUEUE_MAX: 4096,
    BACKLOG_LIMIT: 1_000_000,
    REPLAY_WINDOW_SECONDS: 3600,
    EVENTS_KEPT_DAYS: 90,
    AUDIT_LOG_KEPT_DAYS: 365,
    READY_LAG_SECONDS_MAX: 60,
    STOP_NOTICE_MS: 1000,
    LOW_STOCK_UNITS: 10,
    EXPIRY_JITTER_MS: 0,
    RECOVERY: "auto",
    AUTH: "off",
    OIDC_ALGORITHMS: ["RS256", "PS256", "ES256", "EdDSA"],
    OIDC_ROLES_CLAIM: "roles",
    AUDIT_PAUSES_SALES: false,
    CORS_ORIGINS: [],
    RATE_LIMIT_PER_CALLER: null,
    RATE_LIMIT_PER_CUSTOMER: null,
    RATE_LIMIT_BAD_TOKENS: null,
  });
  expect(named({})).toEqual(["REDIS_URL", "DATABASE_URL"]);
});

test("scripts/up needs nothing", () => {
  expect(readUpConfig({})).toEqual({
    HOLDFAST_DATA: ".holdfast",
    PORT: 8080,
    WORKER_PORT: 8081,
    REDIS_PORT: 6380,
    POSTGRES_PORT: 5440,
  });
  expect(readUpConfig(URLS)).toMatchObject(URLS);
});

test("one error names every bad variable and where each is explained", () => {
  const bad = { PORT: "http", LOG_LEVEL: "loud", QUEUE_MAX: "0", WORKER_NAME: "a b" };
  expect(named(bad)).toEqual([
    "REDIS_URL",
    "DATABASE_URL",
    "PORT",
    "WORKER_NAME",
    "LOG_LEVEL",
    "QUEUE_MAX",
  ]);
  expect(() => readConfig(bad)).toThrow(/^Bad settings .*\.env\.example/);
  expect(complaints({ REDIS_PORT: "0", DATABASE_URL: "db" }, readUpConfig)).toHaveLength(2);
});

test("an empty variable counts as not set", () => {
  const names = PROCESS_VARIABLES.filter((name) => !(name in URLS));
  const empty = Object.fromEntries(names.map((name) => [name, ""]));
  expect(readConfig({ ...empty, ...URLS })).toEqual(readConfig(URLS));
  expect(named({ ...URLS, REDIS_URL: "" })).toEqual(["REDIS_URL"]);
});

test("variables that are not ours are nobody's business", () => {
  expect(readConfig({ ...URLS, PATH: "/bin" })).toEqual(readConfig(URLS));
});

test.each([
  ["REDIS_URL", "redis://r"],
  ["REDIS_URL", "rediss://user:secret@r:6380/0"],
  ["DATABASE_URL", "postgres://p/d"],
  ["DATABASE_URL", "postgresql://user:secret@p:5432/d?sslmode=require"],
  ["WORKER_NAME", "worker-1.shop_a"],
  ["WORKER_NAME", "w".repeat(64)],
  ["DEFAULT_STORE", "s".repeat(64)],
  ["LOG_LEVEL", "silent"],
])("%s may be %s", (name, value) => {
  expect(readConfig({ ...URLS, [name]: value })).toMatchObject({ [name]: value });
});

test.each([
  ["REDIS_URL", "http://r"],
  ["REDIS_URL", "r:6379"],
  ["REDIS_URL", "redis"],
  ["DATABASE_URL", "mysql://p/d"],
  ["DATABASE_URL", "p:5432/d"],
  ["PORT", "http"],
  ["PORT", "80.5"],
  ["API_PROCESSES", "x"],
  ["API_PROCESSES", "1.5"],
  ["WORKER_NAME", "w".repeat(65)],
  ["WORKER_NAME", "a b"],
  ["WORKER_NAME", "a:b"],
  ["DEFAULT_STORE", "s".repeat(65)],
  ["DEFAULT_STORE", "a@b"],
  ["LOG_LEVEL", "INFO"],
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"],
  ["OTEL_TRACES_SAMPLER", "sometimes"],
  ["OTEL_TRACES_SAMPLER_ARG", "1.1"],
])("%s may not be %s", (name, value) => {
  expect(named({ ...URLS, [name]: value })).toEqual([name]);
});

test.each([
  ["PORT", 1, 65_535],
  ["API_PROCESSES", 1, 64],
  ["WORKER_PORT", 1, 65_535],
  ["REQUEST_BUDGET_MS", 100, 30_000],
  ["QUEUE_MAX", 1, 100_000],
  ["BACKLOG_LIMIT", 1, 1_000_000_000],
  ["REPLAY_WINDOW_SECONDS", 0, 2_592_000],
  ["READY_LAG_SECONDS_MAX", 1, 86_400],
  ["STOP_NOTICE_MS", 0, 5_000],
])("%s goes from %d to %d", (name, min, max) => {
  for (const value of [min, min + 1, max - 1, max]) {
    expect(readConfig({ ...URLS, [name]: `${value}` })).toMatchObject({ [name]: value });
  }
  for (const value of [min - 1, max + 1]) {
    expect(named({ ...URLS, [name]: `${value}` })).toEqual([name]);
  }
});

test.each([
  ["TRUST_PROXY", "1", 1],
  ["TRUST_PROXY", "16", 16],
  ["TRUST_PROXY", "10.0.0.0/8,::1,2001:db8::/32", ["10.0.0.0/8", "::1", "2001:db8::/32"]],
  ["CORS_ORIGINS", "https://a.example,http://b:81", ["https://a.example", "http://b:81"]],
])("%s may be %s, a list or a number", (name, text, value) => {
  expect(readConfig({ ...URLS, [name]: text })).toMatchObject({ [name]: value });
});

test.each([
  ...["0", "17", "true", "10.0.0.0/33", "10.0.0.0/8/8", "proxy", "1,", "10.0.0.1, 10.0.0.2"].map(
    (text) => ["TRUST_PROXY", text],
  ),
  ...[
    "*",
    "https://a.example/",
    "a.example",
    "null",
    "ftp://a",
    "https://A.example",
    "https://a,",
  ].map((text) => ["CORS_ORIGINS", text]),
])("%s may not be %s", (name, text) => {
  expect(new Set(named({ ...URLS, [`${name}`]: text }).map((of) => of?.split(".")[0]))).toEqual(
    new Set([name]),
  );
});

test.each([
  ["0", null],
  ["0:5", null],
  ["50", { per_second: 50, burst: 100 }],
  ["0.01", { per_second: 0.01, burst: 1 }],
  ["100000:1000000", { per_second: 100_000, burst: 1_000_000 }],
])("a rate limit of %s is understood", (text, rate) => {
  expect(readConfig({ ...URLS, RATE_LIMIT_PER_CUSTOMER: text })).toMatchObject({
    RATE_LIMIT_PER_CUSTOMER: rate,
  });
});

test.each(["-1", "x", "5:", "5:0", "5/10", "0.001", "100001", "5:1000001"])(
  "a rate limit may not be %s",
  (text) => {
    expect(named({ ...URLS, RATE_LIMIT_PER_CALLER: text })).toEqual(["RATE_LIMIT_PER_CALLER"]);
  },
);

test("the error repeats no value, since an address may hold a password", () => {
  const lines = complaints({ REDIS_URL: "http://:secret@r", DATABASE_URL: "secret" });
  expect(lines.join("\n")).not.toContain("secret");
});

describe(".env.example", () => {
  const example = parseEnv(read(".env.example"));

  test("has each variable that the code reads or docker-compose.yml puts in, and no other", () => {
    const compose = read("docker-compose.yml");
    const interpolated = [...compose.matchAll(/\$\{(\w+)/g)].map(([, name]) => name);
    const handedOn = [...compose.matchAll(/^ +([A-Z_]+):$/gm)].map(([, name]) => name);
    expect([interpolated.length, handedOn.length]).toEqual([7, 29]);
    const used = new Set([...PROCESS_VARIABLES, ...UP_VARIABLES, ...interpolated, ...handedOn]);
    expect(Object.keys(example).sort()).toEqual([...used].sort());
  });

  test("shows the defaults", () => {
    expect(readConfig({ ...example, ...URLS })).toEqual(readConfig(URLS));
    expect(readUpConfig(example)).toEqual(readUpConfig({}));
    const inCompose = [...read("docker-compose.yml").matchAll(/\$\{(\w+):-(\w+)\}/g)].filter(
      ([, name]) => example[`${name}`] !== "", // its default is another one there, as its comment says
    );
    expect(inCompose.map(([, name, value]) => `${name}=${value}`)).toEqual(
      inCompose.map(([, name]) => `${name}=${example[`${name}`]}`),
    );
  });

  test("explains each of them", () => {
    const lines = read(".env.example").split("\n");
    const unexplained = lines.filter(
      (line, i) => /^\w+=/.test(line) && !/^(# .|\w+=)/.test(lines[i - 1] ?? ""),
    );
    expect(unexplained).toEqual([]);
  });
});
