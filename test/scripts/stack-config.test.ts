import { expect, test } from "@jest/globals";
import { processEnvironment, readStackConfig, stackUrls } from "../../scripts/stack-config.ts";
import { ConfigError } from "../../src/config.ts";

test("an empty variable, as a sourced .env.example leaves it, does not hide what we set", () => {
  const empty = { HOST: "", WORKER_NAME: " ", REDIS_URL: "", PORT: "" };
  const config = readStackConfig(empty);
  expect(config).toEqual(readStackConfig({}));
  expect(processEnvironment(config, empty)).toEqual({
    HOST: "127.0.0.1",
    WORKER_NAME: "worker-1",
    PORT: "8080",
    WORKER_PORT: "8081",
    REDIS_URL: "redis://127.0.0.1:6380",
    DATABASE_URL: "postgres://holdfast@127.0.0.1:5440/holdfast",
  });
});

test("what is set is handed on, and our own servers with it", () => {
  const env = { HOST: "0.0.0.0", WORKER_NAME: "shop-7", LOG_LEVEL: "debug", REDIS_PORT: "7000" };
  expect(processEnvironment(readStackConfig(env), env)).toMatchObject({
    HOST: "0.0.0.0",
    WORKER_NAME: "shop-7",
    LOG_LEVEL: "debug",
    REDIS_URL: "redis://127.0.0.1:7000",
  });
});

test.each([
  ["127.0.0.1", "127.0.0.1"],
  ["0.0.0.0", "127.0.0.1"],
  ["127.0.0.2", "127.0.0.2"],
  ["localhost", "localhost"],
  ["::", "[::1]"],
  ["::1", "[::1]"],
])("processes that listen on %s are asked at %s", (HOST, host) => {
  expect(stackUrls(readStackConfig({ HOST }))).toMatchObject({
    API_URL: `http://${host}:8080`,
    WORKER_URL: `http://${host}:8081`,
  });
});

test("a bad setting of the processes is refused before anything starts", () => {
  expect(() => readStackConfig({ LOG_LEVEL: "loud" })).toThrow(ConfigError);
});
