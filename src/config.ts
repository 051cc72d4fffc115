import { isIP } from "node:net";
import { hostname } from "node:os";
import { z } from "zod";
import {
  BURST_MAX,
  isRate,
  PER_SECOND_MAX,
  PER_SECOND_MIN,
  type Rate,
  usualBurst,
} from "./domain/rate.ts";

export type Config = z.infer<typeof processSettings>;
export type UpConfig = z.infer<typeof upSettings>;

/** Settings of the API and the worker. Throws one ConfigError that names every bad variable. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return read(processSettings, env);
}

/** Settings of `scripts/up` and `scripts/down`. Throws like `readConfig`. */
export function readUpConfig(env: NodeJS.ProcessEnv = process.env): UpConfig {
  return read(upSettings, env);
}

export class ConfigError extends Error {
  override name = "ConfigError";
}

const port = (fallback: number) => z.coerce.number().int().min(1).max(65_535).default(fallback);
const whole = (min: number, max: number, fallback: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback);
const logLevel = z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]);
const redisUrl = z.url({
  protocol: /^rediss?$/,
  error: "must be a redis:// or rediss:// URL",
});
const databaseUrl = z.url({
  protocol: /^postgres(ql)?$/,
  error: "must be a postgres:// URL",
});

const httpUrl = z.url({ protocol: /^https?$/, error: "must be an http:// or https:// URL" });
/** With a symmetric algorithm whoever can verify a token can make one; with none everybody can. */
const ASYMMETRIC = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
] as const;

const list = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(item));

const ORIGIN_RULE = "must be origins with commas between, as in https://shop.example";
const isOrigin = (text: string) =>
  /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;

const PROXY_RULE =
  "must be how many proxies there are, 1 to 16, or their addresses with commas between";
const HOPS_MAX = 16;
const trustProxy = z.union(
  [z.coerce.number().int().min(1).max(HOPS_MAX), list(z.string().refine(isNetwork))],
  PROXY_RULE,
);
function isNetwork(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const bits_max = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  const is_range = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bits_max);
  return bits_max > 0 && is_range && rest.length === 0;
}

const RATE_RULE = `must be requests a second, ${PER_SECOND_MIN} to ${PER_SECOND_MAX}, and a burst of at most ${BURST_MAX} behind a colon, as in 50:200; or 0`;
/** "50:200"; null is no limit. */
const rate = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,3})?(:[1-9]\d{0,6})?$/, RATE_RULE)
  .transform((text): Rate | null => {
    const [per_second = 0, burst] = text.split(":").map(Number);
    return per_second === 0 ? null : { per_second, burst: burst ?? usualBurst(per_second) };
  })
  .refine((rate) => rate === null || isRate(rate), RATE_RULE)
  .prefault("0");

const SAMPLERS = [
  ...["always_on", "always_off", "traceidratio"],
  ...["parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"],
] as const;

// .env.example explains each of these; a test holds the two together.
const processSettings = z.object({
  REDIS_URL: redisUrl,
  DATABASE_URL: databaseUrl,
  HOST: z.string().default("127.0.0.1"),
  PORT: port(8080),
  API_PROCESSES: whole(1, 64, 1),
  WORKER_PORT: port(8081),
  WORKER_NAME: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 . _ -")
    .default(hostname()),
  LOG_LEVEL: logLevel.default("info"),
  DEFAULT_STORE: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 . _ -")
    .default("main"),
  REQUEST_BUDGET_MS: whole(100, 30_000, 2_000),
  QUEUE_MAX: whole(1, 100_000, 4_096),
  BACKLOG_LIMIT: whole(1, 1_000_000_000, 1_000_000),
  REPLAY_WINDOW_SECONDS: whole(0, 30 * 86_400, 3_600),
  EVENTS_KEPT_DAYS: whole(1, 36_500, 90),
  AUDIT_LOG_KEPT_DAYS: whole(1, 36_500, 365),
  READY_LAG_SECONDS_MAX: whole(1, 86_400, 60),
  STOP_NOTICE_MS: whole(0, 5_000, 1_000),
  LOW_STOCK_UNITS: whole(0, 1_000_000, 10),
  EXPIRY_JITTER_MS: whole(0, 3_600_000, 0),
  AUDIT_PAUSES_SALES: z.stringbool({ truthy: ["true"], falsy: ["false"] }).default(false),
  AUTH: z.enum(["off", "keys", "oidc"]).default("off"),
  OIDC_ISSUER: httpUrl.optional(),
  OIDC_AUDIENCE: z.string().optional(),
  OIDC_JWKS_URL: httpUrl.optional(),
  OIDC_ALGORITHMS: list(z.enum(ASYMMETRIC, `must be some of ${ASYMMETRIC.join(",")}`)).prefault(
    "RS256,PS256,ES256,EdDSA",
  ),
  OIDC_ROLES_CLAIM: z.string().default("roles"),
  OIDC_CUSTOMER_CLAIM: z.string().optional(),
  TRUST_PROXY: trustProxy.optional(),
  CORS_ORIGINS: list(z.string().refine(isOrigin, ORIGIN_RULE)).default([]),
  RATE_LIMIT_PER_CALLER: rate,
  RATE_LIMIT_PER_CUSTOMER: rate,
  RATE_LIMIT_BAD_TOKENS: rate,
  RECOVERY: z.enum(["auto", "manual"]).default("auto"),
  // Looked at here, so that a typo is refused; the SDK reads them, and what else the standard has, by itself.
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_TRACES_SAMPLER: z.enum(SAMPLERS).optional(),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).optional(),
});

const upSettings = z.object({
  HOLDFAST_DATA: z.string().default(".holdfast"),
  PORT: port(8080),
  WORKER_PORT: port(8081),
  REDIS_PORT: port(6380),
  POSTGRES_PORT: port(5440),
  REDIS_URL: redisUrl.optional(),
  DATABASE_URL: databaseUrl.optional(),
});

/** The names of all variables the processes read, for the test that checks the documents. */
export const PROCESS_VARIABLES = Object.keys(processSettings.shape);
export const UP_VARIABLES = Object.keys(upSettings.shape);

function read<Schema extends z.ZodType>(schema: Schema, env: NodeJS.ProcessEnv): z.infer<Schema> {
  // An empty variable (`PORT=` in an env file) means "not set", or coercion would read it as 0.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  const parsed = schema.safeParse(set);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join(".")}: ${issue.message}`);
  throw new ConfigError(`Bad settings (each is explained in .env.example):\n${lines.join("\n")}`);
}
