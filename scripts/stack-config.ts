import { isIPv6 } from "node:net";
import { type Config, readConfig, readUpConfig, type UpConfig } from "../src/config.ts";

/** The settings of `up`, and those of its processes that other commands need to know. */
export type StackConfig = UpConfig & Pick<Config, "HOST" | "DEFAULT_STORE" | "AUTH">;

/** Throws one ConfigError that names every bad variable, also of those that are only handed on. */
export function readStackConfig(env: NodeJS.ProcessEnv): StackConfig {
  const config = readUpConfig(env);
  const { HOST, DEFAULT_STORE, AUTH } = readConfig(processEnvironment(config, env));
  return { ...config, HOST, DEFAULT_STORE, AUTH };
}

/** What the API and the worker are started with: `env`, and what `up` knows better. */
export function processEnvironment(config: UpConfig, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // An empty variable means "not set", as in config.ts, and must not hide what we set.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  return {
    HOST: "127.0.0.1",
    WORKER_NAME: "worker-1",
    ...set,
    PORT: `${config.PORT}`,
    WORKER_PORT: `${config.WORKER_PORT}`,
    ...serverUrls(config),
  };
}

/** Where everything of a stack with these settings is found. */
export function stackUrls(config: StackConfig) {
  const host = reachableHost(config.HOST);
  return {
    API_URL: `http://${host}:${config.PORT}`,
    WORKER_URL: `http://${host}:${config.WORKER_PORT}`,
    ...serverUrls(config),
  };
}

function serverUrls(config: UpConfig) {
  return {
    REDIS_URL: config.REDIS_URL ?? `redis://127.0.0.1:${config.REDIS_PORT}`,
    DATABASE_URL:
      config.DATABASE_URL ?? `postgres://holdfast@127.0.0.1:${config.POSTGRES_PORT}/holdfast`,
  };
}

// "All addresses" can be listened on but is none that everybody can connect to.
function reachableHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return isIPv6(host) ? `[${host}]` : host;
}
